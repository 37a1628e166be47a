//! Pictures: as typed.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::Path;

use ebt_core::training::StepReport;
use ebt_data::baselines::Baselines;
use ebt_model::Dtype;
use ebt_train::boards::Solved;
use ebt_train::checkpoint::Validation;
use ebt_train::metrics::{Metrics, StepLine};
use ebt_train::restored::{Restored, Right};
use support::configs;
use support::program::{fails, succeeds};

fn saved(folder: &Path, config: usize) -> String {
    let path = folder.join(format!("model{config}.ebt"));
    support::model(&configs()[config], false).save(&path, Dtype::F32).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Checks that every element is closed in order; the picture's text.
fn svg(path: &str) -> String {
    let picture = fs::read_to_string(path).unwrap();
    assert!(picture.starts_with("<svg ") && picture.trim_end().ends_with("</svg>"), "{path}");
    assert!(!picture.contains("NaN"), "{path}");
    let (mut open, mut text) = (Vec::new(), String::new());
    for part in picture.split('<').skip(1) {
        let (tag, rest) = part.split_once('>').unwrap();
        let name = tag.trim_start_matches('/').split_whitespace().next().unwrap().to_owned();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') {
            open.push(name);
        }
        text.push_str(rest.trim());
        text.push('\n');
    }
    assert!(open.is_empty());
    text
}

/// Draws it as PNG, if this build can, and decodes the whole picture; the number of its colours.
#[cfg(feature = "png")]
fn png_colours(path: &str, arguments: &[&str]) -> usize {
    succeeds(arguments);
    let file = std::io::BufReader::new(fs::File::open(path).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(pixels.len(), 3 * info.width as usize * info.height as usize);
    pixels.chunks_exact(3).collect::<std::collections::HashSet<_>>().len()
}

/// Without the feature the program refuses, before it reads anything.
#[cfg(not(feature = "png"))]
fn png_colours(path: &str, arguments: &[&str]) -> usize {
    let message = fails(arguments, 1);
    assert!(message.contains(path) && message.contains("--features png"), "{message}");
    assert!(!Path::new(path).exists());
    usize::MAX
}

#[test]
fn trajectories_are_drawn_from_a_model_and_from_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let model = saved(folder.path(), 0);
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (vector, pixels, certificate) = (at("a.svg"), at("a.png"), at("c.json"));
    let common = ["plot", "--model", &model, "--prompt", "Işık & <köy>", "--out"];
    succeeds(&[&common[..], &[&vector, "--tokens", "4", "--candidates", "3", "--think", "6"]].concat());
    let text = svg(&vector);
    assert!(text.contains("token 4: ") && text.contains("descent step") && text.contains("Işık"), "{text}");
    assert!(png_colours(&pixels, &[&common[..], &[&pixels]].concat()) > 20, "letters and lines have smooth edges");

    succeeds(&["generate", "--model", &model, "--prompt", "köy", "--tokens", "2", "--certificate", &certificate]);
    succeeds(&["plot", "--certificate", &certificate, "--out", &vector]);
    assert!(svg(&vector).contains("token 1: "));
}

/// A board with one solution of which nine cells are given.
const BOARD: &str = "..5.2. ...... 2..... .6.1.. 1...5. ...4.3";

#[test]
fn a_board_is_drawn_as_it_fills_in_beside_its_starts() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (vector, pixels) = (at("d.svg"), at("d.png"));
    let common = ["plot", "--board", BOARD, "--out"];
    succeeds(&[&common[..], &[&vector, "--candidates", "8"]].concat());
    let text = svg(&vector);
    for words in ["9 of 36 cells given", "after 1 step", "after 16 steps", "free energy F", "start 8: F = ", ", kept"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    succeeds(&[&common[..], &[&vector, "--think", "100"]].concat());
    let text = svg(&vector);
    assert!(text.contains("after 100 steps") && !text.contains("start 1"), "one start is shown once: {text}");
    assert!(png_colours(&pixels, &[&common[..], &[&pixels]].concat()) > 20);
}

