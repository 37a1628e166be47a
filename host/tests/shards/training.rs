//! Training from shards: bit-identical to text, exactly resumable, padding never counted, damage survived.

use std::io::{Seek, SeekFrom, Write};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use ebt_core::config::{Config, UpdateRule};
use ebt_cpu::Cpu;
use ebt_data::progress::{Progress, Silent, Stretch};
use ebt_data::{BatchSource, Documents, Worker};
use ebt_ranks::Alone;
use ebt_train::checkpoint::{State, Store};
use ebt_train::run_config::RunConfig;
use ebt_train::session::{Session, Summary, resume, train};
use ebt_train::task::Task;

use super::*;

fn config() -> RunConfig {
    let model = Config {
        vocab: 0,
        dim: 16,
        layers: 1,
        heads: 2,
        ffn: 16,
        context: 8,
        update: UpdateRule::Mirror,
        alpha: 5.0,
        ..Config::default()
    };
    let mut config = RunConfig { model, ..RunConfig::default() };
    config.objective.replay = 4;
    let t = &mut config.train;
    (t.batch, t.accumulate, t.steps, t.validate_every, t.checkpoint_every) = (2, 2, 6, 3, 2);
    (t.validate_tokens, t.seed) = (20, 3);
    config
}

fn run(config: &RunConfig, task: &Task, out: &Path, resume: Option<State>, stop_after: Option<u64>) -> Summary {
    try_run(config, task, out, resume, stop_after, &mut Silent).unwrap()
}

fn try_run(
    config: &RunConfig,
    task: &Task,
    out: &Path,
    resume: Option<State>,
    stop_after: Option<u64>,
    progress: &mut dyn Progress,
) -> anyhow::Result<Summary> {
    let (backend, stop, started) = (Cpu::<f32>::new(1), AtomicBool::new(false), Instant::now());
    let session = Session {
        backend: &backend,
        ranks: &Alone::default(),
        config,
        task,
        out,
        resume,
        stop: &stop,
        stop_after,
        started,
    };
    self::train(session, progress)
}

/// Data of text files and of shards, the same documents in the same order.
fn both(folder: &Path, config: &RunConfig) -> [(RunConfig, Task); 2] {
    let tokenizer = tokenizer();
    let json = folder.join("tokenizer.json");
    fs::write(&json, tokenizer.to_json()).unwrap();
    let held_out = DOCUMENTS.len() - 2;
    let mut text = config.clone();
    text.data.train = as_text(&folder.join("train"), &DOCUMENTS[..held_out]);
    text.data.validation = as_text(&folder.join("validation"), &DOCUMENTS[held_out..]);
    text.data.tokenizer = Some(json);
    let mut shards = config.clone();
    prepare(&folder.join("prepared"), &tokenizer, &DOCUMENTS, 2, 2);
    shards.data.train = vec![folder.join("prepared")];
    [text, shards].map(|mut config| {
        let data = config.load_data().unwrap();
        config.validate().unwrap();
        (config, data)
    })
}

#[test]
fn from_shards_is_from_text_bit_for_bit() {
    let variants: [fn(&mut RunConfig); 4] =
        [|_| {}, |c| c.data.isolate_documents = true, |c| c.data.stride = 3, |c| c.data.documents = Documents::Padded];
    for change in variants {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config();
        change(&mut config);
        let found = both(folder.path(), &config).map(|(config, data)| {
            let out = folder.path().join(format!("run-{:016x}", data.fingerprints().train));
            let summary = run(&config, &data, &out, None, None);
            (summary, Store::new(&out, 1).latest().unwrap())
        });
        let [(a, text), (b, shards)] = found;
        assert_eq!((a.validation, a.unigram, a.bigram, a.tokens), (b.validation, b.unigram, b.bigram, b.tokens));
        assert_eq!(text.weights, shards.weights);
        assert_eq!((text.first, text.second), (shards.first, shards.second));
        assert_eq!((text.average, text.replay), (shards.average, shards.replay));
    }
}

