//! Writing model files.

use std::io::Write;
use std::path::Path;

use anyhow::{Result, bail};
use ebt_core::config::{Conditioning, Config, Head, Initialization, JointConfig, ModelKind};
use ebt_core::objective::Objective;
use ebt_core::parameters::ParameterLayout;
use ebt_data::file;
use ebt_tokenizer::Tokenizer;
use serde_json::Value;

use super::loaded::LoadedModel;
use super::read::FORMAT;
use crate::dtype::Dtype;
use crate::format::{
    CONFIG_KEY, FINGERPRINT_KEY, OBJECTIVE_KEY, PROVENANCE_KEY, TOKENIZER_KEY, WORDS_TENSOR, fingerprint_text,
};
use crate::weights::Names;
use crate::write::{self, Tensor, Values};

/// What a model file is written from.
#[derive(Debug)]
pub struct Contents<'a, W> {
    /// Sizes and semantics.
    pub config: &'a Config,
    /// How the model was trained.
    pub objective: &'a Objective,
    /// Where the model comes from.
    pub provenance: &'a [(String, String)],
    /// Weights in layout order.
    pub weights: &'a [W],
    /// How they are stored.
    pub dtype: Dtype,
    /// Text to tokens, if the file is to hold it.
    pub tokenizer: Option<&'a Tokenizer>,
    /// Fingerprint of the tokenizer that the weights go with, where it is known and no tokenizer is given.
    pub fingerprint: Option<u64>,
    /// Table of words of a joint model of letters.
    pub words: Option<&'a [u8]>,
}

/// Writes a model file: [`Dtype::F32`] keeps every bit, and equal models give equal bytes.
///
/// # Errors
///
/// A configuration or objective that is not valid, weights that do not fit it or that are not finite as they are stored, and
/// what `out` refuses.
pub fn write<W: AsRef<[f32]>>(contents: &Contents<'_, W>, out: &mut dyn Write) -> Result<()> {
    let Contents { config, objective, provenance, weights, dtype, tokenizer, fingerprint, words } = *contents;
    config.validate()?;
    objective.validate()?;
    let layout = ParameterLayout::new(config);
    let mut tensors = Names::of(&layout).tensors(&layout, weights, "", dtype)?;
    for tensor in &tensors {
        if let Values::Floats { values, .. } = tensor.values
            && let Some(bad) = values.iter().find(|&&x| !dtype.round(x).is_finite())
        {
            bail!("tensor {} holds {bad:e}, which is no finite number as {}", tensor.name, dtype.name());
        }
    }
    if let Some(words) = words {
        let (name, shape) = (String::from(WORDS_TENSOR), vec![words.len()]);
        tensors.push(Tensor { name, shape, values: Values::Bytes(words) });
    }
    let mut strings = FORMAT.stamp();
    strings.insert(CONFIG_KEY, config_json(config)?);
    strings.insert(OBJECTIVE_KEY, objective_json(objective)?);
    strings.insert(PROVENANCE_KEY, serde_json::to_string(provenance)?);
    if let Some(fingerprint) = tokenizer.map(Tokenizer::fingerprint).or(fingerprint) {
        strings.insert(FINGERPRINT_KEY, fingerprint_text(fingerprint));
    }
    if let Some(tokenizer) = tokenizer {
        strings.insert(TOKENIZER_KEY, tokenizer.to_json().to_owned());
    }
    write::write(out, strings, tensors)
}

/// The configuration as JSON. Fields that the published reference does not know are left out where they hold their
/// default, so that it can read the rest.
fn config_json(config: &Config) -> Result<String> {
    let mut value = serde_json::to_value(config)?;
    if let Some(fields) = value.as_object_mut() {
        let ours = [
            ("kind", config.kind == ModelKind::default()),
            ("condition", config.condition == Conditioning::default()),
            ("initialization", config.initialization == Initialization::default()),
            ("last_token", !config.last_token),
            ("tau", config.tau == 0.0),
            ("head", config.head == Head::default()),
            ("joint", config.joint == JointConfig::default()),
        ];
        for (field, _) in ours.iter().filter(|(_, default)| *default) {
            fields.remove(*field);
        }
        if let (Some(Value::Object(moe)), Some(set)) = (fields.get_mut("moe"), &config.moe)
            && set.bias_rate == 0.0
        {
            moe.remove("bias_rate");
        }
    }
    Ok(serde_json::to_string(&value)?)
}

/// The objective as JSON. Fields that came later are left out where they hold their default, so that programs of before read
/// what they know.
fn objective_json(objective: &Objective) -> Result<String> {
    let (mut text, default) = (serde_json::to_string(objective)?, serde_json::to_value(Objective::default())?);
    for field in ["curriculum_steps", "step_control", "step_gain", "nce", "noise_tokens"] {
        if let Some(value) = default.get(field) {
            text = text.replace(&format!(",\"{field}\":{value}"), "");
        }
    }
    Ok(text)
}

/// Saves a model file atomically.
///
/// # Errors
///
/// As [`write()`], and whatever the file system refuses; the message names the file.
pub fn save<W: AsRef<[f32]>>(path: &Path, contents: &Contents<'_, W>) -> Result<()> {
    file::write(path, |out| write(contents, out))
}

impl LoadedModel {
    /// Writes the model with its values stored as `dtype`.
    ///
    /// # Errors
    ///
    /// As [`write()`].
    pub fn write(&self, dtype: Dtype, out: &mut dyn Write) -> Result<()> {
        let Self { config, objective, provenance, weights, fingerprint, .. } = self;
        let (tokenizer, words, fingerprint) = (self.tokenizer.as_ref(), self.words.as_deref(), *fingerprint);
        write(&Contents { config, objective, provenance, weights, dtype, tokenizer, fingerprint, words }, out)
    }

    /// Saves the model atomically with its values stored as `dtype`.
    ///
    /// # Errors
    ///
    /// As [`save`].
    pub fn save(&self, path: &Path, dtype: Dtype) -> Result<()> {
        file::write(path, |out| self.write(dtype, out))
    }
}
