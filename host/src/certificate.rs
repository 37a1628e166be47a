//! Certificates as a file: what `ebt generate --certificate` writes and `ebt plot --certificate` reads.

use std::path::Path;

use anyhow::{Context, Result, bail};
use ebt::engine::descent::{self, DescentOptions};
use serde::{Deserialize, Serialize};

use ebt_data::file;

/// Version of the file; no other is read.
pub const VERSION: u32 = 1;

/// A generation with the certificate of every token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CertificateFile {
    /// Version of the format: always [`VERSION`], as a file of any other is refused.
    pub version: u32,
    /// The model, as it was named.
    pub model: String,
    /// Update rule of the descent.
    pub rule: ebt_core::config::UpdateRule,
    /// How every token was thought about.
    pub think: DescentOptions,
    /// What was continued.
    pub prompt: String,
    /// What was generated.
    pub text: String,
    /// The generated tokens in order.
    pub tokens: Vec<Certified>,
}

impl CertificateFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, is something else or of another version; the message names it.
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.display();
        let json: serde_json::Value = serde_json::from_slice(&file::map(path)?)
            .with_context(|| format!("{name} is not a file of certificates: it is no JSON"))?;
        match json.get("version").and_then(serde_json::Value::as_u64) {
            Some(version) if version == u64::from(VERSION) => {}
            Some(version) => bail!("{name}: certificates of version {version} cannot be read, only version {VERSION}"),
            None => bail!("{name} is not a file of certificates: it has no `version`"),
        }
        serde_json::from_value(json).with_context(|| format!("{name} is not a file of certificates"))
    }
}

/// A token and how it was arrived at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Certified {
    /// Its id in the vocabulary of the model.
    pub id: u32,
    /// Its text; bytes that are no whole character are U+FFFD.
    pub piece: String,
    /// Its probability among the tokens that could be drawn.
    pub probability: f32,
    /// The descent to the distribution that it was drawn from.
    pub certificate: Certificate,
}

impl Certified {
    /// A token that was drawn: its bytes, and how it was found.
    pub fn new(drawn: descent::Drawn, bytes: &[u8], certificate: &descent::Certificate<'_>) -> Self {
        let piece = String::from_utf8_lossy(bytes).into_owned();
        Self { id: drawn.id, piece, probability: drawn.probability, certificate: Certificate::from(certificate) }
    }
}

/// [`descent::Certificate`] with memory of its own; the fields are the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are explained where they are borrowed from")]
pub struct Certificate {
    pub position: usize,
    pub candidate: usize,
    pub steps: usize,
    pub stop: descent::Stop,
    pub landscapes: Vec<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rounds: Vec<u32>,
    pub energies: Vec<f32>,
    pub energies_after: Vec<f32>,
    pub step_sizes: Vec<f32>,
    pub dissipations: Vec<f32>,
    pub decreased: Vec<bool>,
    pub sufficient: f32,
    pub all_decreased: Option<bool>,
    pub alpha_lambda: Vec<f32>,
    pub largest_alpha_lambda: Option<f32>,
    pub candidate_energies: Vec<f32>,
    pub acceptance: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<descent::Assessment>,
}

impl From<&descent::Certificate<'_>> for Certificate {
    fn from(c: &descent::Certificate<'_>) -> Self {
        Self {
            position: c.position,
            candidate: c.candidate,
            steps: c.steps,
            stop: c.stop,
            landscapes: c.landscapes.to_vec(),
            rounds: c.rounds.to_vec(),
            energies: c.energies.to_vec(),
            energies_after: c.energies_after.to_vec(),
            step_sizes: c.step_sizes.to_vec(),
            dissipations: c.dissipations.to_vec(),
            decreased: c.decreased.to_vec(),
            sufficient: c.sufficient,
            all_decreased: c.all_decreased,
            alpha_lambda: c.alpha_lambda.to_vec(),
            largest_alpha_lambda: c.largest_alpha_lambda,
            candidate_energies: c.candidate_energies.to_vec(),
            acceptance: c.acceptance,
            end: c.end,
        }
    }
}