/// Writes a run of so many steps, with a measurement after every tenth.
fn run(folder: &Path, steps: u64, validation: impl Fn(u64) -> Validation, baselines: Option<Baselines>) {
    fs::create_dir_all(folder).unwrap();
    let (mut metrics, _) = Metrics::open(&folder.join("metrics.jsonl"), 0).unwrap();
    baselines.into_iter().for_each(|of| metrics.baselines(0, of).unwrap());
    for step in 1..=steps {
        let x = 1.0 / step as f64;
        // a loss that was no number, as half precision may have it
        let loss = if step == 3 { f64::NAN } else { 2.0 + x };
        let report = StepReport { loss, energies: vec![x, -x], ..StepReport::default() };
        metrics.step(&StepLine::new(report, step, 100 * step, step as f64 / 7.0, 1e-3)).unwrap();
        if step % 10 == 0 {
            metrics.validation(&validation(step), &[]).unwrap();
        }
    }
    if steps >= 10 {
        metrics.validation(&Validation { tokens: 500, ..validation(steps) }, &[]).unwrap();
    }
}

#[test]
fn runs_are_drawn_whatever_they_learn_and_however_far_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let text = |step: u64| {
        let bits = 2.0 + 1.0 / step as f64;
        Validation { step, bits_per_byte: bits, per_step: vec![bits + 0.1, bits], tokens: 50, ..Validation::default() }
    };
    let of = |step: u64| Validation { step, tokens: 50, bits_per_byte: f64::NAN, ..Validation::default() };
    let solved =
        |step| Validation { solved: Some(Solved { boards: 9, per_step: vec![0, 4], ..Solved::default() }), ..of(step) };
    let right = Right { letters: 8, words: 4 };
    let restored = |step| {
        let found = Restored { of: Right { letters: 10, words: 5 }, per_step: vec![right], ..Restored::default() };
        Validation { restored: Some(found), ..of(step) }
    };
    let baselines = Some(Baselines { unigram: 2.5, bigram: 1.9 });
    run(&folder.path().join("first"), 40, text, baselines);
    run(&folder.path().join("a/second"), 4000, text, baselines);
    run(&folder.path().join("one"), 1, text, baselines);
    run(&folder.path().join("boards"), 20, solved, None);
    run(&folder.path().join("letters"), 20, restored, None);
    let (vector, pixels) = (at("r.svg"), at("r.png"));
    let plot = |arguments: &[&str]| {
        succeeds(&[&["plot", "--out", &vector], arguments].concat());
        svg(&vector)
    };
    let [first, second, one, boards, letters] =
        ["first", "a/second", "one", "boards", "letters"].map(|name| format!("--run={}", at(name)));
    let text = plot(&[&first, &second, "--smooth", "0.9"]);
    for words in [
        "2 runs",
        "first",
        "second",
        "training loss, smoothed by 0.9",
        "bits per byte",
        "unigram",
        "bigram",
        "ring: on",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(fs::metadata(&vector).unwrap().len() < 400_000, "as many points as can be seen");
    assert!(plot(&[&one]).contains("mean energy"));
    assert!(plot(&[&boards, "--by", "seconds"]).contains("boards solved, %"));
    assert!(plot(&[&letters, "--by", "tokens"]).contains("words right, %"));
    let all = plot(&[&first, &boards, &letters]);
    assert!(["boards solved, %", "words right, %", "bits per byte"].iter().all(|words| all.contains(words)), "{all}");
    // a run that is written to right now
    let metrics = folder.path().join("one/metrics.jsonl");
    fs::write(&metrics, [fs::read(&metrics).unwrap(), b"{\"step\": 2, \"tok".to_vec()].concat()).unwrap();
    assert!(plot(&[&one]).contains("one"));
    let stored = format!("--run={}/../fixtures/formats", env!("CARGO_MANIFEST_DIR"));
    assert!(plot(&[&stored]).contains("training loss"));
    assert!(png_colours(&pixels, &["plot", "--out", &pixels, &first]) > 20);

    let refused = |arguments: &[&str], code: i32| fails(&[&["plot", "--out", &vector], arguments].concat(), code);
    fs::create_dir_all(at("empty")).unwrap();
    assert!(refused(&["--run", &at("empty")], 1).contains("empty/metrics.jsonl"));
    fs::write(at("empty/metrics.jsonl"), "").unwrap();
    assert!(refused(&["--run", &at("empty")], 1).contains("holds no step of a run yet"));
    assert!(refused(&[&first, "--think", "3"], 1).contains("--think"));
    assert!(refused(&[&first, "--kind", "landscape"], 1).contains("--kind landscape"));
    refused(&[&first, "--smooth", "1"], 2);
    refused(&[&first, "--prompt", "a"], 2);
    assert!(refused(&["--prompt", "a", "--by", "tokens"], 1).contains("--by: only with --run"));
}

