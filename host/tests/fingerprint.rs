//! A tokenizer of the same size but another: wherever one meets weights or tokens, fingerprints are compared, and both are named.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;

use ebt_model::{Dtype, LoadedModel};
use ebt_tokenizer::{Tokenizer, TrainOptions};
use serde_json::json;
use support::header::with_strings;
use support::program::{fails, succeeds};
use support::{configs, fixtures};

const TEXT: &str = "Bir varmış bir yokmuş, evvel zaman içinde kalbur saman içinde.\n\nAnkara'nın ilçeleri ve köyleri.\n\n\
    Develer tellal iken, pireler berber iken.\n\nBen babamın beşiğini tıngır mıngır sallar iken.\n\nGökten üç elma düşmüş.\n";

struct Place {
    folder: tempfile::TempDir,
    ours: Tokenizer,
    other: Tokenizer,
}

impl Place {
    fn new() -> Self {
        let learn = |name: &str| {
            let text = fs::read_to_string(fixtures("turkish/train").join(name)).unwrap();
            let options = TrainOptions { vocabulary_size: 290, ..TrainOptions::default() };
            Tokenizer::train(text.split("\n\n").take(60).map(str::to_owned), options).unwrap()
        };
        let (ours, other) = (learn("ud-pud.txt"), learn("laws-1.txt"));
        assert_eq!(ours.vocabulary_size(), other.vocabulary_size());
        let place = Self { folder: tempfile::tempdir().unwrap(), ours, other };
        fs::write(place.at("ours.json"), place.ours.to_json()).unwrap();
        fs::write(place.at("other.json"), place.other.to_json()).unwrap();
        fs::write(place.at("metin.txt"), TEXT).unwrap();
        place
    }

    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn model(&self, tokenizer: Option<&Tokenizer>) -> LoadedModel {
        let fingerprint = Some(self.ours.fingerprint());
        LoadedModel { tokenizer: tokenizer.cloned(), fingerprint, ..support::model(&configs()[0], false) }
    }

    fn prepare(&self, tokenizer: &str, out: &str) -> String {
        let (text, tokenizer, out) = (self.at("metin.txt"), self.at(tokenizer), self.at(out));
        succeeds(&["data", "prepare", &text, "--tokenizer", &tokenizer, "--validation", "0.4", "--out", &out]);
        out
    }

    /// Both fingerprints and `name` are in the message of a command that fails.
    fn refused(&self, arguments: &[&str], name: &str) {
        let message = fails(arguments, 1);
        for part in [format!("{:016x}", self.ours.fingerprint()), format!("{:016x}", self.other.fingerprint())] {
            assert!(message.contains(&part) && message.contains(name), "{arguments:?}: {part}, {name}: {message}");
        }
    }
}

#[test]
fn weights_take_no_other_tokenizer() {
    let place = Place::new();
    let (model, plain, out) = (place.at("m.ebt"), place.at("plain.safetensors"), place.at("out.ebt"));
    place.model(Some(&place.ours)).save(model.as_ref(), Dtype::F32).unwrap();
    place.model(None).save(plain.as_ref(), Dtype::F32).unwrap();
    let exported = place.at("exported.safetensors");
    succeeds(&["export", &model, "--out", &exported]);
    for file in [&model, &plain, &exported] {
        place.refused(&["import", file, "--tokenizer", &place.at("other.json"), "--out", &out], "other.json");
        assert!(!fs::exists(&out).unwrap());
        succeeds(&["import", file, "--tokenizer", &place.at("ours.json"), "--out", &out]);
        assert_eq!(fs::read(&out).unwrap(), fs::read(&model).unwrap());
        fs::remove_file(&out).unwrap();
    }
    // the fingerprint is named where the tokenizer is missing, and goes on into what is exported
    let own = format!("{:016x}", place.ours.fingerprint());
    succeeds(&["export", &plain, "--dtype", "bf16", "--out", &out]);
    for file in [&plain, &out] {
        assert!(fails(&["generate", "--model", file, "--prompt", "a"], 1).contains("no tokenizer"));
        assert!(fails(&["eval", "--model", file, &place.at("metin.txt")], 1).contains(&own));
        assert!(succeeds(&["inspect", file]).contains(&own));
    }
    succeeds(&["export", &plain, "--packed", "int8", "--out", &out]);
    assert!(succeeds(&["inspect", &out]).contains(&own));
    // a tokenizer inside that is not the one of the weights
    let forged = with_strings(&fs::read(&model).unwrap(), |strings| {
        strings.insert("ebt_tokenizer".into(), json!(place.other.to_json()));
    });
    fs::write(&model, forged).unwrap();
    place.refused(&["generate", "--model", &model, "--prompt", "a"], "m.ebt");
}

#[test]
fn prepared_data_of_another_tokenizer_are_not_evaluated() {
    let place = Place::new();
    let (model, packed) = (place.at("m.ebt"), place.at("m.ebp"));
    place.model(Some(&place.ours)).save(model.as_ref(), Dtype::F32).unwrap();
    succeeds(&["export", &model, "--packed", "f32", "--out", &packed]);
    let (ours, other) = (place.prepare("ours.json", "bizim"), place.prepare("other.json", "yabanci"));
    for model in [&model, &packed] {
        place.refused(&["eval", "--model", model, &other], "yabanci");
        succeeds(&["eval", "--model", model, &ours]);
    }
}

#[test]
fn a_run_goes_on_with_its_own_tokenizer_only() {
    let place = Place::new();
    let (run, ours, other) =
        (place.at("run"), place.prepare("ours.json", "bizim"), place.prepare("other.json", "yabanci"));
    let sizes = ["model.dim=8", "model.heads=2", "model.layers=1", "model.ffn=8", "model.context=4", "train.batch=2"];
    let set: Vec<&str> = sizes.iter().flat_map(|size| ["--set", size]).collect();
    succeeds(&[&["train", "--data", &ours, "--out", &run, "--steps", "2", "--threads", "1"], set.as_slice()].concat());
    let resume = ["train", "--resume", &run];
    place.refused(&[&resume[..], &["--data", &other]].concat(), "run");
    place.refused(&[&resume[..], &["--tokenizer", &place.at("other.json")]].concat(), "run");
    let text = place.at("metin.txt");
    let text = ["--data", &text, "--validation", &text];
    place.refused(&[&resume[..], &text, &["--tokenizer", &place.at("other.json")]].concat(), "run");
    // of another size, too, it is the tokenizer that is named
    let message = fails(&[&resume[..], &text, &["--tokenizer", "full"]].concat(), 1);
    assert!(message.contains("32768 tokens") && message.contains("was started with the tokenizer"), "{message}");
    // within a run: validation text, and a tokenizer beside prepared data
    let fresh = place.at("fresh");
    place.refused(&["train", "--data", &ours, "--validation", &other, "--out", &fresh], "yabanci");
    place.refused(&["train", "--data", &ours, "--tokenizer", &place.at("other.json"), "--out", &fresh], "bizim");
    place.refused(&["train", "--data", &ours, &other, "--out", &fresh], "yabanci");
}
