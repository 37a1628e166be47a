//! Pictures: as typed.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::Path;

use ebt_model::Dtype;
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
