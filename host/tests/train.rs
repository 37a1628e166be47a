//! Training sessions: exact resumption, interrupts, divergence, refusals, metrics.
#![allow(clippy::unwrap_used)]

#[path = "train/ranks.rs"]
mod ranks;
#[path = "train/rounding.rs"]
mod rounding;

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use ebt_core::config::{Config, ModelKind, MoeConfig, UpdateRule};
use ebt_core::objective::{Flow, LossSteps, Objective};
use ebt_cpu::Cpu;
use ebt_data::progress::Silent;
use ebt_ranks::Alone;
use ebt_tokenizer::{Tokenizer, TrainOptions};
use ebt_train::checkpoint::{State, Store};
use ebt_train::run_config::RunConfig;
use ebt_train::session::{Ending, Session, Summary, resume, train};
use ebt_train::task::Task;
use tempfile::TempDir;

struct Place {
    folder: TempDir,
    config: RunConfig,
    task: Task,
}

fn text(seed: u32) -> String {
    let words = ["ev", "okul", "kitap", "gül", "İzmir'de", "yağmur", "çocuk", "su"];
    let (mut x, mut at) = (seed, 0);
    let mut next = || {
        x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        at = (at + 1 + (x >> 31) as usize) % words.len();
        words[at]
    };
    (0..30).map(|_| (0..12).map(|_| next()).collect::<Vec<_>>().join(" ") + "\n\n").collect()
}

/// A tiny run with everything that has a state: replay, noise, random steps, experts with a routing bias, accumulation.
fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("train.txt"), text(1)).unwrap();
    fs::write(at("validation.txt"), text(2)).unwrap();
    let options = TrainOptions { vocabulary_size: 280, ..TrainOptions::default() };
    let tokenizer = Tokenizer::train([text(1)].into_iter(), options).unwrap();
    fs::write(at("tokenizer.json"), tokenizer.to_json()).unwrap();
    let model = Config {
        vocab: 0,
        dim: 16,
        layers: 2,
        heads: 2,
        ffn: 24,
        context: 8,
        landscapes: 2,
        update: UpdateRule::Mirror,
        alpha: 5.0,
        moe: Some(MoeConfig { n_routed: 4, n_shared: 1, top_k: 2, hidden: 8, bias_rate: 1e-2, ..MoeConfig::default() }),
        ..Config::default()
    };
    let objective = Objective {
        min_steps: 1,
        max_steps: 3,
        flow: Flow::Unrolled,
        loss: LossSteps::Last,
        langevin: 0.3,
        alpha_jitter: 2.0,
        replay: 5,
        ..Objective::default()
    };
    let mut config = RunConfig { model, objective, ..RunConfig::default() };
    config.optimizer.alpha_rate = 1.0;
    config.schedule.warmup = 2;
    let t = &mut config.train;
    (t.batch, t.accumulate, t.steps, t.validate_every, t.checkpoint_every) = (2, 2, 6, 2, 2);
    (t.validate_tokens, t.seed) = (100, 11);
    config.data.train = vec![at("train.txt")];
    config.data.validation = vec![at("validation.txt")];
    config.data.tokenizer = Some(at("tokenizer.json"));
    let task = config.load_data().unwrap();
    config.validate().unwrap();
    Place { folder, config, task }
}

