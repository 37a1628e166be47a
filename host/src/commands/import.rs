//! `ebt import`: weights of other programs become a model file.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ebt_core::config::{Config, UpdateRule};
use ebt_data::dataset;
use ebt_model::fields::{self, FieldError};
use ebt_model::import::{Foreign, Imported};
use ebt_model::infer::Hints;
use ebt_train::run_config::keys;

use crate::cli::{MOST_SIZE, Output, RULES, one_of, whole};

/// Turn safetensors of other programs into a model file.
///
/// Model files are safetensors too, and every command reads them as they are, whatever they are called: this is for files
/// that do not say what their weights mean, and for giving a model its tokenizer. Tensors go by the names of the published
/// EBT code; a prefix `model.` is ignored. The configuration is taken from --config, else from the file's metadata
/// `config`, else from the shapes, which do not tell everything: then --heads is needed, and --top-k for a mixture of experts.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ebt import trained.safetensors --out model.ebt --tokenizer tokenizer.json
  ebt import published.safetensors --out model.ebt --heads 12 --context 256")]
pub struct Args {
    /// File to read (safetensors; F32, F16, BF16 or F64)
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Model file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// tokenizer.json or compact tokenizer to put into the model, or `full`
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// Configuration (TOML or JSON), alone or as the table `model` of a training configuration
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Query heads, where there is no configuration
    #[arg(long, value_name = "N", value_parser = whole::<usize>(1..=MOST_SIZE))]
    heads: Option<usize>,
    /// Experts a token is sent to, where there is no configuration
    #[arg(long, value_name = "K", value_parser = whole::<usize>(1..=MOST_SIZE))]
    top_k: Option<usize>,
    /// Longest context, where there is no configuration [default: 256]
    #[arg(long, value_name = "T", value_parser = whole::<usize>(1..=MOST_SIZE))]
    context: Option<usize>,
    /// Sliding window, where there is no configuration [default: none]
    #[arg(long, value_name = "W", value_parser = whole::<usize>(1..=MOST_SIZE))]
    window: Option<usize>,
    /// Update rule, where there is no configuration [default: probability]
    #[arg(long, value_parser = one_of(RULES), value_name = "RULE")]
    update: Option<UpdateRule>,
}

/// Runs the command.
///
/// # Errors
///
/// Files that cannot be read or written, weights that do not fit their configuration, and a tokenizer that is not theirs.
pub fn run(args: Args) -> Result<()> {
    let file = Foreign::open(&args.input)?;
    let config = configuration(&file, &args)?;
    let tokenizer = args.tokenizer.as_deref().map(dataset::named).transpose()?;
    let Imported { mut model, dtype, aside } = file.read(config, &origin(&args.input))?;
    if let (Some(tokenizer), Some(path)) = (tokenizer, &args.tokenizer) {
        let place = || format!("{} and {}", args.input.display(), path.display());
        model.take_tokenizer(tokenizer, &path.display().to_string()).with_context(place)?;
    }
    model.save(&args.out, dtype)?;
    let mut out = Output::of_results();
    writeln!(out, "{}: {} parameters, stored as {}", args.out.display(), model.layout.count(), dtype.name())?;
    if aside > 0 {
        writeln!(out, "{aside} tensors of a golden case were left out")?;
    }
    if model.tokenizer.is_none() {
        writeln!(out, "the model holds no tokenizer; eval and generate need one (--tokenizer)")?;
    }
    Ok(out.flush()?)
}

fn configuration(file: &Foreign, args: &Args) -> Result<Config> {
    let hints =
        Hints { heads: args.heads, top_k: args.top_k, context: args.context, window: args.window, update: args.update };
    let hinted = [
        ("--heads", hints.heads.is_some()),
        ("--top-k", hints.top_k.is_some()),
        ("--context", hints.context.is_some()),
        ("--window", hints.window.is_some()),
        ("--update", hints.update.is_some()),
    ];
    let given = match &args.config {
        Some(path) => Some((read_config(path)?, format!("--config {}", path.display()))),
        None => file.config()?.map(|c| (c, format!("the metadata of {}", args.input.display()))),
    };
    match (given, hinted.iter().find(|(_, set)| *set)) {
        (Some((_, place)), Some((flag, _))) => bail!("{flag} has no place beside the configuration in {place}"),
        (Some((config, _)), None) => Ok(config),
        (None, _) => file.infer(&hints),
    }
}

/// A configuration file: the fields of [`Config`], or a table `model` or `config` with them.
fn read_config(path: &Path) -> Result<Config> {
    let place = || format!("cannot read the configuration {}", path.display());
    let text = fs::read_to_string(path).with_context(place)?;
    let value: serde_json::Value = if text.trim_start().starts_with('{') {
        serde_json::from_str(&text).with_context(place)?
    } else {
        toml::from_str(&text).with_context(place)?
    };
    let table = [fields::MODEL, "config"].into_iter().find_map(|key| value.get(key)).unwrap_or(&value);
    let known = fields::of_config();
    match fields::read(table, fields::MODEL, &known) {
        Ok(config) => Ok(config),
        Err(FieldError::Unknown(key)) => {
            let near =
                keys::nearest(&key, &known).map_or(String::new(), |near| format!("; the nearest key is `{near}`"));
            bail!("{}: unknown key `{key}`{near}", path.display())
        }
        Err(error) => bail!("{}", error.in_file(&path.display())),
    }
}

/// Where a model comes from that does not say so.
fn origin(input: &Path) -> [(String, String); 2] {
    let name = input.file_name().map_or_else(|| input.display().to_string(), |n| n.to_string_lossy().into_owned());
    [(String::from("imported_from"), name), (String::from("imported_by"), format!("ebt {}", env!("CARGO_PKG_VERSION")))]
}