#[test]
fn a_resumed_run_on_shards_is_the_uninterrupted_one() {
    let folder = tempfile::tempdir().unwrap();
    let [_, (config, data)] = both(folder.path(), &config());
    let at = |name: &str| folder.path().join(name);
    let file = |out: &Path| fs::read(out.join("checkpoints/step-00000006/state.ebs")).unwrap();
    run(&config, &data, &at("straight"), None, None);
    for stop in 1..6 {
        let out = at(&format!("broken-{stop}"));
        run(&config, &data, &out, None, Some(stop));
        let state = Store::new(&out, 1).latest().unwrap();
        // what a later invocation finds: everything opened anew from the saved configuration
        let mut again = resume::saved(&state.header).unwrap();
        let data = again.load_data().unwrap();
        resume::check(&state.header, &again, &data, &out).unwrap();
        run(&again, &data, &out, Some(state), None);
        assert_eq!(file(&out), file(&at("straight")), "{stop}");
    }
    // the same folder with other content
    let state = Store::new(&at("straight"), 1).latest().unwrap();
    fs::remove_dir_all(at("prepared")).unwrap();
    prepare(&at("prepared"), &tokenizer(), &DOCUMENTS[1..], 2, 2);
    let mut config = config.clone();
    let data = config.load_data().unwrap();
    let message = resume::check(&state.header, &config, &data, &at("straight")).unwrap_err().to_string();
    assert!(message.contains("training text"), "{message}");
}

#[test]
fn padding_is_never_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config();
    (config.data.documents, config.objective.replay) = (Documents::Padded, 0);
    let [_, (config, data)] = both(folder.path(), &config);
    let batches = data.batches(&config, Worker::ALONE);
    let targets: usize = (0..6).map(|k| batches.get(k).unwrap().positions()).sum();
    let summary = run(&config, &data, &folder.path().join("run"), None, None);
    assert_eq!(summary.tokens, targets as u64);
    assert!(summary.tokens < 6 * config.tokens_per_step());
    assert!((0.0..=1.0).contains(&summary.data_wait));
}

/// Overwrites the tokens of the training shards, which are mapped, after a step.
struct Vandal<'a> {
    folder: &'a Path,
    step: u64,
}

impl Vandal<'_> {
    fn strike(&self) {
        for name in names(self.folder).iter().filter(|name| name.starts_with("train-")) {
            let record = Manifest::read(self.folder).unwrap().train.into_iter().find(|r| r.file == *name).unwrap();
            let mut file = fs::OpenOptions::new().write(true).open(self.folder.join(name)).unwrap();
            file.seek(SeekFrom::Start(64)).unwrap();
            file.write_all(&vec![0xFF; 2 * record.tokens as usize]).unwrap();
        }
    }
}

impl Progress for Vandal<'_> {
    fn note(&mut self, _: &str) {}
    fn begin(&mut self, _: Stretch) {}
    fn advance(&mut self, step: u64, _: &dyn Fn() -> String) {
        if step == self.step {
            self.strike();
        }
    }
    fn stage(&mut self, _: &str) {}
    fn end(&mut self) {}
}

#[test]
fn data_damaged_during_a_run_cost_no_step() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config();
    (config.train.steps, config.train.checkpoint_every, config.train.validate_every) = (12, 0, 0);
    let [_, (config, data)] = both(folder.path(), &config);
    let (straight, out) = (folder.path().join("straight"), folder.path().join("run"));
    run(&config, &data, &straight, None, None);

    let mut vandal = Vandal { folder: &folder.path().join("prepared"), step: 2 };
    let message = format!("{:#}", try_run(&config, &data, &out, None, None, &mut vandal).unwrap_err());
    for part in ["train-0000", "is 65535, outside the vocabulary", "--verify", "--resume", "cannot gather the batch"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    // the batches gathered ahead were used, then the run was saved
    let state = Store::new(&out, 1).latest().unwrap();
    assert!((2..=5).contains(&state.header.step), "{message}");
    assert!(message.contains(&format!("after {} steps", state.header.step)), "{message}");

    // still damaged: found while counting for the baselines, nothing is changed
    let message = format!("{:#}", try_run(&config, &data, &out, Some(state.clone()), None, &mut Silent).unwrap_err());
    assert!(message.contains("outside the vocabulary"), "{message}");
    prepare(&folder.path().join("prepared"), &tokenizer(), &DOCUMENTS, 2, 2);
    let mut config = config;
    let data = config.load_data().unwrap();
    run(&config, &data, &out, Some(state), None);
    let last = "checkpoints/step-00000012/state.ebs";
    assert_eq!(fs::read(out.join(last)).unwrap(), fs::read(straight.join(last)).unwrap());
}
