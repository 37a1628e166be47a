//! `host import`: a safetensors checkpoint becomes a model file.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ebt_core::config::{Config, UpdateRule};
use ebt_core::model_file::Dtype;
use ebt_core::objective::Objective;
use ebt_interchange::{
    CONFIG_KEY, Checkpoint, Hints, OBJECTIVE_KEY, PROVENANCE_KEY, infer, is_case_name, layout_for, read_parameters,
};
use ebt_tokenizer::Tokenizer;
use ebt_train::model::{LoadedModel, check_vocabulary};

use crate::cli::{DTYPES, MOST_SIZE, Output, RULES, one_of, whole};

/// Turn a safetensors checkpoint into a model file.
///
/// Tensors go by the names of the published EBT code; a prefix `model.` is ignored. The configuration is taken from
/// --config, else from the file's metadata `config`, else from the shapes, which do not tell everything: then --heads is
/// needed, and --top-k for a mixture of experts.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  host import trained.safetensors --out model.ebt --tokenizer tokenizer.json
  host import published.safetensors --out model.ebt --heads 12 --context 256")]
pub struct Args {
    /// Checkpoint to read (safetensors; F32, F16, BF16 or F64)
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Model file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// tokenizer.json to put into the model
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
    /// Storage of the weights; f32 keeps every bit of an F32, F16 or BF16 checkpoint
    #[arg(long, value_parser = one_of(DTYPES), default_value = "f32")]
    dtype: Dtype,
}

/// Runs the command.
///
/// # Errors
///
/// Files that cannot be read or written, and a checkpoint that does not fit its configuration.
pub fn run(args: Args) -> Result<()> {
    let checkpoint = Checkpoint::open(&args.input)?;
    let config = configuration(&checkpoint, &args)?;
    let layout = layout_for(&checkpoint, &config)?;
    let weights = read_parameters(&checkpoint, &layout, is_case_name, |x| x as f32)?;
    let tokenizer = args.tokenizer.as_deref().map(Tokenizer::from_file).transpose()?;
    if let Some(tokenizer) = &tokenizer {
        check_vocabulary(&config, tokenizer)?;
    }
    let aside = checkpoint.names().filter(|name| is_case_name(name)).count();
    let model = LoadedModel {
        objective: objective(&checkpoint, &config)?,
        provenance: provenance(&checkpoint, &args.input)?,
        config,
        layout,
        weights,
        tokenizer,
    };
    model.save(&args.out, args.dtype)?;
    let mut out = Output::of_results();
    writeln!(out, "{}: {} parameters", args.out.display(), model.layout.count())?;
    if aside > 0 {
        writeln!(out, "{aside} tensors of a golden case were left out")?;
    }
    if args.dtype == Dtype::F32 && model.tokenizer.is_none() {
        writeln!(out, "the model holds no tokenizer; eval and generate need one (--tokenizer)")?;
    }
    Ok(out.flush()?)
}

fn configuration(checkpoint: &Checkpoint, args: &Args) -> Result<Config> {
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
        None => checkpoint.json(CONFIG_KEY)?.map(|c| (c, format!("the metadata of {}", checkpoint.path().display()))),
    };
    match (given, hinted.iter().find(|(_, set)| *set)) {
        (Some((_, place)), Some((flag, _))) => bail!("{flag} has no place beside the configuration in {place}"),
        (Some((config, _)), None) => Ok(config),
        (None, _) => infer(checkpoint, &hints),
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
    let table = ["model", "config"].into_iter().find_map(|key| value.get(key)).unwrap_or(&value);
    serde_json::from_value(table.clone()).with_context(place)
}

/// The objective that the file carries, else as many noiseless steps as there are landscapes.
fn objective(checkpoint: &Checkpoint, config: &Config) -> Result<Objective> {
    let found: Option<Objective> = checkpoint.json(OBJECTIVE_KEY)?;
    let steps = config.landscapes;
    Ok(found.unwrap_or_else(|| Objective { min_steps: steps, max_steps: steps, ..Objective::default() }))
}

fn provenance(checkpoint: &Checkpoint, input: &Path) -> Result<Vec<(String, String)>> {
    let mut pairs: Vec<(String, String)> = checkpoint.json(PROVENANCE_KEY)?.unwrap_or_default();
    if pairs.is_empty() {
        let name = input.file_name().map_or_else(|| input.display().to_string(), |n| n.to_string_lossy().into_owned());
        pairs.push((String::from("imported_from"), name));
        pairs.push((String::from("imported_by"), format!("ebt {}", env!("CARGO_PKG_VERSION"))));
    }
    Ok(pairs)
}
