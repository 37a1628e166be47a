//! `host export`: a model file becomes a safetensors checkpoint or a packed model.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use ebt::packed::Storage;
use ebt_core::model_file::Dtype;
use ebt_data::file;
use ebt_interchange as interchange;
use ebt_train::model;

use crate::cli::{DTYPES, Output, STORAGES, one_of};
use crate::packing;

/// Turn a model file into a safetensors checkpoint, or into a packed model.
///
/// Tensors of a checkpoint go by the names of the published EBT code; the configuration is in the metadata `config`. With
/// f32, `host import` gives back every bit.
///
/// A packed model (--packed) is for inference alone: programs use it in place, from flash or a memory map. It holds the
/// model's tokenizer in its compact form and cannot be turned back.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  host export model.ebt --out model.safetensors
  host export runs/turkish --out model.safetensors --dtype bf16 --tokenizer tokenizer.json
  host export runs/turkish --packed int8 --out model.ebp")]
pub struct Args {
    /// Model file, or run or checkpoint folder
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// File to write: a checkpoint (safetensors), with --packed a packed model
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Storage of the weights of a checkpoint
    #[arg(long, value_parser = one_of(DTYPES), default_value = "f32", conflicts_with = "packed")]
    dtype: Dtype,
    /// Write a packed model, its matrices stored so
    #[arg(long, value_parser = one_of(STORAGES), value_name = "STORAGE")]
    packed: Option<Storage>,
    /// Write the model's tokenizer to this file too
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
///
/// Files that cannot be read or written.
pub fn run(args: Args) -> Result<()> {
    let model = model::load(&args.model)?;
    if let Some(path) = &args.tokenizer {
        let json = model.tokenizer()?.to_json();
        file::write(path, |out| Ok(out.write_all(json.as_bytes())?))?;
    }
    let mut stdout = Output::of_results();
    if let Some(packed) = args.packed {
        let bytes = packing::pack(&model, packed).with_context(|| format!("cannot pack {}", args.model.display()))?;
        file::write(&args.out, |out| Ok(out.write_all(&bytes)?))?;
        writeln!(stdout, "{}: {} parameters, {} bytes", args.out.display(), model.layout.count(), bytes.len())?;
        return Ok(stdout.flush()?);
    }
    file::write(&args.out, |out| interchange::write(&model, args.dtype, out))?;
    writeln!(stdout, "{}: {} parameters", args.out.display(), model.layout.count())?;
    Ok(stdout.flush()?)
}