impl Place {
    fn out(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(
        &self,
        out: &Path,
        resume: Option<State>,
        stop_after: Option<u64>,
        threads: usize,
    ) -> anyhow::Result<Summary> {
        let (backend, stop) = (Cpu::<f32>::new(threads), AtomicBool::new(false));
        let (config, task, started) = (&self.config, &self.task, Instant::now());
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
        self::train(session, &mut Silent)
    }
}

fn state_file(out: &Path, step: u64) -> Vec<u8> {
    fs::read(out.join(format!("checkpoints/step-{step:08}/state.ebs"))).unwrap()
}

#[test]
fn a_resumed_run_is_the_uninterrupted_one_bit_for_bit() {
    let place = place();
    let (straight, broken) = (place.out("straight"), place.out("broken"));
    let whole = place.run(&straight, None, None, 1).unwrap();
    assert_eq!((whole.ending, whole.step), (Ending::Finished, 6));
    let part = place.run(&broken, None, Some(3), 1).unwrap();
    assert_eq!((part.ending, part.step, part.validation), (Ending::Stopped, 3, None));
    let state = Store::new(&broken, 2).latest().unwrap();
    assert!(state.replay.len() > 1);
    resume::check(&state.header, &place.config, &place.task, &broken).unwrap();
    let rest = place.run(&broken, Some(state), None, 1).unwrap();
    assert_eq!(rest.validation, whole.validation);
    assert_eq!(state_file(&straight, 6), state_file(&broken, 6));
    for name in ["model.ebt", "config.toml", "checkpoints/step-00000006/model.ebt"] {
        assert_eq!(fs::read(straight.join(name)).unwrap(), fs::read(broken.join(name)).unwrap(), "{name}");
    }
    let lines = |out: &Path| -> Vec<(u64, String)> {
        let text = fs::read_to_string(out.join("metrics.jsonl")).unwrap();
        let parse = |line: &str| {
            let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
            let fields = value.as_object_mut().unwrap();
            let timed = !fields.contains_key("validation") && !fields.contains_key("baselines");
            assert!(!timed || fields["data_wait"].as_f64().unwrap() >= 0.0);
            fields.retain(|name, _| name != "seconds" && name != "data_wait");
            (value["step"].as_u64().unwrap(), value.to_string())
        };
        text.lines().map(parse).collect()
    };
    assert_eq!(lines(&straight), lines(&broken));
    let baselines = lines(&straight).iter().filter(|(_, line)| line.contains("baselines")).count();
    assert_eq!((lines(&straight).len(), baselines), (6 + 3 + 1, 1), "they are the same on a text as small as this one");
}

#[test]
fn a_run_does_not_depend_on_threads() {
    let place = place();
    let (one, two) = (place.out("one"), place.out("two"));
    place.run(&one, None, None, 1).unwrap();
    place.run(&two, None, None, 2).unwrap();
    assert_eq!(state_file(&one, 6), state_file(&two, 6));
}

#[test]
fn another_configuration_or_text_cannot_be_resumed() {
    let place = place();
    let out = place.out("run");
    place.run(&out, None, Some(1), 1).unwrap();
    let header = Store::new(&out, 1).latest().unwrap().header;
    let refused = |change: fn(&mut RunConfig)| {
        let mut config = place.config.clone();
        change(&mut config);
        resume::check(&header, &config, &place.task, &out).map_err(|e| e.to_string())
    };
    refused(|c| c.train.minutes = Some(3.0)).unwrap();
    refused(|c| c.data.train = vec!["elsewhere".into()]).unwrap();
    assert!(refused(|c| c.schedule.rate = 0.5).unwrap_err().contains("`schedule.rate` is 0.5 now"));
    assert!(refused(|c| c.model.moe = None).unwrap_err().contains("`model.moe."));
    assert!(refused(|c| c.model.window = Some(4)).unwrap_err().contains("started with unset"));
    assert!(refused(|c| c.train.seed = 1).unwrap_err().contains("`train.seed`"));
    let Task::Text(data) = &place.task else { panic!("this run learns text") };
    let mut data = data.clone();
    data.train = data.validation.clone();
    let message = resume::check(&header, &place.config, &Task::Text(data), &out).unwrap_err().to_string();
    assert!(message.contains("training text"), "{message}");
}

#[test]
fn a_diverged_run_keeps_its_last_good_checkpoint() {
    let mut place = place();
    place.config.train.checkpoint_every = 1;
    place.config.train.validate_every = 0;
    place.config.objective.replay = 0;
    let out = place.out("run");
    place.run(&out, None, Some(2), 1).unwrap();
    let mut state = Store::new(&out, 1).latest().unwrap();
    state.weights[0].fill(f32::NAN);
    let message = format!("{:#}", place.run(&out, Some(state), None, 1).unwrap_err());
    assert!(
        message.contains("diverged") && message.contains("step-00000002") && message.contains("not finite"),
        "{message}"
    );
    assert_eq!(Store::new(&out, 1).latest().unwrap().header.step, 2);
}

#[test]
fn the_baseline_trains_too() {
    let mut place = place();
    place.config.model.kind = ModelKind::Transformer;
    let summary = place.run(&place.out("run"), None, None, 1).unwrap();
    assert_eq!(summary.validation.unwrap().per_step.len(), 1);
}

#[test]
fn isolated_documents_train() {
    let mut place = place();
    place.config.data.isolate_documents = true;
    place.run(&place.out("run"), None, Some(3), 1).unwrap();
}

#[test]
fn training_learns() {
    let mut place = place();
    (place.config.model.moe, place.config.model.landscapes) = (None, 1);
    place.config.objective = Objective { min_steps: 1, max_steps: 1, ..Objective::default() };
    place.config.objective.initial = ebt_core::objective::InitialState::Zeros;
    place.config.schedule.rate = 1e-2;
    (place.config.train.steps, place.config.train.batch, place.config.train.ema) = (120, 8, 0.9);
    place.config.train.validate_every = 0;
    let summary = place.run(&place.out("run"), None, None, 1).unwrap();
    let bits = summary.validation.unwrap().bits_per_byte;
    assert!(bits < summary.unigram, "{bits} against {}", summary.unigram);
}

#[test]
fn the_time_limit_saves_measures_and_can_be_resumed() {
    let mut place = place();
    place.config.train.minutes = Some(1e-6);
    let out = place.out("run");
    let summary = place.run(&out, None, None, 1).unwrap();
    assert_eq!((summary.ending, summary.step), (Ending::TimeUp, 1));
    assert!(summary.validation.is_some() && summary.model.is_file());
    place.config.train.minutes = None;
    let state = Store::new(&out, 1).latest().unwrap();
    assert_eq!(place.run(&out, Some(state), None, 1).unwrap().ending, Ending::Finished);
}

#[test]
fn text_that_is_too_short_or_empty_is_refused() {
    let place = place();
    let short = place.out("short.txt");
    for (contents, part) in [("", "empty"), ("\n \n", "empty"), ("ev", "too short")] {
        fs::write(&short, contents).unwrap();
        let mut config = place.config.clone();
        config.data.train = vec![short.clone()];
        let message = config.load_data().unwrap_err().to_string();
        assert!(message.contains(part) && message.contains("short.txt"), "{message}");
    }
    fs::write(&short, b"ev \xc3").unwrap();
    let mut config = place.config.clone();
    config.data.validation = vec![short];
    let message = format!("{:#}", config.load_data().unwrap_err());
    assert!(message.contains("not UTF-8") && message.contains("byte 3"), "{message}");
}
