//! `ebt export`: a model file becomes a packed model, one with its weights stored otherwise, or a folder for the hub.

mod card;
mod hub_folder;

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use ebt::packed::Storage;
use ebt_data::file;
use ebt_model::{self as model, Dtype};

use crate::cli::{DTYPES, Output, STORAGES, one_of, steps};
use crate::{hub, packing};

/// Turn a model file into a packed model, or store its weights otherwise.
///
/// A packed model (--packed) is for inference alone: programs use it in place, from flash or a memory map. It holds the
/// model's tokenizer in its compact form and cannot be turned back.
///
/// A model file needs no export for other programs: it is safetensors, with tensors by the names of the published EBT code and
/// the configuration in the metadata `config`. Without --packed one is written anew, with --dtype in half the bytes.
///
/// With --hub a folder is written for the Hugging Face hub: model.safetensors, model.ebp (int8, or as --packed says), config.json,
/// tokenizer.json and README.md, a card with front matter. The command that uploads it is printed; nothing is sent. What was
/// uploaded is named hf://OWNER/NAME/model.ebp wherever a model is asked for.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ebt export runs/turkish --packed int8 --out model.ebp
  ebt export runs/turkish --packed int4 --steps 1 --out model.ebp
  ebt export runs/turkish --dtype bf16 --out model.safetensors
  ebt export model.ebt --out copy.safetensors --tokenizer tokenizer.json
  ebt export runs/turkish --hub card --repository OWNER/NAME --licence cc-by-sa-4.0")]
pub struct Args {
    /// Model file, run or checkpoint folder, or hf://OWNER/NAME[@REVISION]/FILE
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// File to write: a model file, with --packed a packed model
    #[arg(long, value_name = "FILE", required_unless_present = "hub", conflicts_with = "hub")]
    out: Option<PathBuf>,
    /// Storage of the weights of a model file
    #[arg(long, value_parser = one_of(DTYPES), default_value = "f32", conflicts_with = "packed")]
    dtype: Dtype,
    /// Write a packed model, its matrices stored so
    #[arg(long, value_parser = one_of(STORAGES), value_name = "STORAGE")]
    packed: Option<Storage>,
    /// Descent steps that are taken where none are asked for [default: the most that training took]
    #[arg(long, value_name = "N", value_parser = steps())]
    steps: Option<NonZeroUsize>,
    /// Write the model's tokenizer to this file too
    #[arg(long, value_name = "FILE", conflicts_with = "hub")]
    tokenizer: Option<PathBuf>,
    #[command(flatten)]
    hub: card::HubArgs,
}

/// Runs the command.
///
/// # Errors
///
/// Files that cannot be read or written.
pub fn run(args: Args) -> Result<()> {
    let source = hub::local(&args.model)?;
    let mut model = model::load(&source)?;
    if let Some(steps) = args.steps {
        let objective = &mut model.objective;
        (objective.max_steps, objective.min_steps) = (steps.get(), objective.min_steps.min(steps.get()));
    }
    if let Some(folder) = &args.hub.hub {
        let (hub, dtype, storage) = (&args.hub, args.dtype, args.packed.unwrap_or(Storage::Int8));
        return hub_folder::write(folder, &hub_folder::Parts { model: &model, source: &source, hub, dtype, storage });
    }
    let Some(out) = &args.out else { bail!("--out FILE: which file to write") };
    if let Some(path) = &args.tokenizer {
        let json = model.tokenizer().with_context(|| args.model.display().to_string())?.to_json();
        file::write(path, |out| Ok(out.write_all(json.as_bytes())?))?;
    }
    let mut stdout = Output::of_results();
    if let Some(packed) = args.packed {
        let bytes = packing::pack(&model, packed).with_context(|| format!("cannot pack {}", args.model.display()))?;
        file::write(out, |out| Ok(out.write_all(&bytes)?))?;
        writeln!(stdout, "{}: {} parameters, {} bytes", out.display(), model.layout.count(), bytes.len())?;
        return Ok(stdout.flush()?);
    }
    model.save(out, args.dtype)?;
    writeln!(stdout, "{}: {} parameters", out.display(), model.layout.count())?;
    Ok(stdout.flush()?)
}
