//! `host export`: a model file becomes a safetensors checkpoint.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Result;

use crate::cli::Storage;
use crate::{file, interchange, model};

/// Turn a model file into a safetensors checkpoint.
///
/// Tensors go by the names of the published EBT code; the configuration is in the metadata `config`. With f32, `host
/// import` gives back every bit.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  host export model.ebt --out model.safetensors
  host export runs/turkish --out model.safetensors --dtype bf16 --tokenizer tokenizer.json")]
pub struct Args {
    /// Model file, or run or checkpoint folder
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Checkpoint to write (safetensors)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Storage of the weights
    #[arg(long, value_enum, default_value_t = Storage::F32)]
    dtype: Storage,
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
    file::write(&args.out, |out| interchange::write(&model, args.dtype.dtype(), out))?;
    writeln!(io::stdout().lock(), "{}: {} parameters", args.out.display(), model.layout.count())?;
    Ok(())
}
