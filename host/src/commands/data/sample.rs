//! `ebt data sample`: the text that the program brings along, as files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ebt_data::file;
use ebt_fixtures::{LICENCES, TRAIN, VALIDATION};

/// Write the sample text as files: what `ebt train` learns from and `ebt eval` measures on where no text is named.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
The folder gets train/SOURCE.txt, validation/SOURCE.txt and LICENSES.md, which says what each source may be used for.

Examples:
  ebt data sample --out turkish
  ebt tokenizer measure turkish/validation")]
pub struct Args {
    /// Folder to write, which must not be there or be empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Runs the command.
///
/// # Errors
///
/// A folder that holds something, and what the file system refuses; the message names the path.
pub fn run(args: &Args) -> Result<()> {
    let out = &args.out;
    if fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{} is not empty; name a new folder with --out", out.display());
    }
    for (name, texts) in [("train", TRAIN), ("validation", VALIDATION)] {
        let folder = out.join(name);
        fs::create_dir_all(&folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
        for text in texts {
            write(&folder.join(format!("{}.txt", text.source)), text.text)?;
        }
    }
    write(&out.join("LICENSES.md"), LICENCES)
}

fn write(path: &Path, text: &str) -> Result<()> {
    file::write(path, |out| Ok(out.write_all(text.as_bytes())?))
}
