//! `ebt export`: a model file becomes a packed model, or one with its weights stored otherwise.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use ebt::packed::Storage;
use ebt_data::file;
use ebt_model::{self as model, Dtype};

use crate::cli::{DTYPES, Output, STORAGES, one_of};
use crate::packing;

/// Turn a model file into a packed model, or store its weights otherwise.
///
/// A packed model (--packed) is for inference alone: programs use it in place, from flash or a memory map. It holds the
/// model's tokenizer in its compact form and cannot be turned back.
///
/// A model file needs no export for other programs: it is safetensors, with tensors by the names of the published EBT code and
/// the configuration in the metadata `config`. Without --packed one is written anew, with --dtype in half the bytes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ebt export runs/turkish --packed int8 --out model.ebp
  ebt export runs/turkish --dtype bf16 --out model.safetensors
  ebt export model.ebt --out copy.safetensors --tokenizer tokenizer.json")]
pub struct Args {
    /// Model file, or run or checkpoint folder
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// File to write: a model file, with --packed a packed model
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Storage of the weights of a model file
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
        let json = model.tokenizer().with_context(|| args.model.display().to_string())?.to_json();
        file::write(path, |out| Ok(out.write_all(json.as_bytes())?))?;
    }
    let mut stdout = Output::of_results();
    if let Some(packed) = args.packed {
        let bytes = packing::pack(&model, packed).with_context(|| format!("cannot pack {}", args.model.display()))?;
        file::write(&args.out, |out| Ok(out.write_all(&bytes)?))?;
        writeln!(stdout, "{}: {} parameters, {} bytes", args.out.display(), model.layout.count(), bytes.len())?;
        return Ok(stdout.flush()?);
    }
    model.save(&args.out, args.dtype)?;
    writeln!(stdout, "{}: {} parameters", args.out.display(), model.layout.count())?;
    Ok(stdout.flush()?)
}
