//! A folder for the Hugging Face hub.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use ebt::packed::Storage;
use ebt_data::file;
use ebt_data::program::{argument, name};
use ebt_data::progress::eprint_line;
use ebt_model::{Dtype, LoadedModel};
use ebt_train::session::METRICS_FILE;
use serde_json::{Value, json};

use super::card::{self, HubArgs};
use crate::cli::Output;
use crate::packing;

/// What goes into the folder.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// The model.
    pub model: &'a LoadedModel,
    /// Where it lies.
    pub source: &'a Path,
    /// What its card says.
    pub hub: &'a HubArgs,
    /// How the weights of the model file are stored.
    pub dtype: Dtype,
    /// How those of the packed model are stored.
    pub storage: Storage,
}

/// Writes model, packed model, configuration, tokenizer and card, and prints what uploads them.
///
/// # Errors
///
/// A model without a packed form, results that are none, files that cannot be written.
pub fn write(folder: &Path, parts: &Parts<'_>) -> Result<()> {
    let Parts { model, source, hub, dtype, storage } = *parts;
    let results = if hub.results.is_empty() {
        last_validation(source)?.into_iter().collect()
    } else {
        hub.results.iter().map(|path| evaluated(path)).collect::<Result<Vec<_>>>()?
    };
    let packed = packing::pack(model, storage).with_context(|| format!("cannot pack {}", source.display()))?;
    fs::create_dir_all(folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
    let mut out = Output::of_results();
    let mut put = |name: &str, fill: &dyn Fn(&mut dyn Write) -> Result<()>| -> Result<()> {
        let path = folder.join(name);
        file::write(&path, fill)?;
        let bytes = fs::metadata(&path).with_context(|| format!("cannot read {}", path.display()))?.len();
        Ok(writeln!(out, "{}: {bytes} bytes", path.display())?)
    };
    put("model.safetensors", &|out| model.write(dtype, out))?;
    put("model.ebp", &|out| Ok(out.write_all(&packed)?))?;
    let config = json!({ "model_type": "ebt", "model": model.config, "objective": model.objective });
    put("config.json", &|out| Ok(writeln!(out, "{config:#}")?))?;
    if let Some(tokenizer) = &model.tokenizer {
        put("tokenizer.json", &|out| Ok(out.write_all(tokenizer.to_json().as_bytes())?))?;
    }
    let text = card::text(model, hub, dtype, packed.len(), &results);
    put("README.md", &|out| Ok(out.write_all(text.as_bytes())?))?;
    if hub.licence.is_none() {
        eprint_line("the card names no licence: give --licence ID, as the licence of the text that was learned allows");
    }
    let repository = hub.repository.as_deref().unwrap_or(card::UNNAMED);
    writeln!(out, "to upload: hf upload {repository} {}", argument(&folder.display().to_string()))?;
    writeln!(out, "to use:    {} generate --model hf://{repository}/model.ebp", name())?;
    Ok(out.flush()?)
}

/// The last validation of a run whose folder was named.
fn last_validation(source: &Path) -> Result<Option<card::Measured>> {
    let path = source.join(METRICS_FILE);
    if !path.is_file() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let of = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        let bits = line["validation"]["bits_per_byte"].as_f64()?;
        Some(card::Measured::bits_per_byte(String::from("validation of the run"), bits))
    };
    Ok(text.lines().rev().find_map(of))
}

/// What `ebt eval --json` printed into a file.
fn evaluated(path: &Path) -> Result<card::Measured> {
    let unreadable = || format!("cannot read {}", path.display());
    let text = fs::read_to_string(path).with_context(unreadable)?;
    let value: Value = serde_json::from_str(&text).with_context(unreadable)?;
    let name = || {
        let names = value["sources"].as_array().into_iter().flatten().filter_map(|source| source["source"].as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    if let Some(bits) = value["bits_per_byte"].as_f64() {
        return Ok(card::Measured::bits_per_byte(name(), bits));
    }
    match (value["accuracy"].as_f64(), value["items"].as_str()) {
        (Some(accuracy), Some(items)) => Ok(card::Measured::accuracy(items.to_owned(), accuracy)),
        _ => bail!("{}: holds no result of `{} eval --json`", path.display(), ebt_data::program::name()),
    }
}