#[test]
fn landscapes_are_drawn_whatever_the_candidates_and_the_rule() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (vector, pixels) = (at("b.svg"), at("b.png"));
    for config in [0, 1] {
        let model = saved(folder.path(), config);
        let common =
            ["plot", "--model", &model, "--prompt", "köy", "--kind", "landscape", "--resolution", "16", "--out"];
        for (candidates, rule, think) in [("1", "probability", "1"), ("1", "mirror", "5"), ("4", "logit", "3")] {
            let flags = ["--candidates", candidates, "--rule", rule, "--think", think];
            succeeds(&[&common[..], &[&vector], &flags].concat());
            let text = svg(&vector);
            assert!(text.contains(&format!("rule {rule}")) && text.contains("along the descent"), "{text}");
            assert!(png_colours(&pixels, &[&common[..], &[&pixels], &flags].concat()) > 50);
        }
    }
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (model, baseline) = (saved(folder.path(), 0), saved(folder.path(), 3));
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let out = at("x.svg");
    let gif = fails(&["plot", "--model", &model, "--prompt", "a", "--out", "x.gif"], 1);
    assert!(gif.contains("x.gif") && gif.contains(".svg or .png"), "{gif}");
    fails(&["plot", "--out", &out], 2);
    fails(&["plot", "--model", &model, "--prompt", "a", "--tokens", "0", "--out", &out], 2);
    fails(&["plot", "--model", &model, "--prompt", "a", "--resolution", "9999", "--out", &out], 2);
    let refused = |arguments: &[&str], words: &str| {
        let message = fails(&[&["plot", "--out", &out], arguments].concat(), 1);
        assert!(message.contains(words), "{arguments:?}: {message}");
    };
    refused(&["--model", &baseline, "--prompt", "a"], "baseline transformer");
    refused(&["--model", "/nowhere.ebt", "--prompt", "a"], "/nowhere.ebt");
    let arguments = ["plot", "--out", &out, "--model", &model, "--prompt", "a", "--step-size", "0"];
    assert!(fails(&arguments, 2).contains("--step-size"));
    refused(&["--certificate", "/nowhere.json"], "/nowhere.json");
    refused(&["--board", "12"], "--board: ");
    refused(&["--board", "11.... ...... ...... ...... ...... ......"], "row 1 has 1 twice");
    refused(&["--board", BOARD, "--tokens", "2"], "--tokens");
    refused(&["--board", BOARD, "--noise", "langevin:1"], "--noise");
    refused(&["--board", BOARD, "--kind", "landscape"], "--kind landscape");
    refused(&["--board", BOARD, "--model", &model], "joint");
    let other = at("other.json");
    for (contents, words) in [
        ("no json", "it is no JSON"),
        ("{}", "no `version`"),
        (r#"{"version": 9}"#, "version 9"),
        (r#"{"version": 1}"#, "not a file of certificates"),
    ] {
        fs::write(&other, contents).unwrap();
        refused(&["--certificate", &other], words);
    }
    refused(&["--certificate", &other, "--kind", "landscape"], "--kind landscape");
    refused(&["--certificate", &other, "--candidates", "2"], "--candidates");
    let nowhere = fails(&["plot", "--model", &model, "--prompt", "a", "--out", "/nowhere/x.svg"], 1);
    assert!(nowhere.contains("/nowhere/x.svg"), "{nowhere}");
    assert!(!Path::new(&out).exists());
}
