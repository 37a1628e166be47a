//! Configurations, certificates, metrics.

use std::fs;

use ebt_host::certificate::CertificateFile;
use ebt_host::plot::Figure;
use ebt_host::plot::trajectory::Trajectory;
use ebt_train::metrics::Metrics;
use ebt_train::run_config::{Layers, layers};

use super::{file, folder, pinned, refused};

pub fn config_seeds() -> Vec<Vec<u8>> {
    let own = Layers::default().compose().unwrap().to_toml().unwrap();
    let some = "[model]\ndim = 8\nmoe = { n_routed = 2, top_k = 1, hidden = 2 }\nkv_heads = 1\n\
                [objective]\nreplay = 1\n[train]\nminutes = 0.5\nprecision = \"bf16\"\n[data]\ntrain = [\"a\"]\n";
    vec![own.into_bytes(), some.into()]
}

/// A configuration file. One that is accepted is written and read again.
pub fn config(bytes: &[u8]) {
    let path = file("input.toml", bytes);
    let config = match (Layers { file: Some(&path), ..Layers::default() }).compose() {
        Ok(config) => config,
        Err(error) => return refused(&error, "input.toml"),
    };
    if config.validate().is_ok() {
        let text = config.to_toml().unwrap();
        let again = layers::parse(&text).unwrap();
        assert_eq!(again.to_toml().unwrap(), text);
    }
}

pub fn certificate_seeds() -> Vec<Vec<u8>> {
    vec![pinned("certificate-1.json")]
}

/// A file of certificates. One that is accepted is drawn.
pub fn certificate(bytes: &[u8]) {
    let file = match CertificateFile::read(&file("input.json", bytes)) {
        Ok(file) => file,
        Err(error) => return refused(&error, "input.json"),
    };
    let tokens: Vec<Trajectory> = file.tokens.iter().take(4).map(Trajectory::of_certificate).collect();
    if !tokens.is_empty() {
        let picture = folder().join("picture.svg");
        Figure::Trajectories { title: file.prompt, tokens }.write(&picture).unwrap();
        assert!(fs::metadata(&picture).unwrap().len() > 0);
    }
}

pub fn metrics_seeds() -> Vec<Vec<u8>> {
    vec![pinned("metrics.jsonl")]
}

/// The metrics of a run that goes on: what stays is whole lines up to its step, and stays the same.
pub fn metrics(bytes: &[u8]) {
    let path = file("metrics.jsonl", bytes);
    let (_, seconds) = Metrics::open(&path, 2).unwrap();
    let kept = fs::read(&path).unwrap();
    assert!(kept.len() <= bytes.len() && (kept.is_empty() || kept.ends_with(b"\n")));
    let (_, again) = Metrics::open(&path, 2).unwrap();
    assert!(fs::read(&path).unwrap() == kept && again == seconds);
}
