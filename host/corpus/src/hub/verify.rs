//! Whether a downloaded file is what the hub said.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result, bail};
use ebt_data::digest;

use super::options::HubOptions;
use super::resolve::RemoteFile;

/// What Parquet files begin and end with.
const PARQUET: &[u8; 4] = b"PAR1";

/// Checks size, SHA-256 and, for a `.parquet` file, the format.
///
/// # Errors
///
/// The first that is wrong; the message names what was expected and what was found.
pub fn verify(path: &Path, remote: &RemoteFile, options: &HubOptions) -> Result<()> {
    let unreadable = || format!("cannot read {}", path.display());
    let name = &options.file;
    let mut file = File::open(path).with_context(unreadable)?;
    let length = file.metadata().with_context(unreadable)?.len();
    if let Some(size) = remote.size
        && size != length
    {
        bail!("the downloaded {name} has the wrong size: the hub announced {size} bytes, {length} came");
    }
    if let Some(expected) = remote.sha256() {
        let found = digest::sha256_of(&mut file).with_context(unreadable)?;
        if found != expected {
            bail!("the downloaded {name} is damaged: its SHA-256 should be {expected} and is {found}");
        }
    }
    if name.ends_with(".parquet") && !is_parquet(&mut file, length).with_context(unreadable)? {
        bail!("what came as {name} is no Parquet file: it does not begin and end with PAR1");
    }
    Ok(())
}

fn is_parquet(file: &mut File, length: u64) -> std::io::Result<bool> {
    let width = PARQUET.len() as u64;
    if length < 2 * width {
        return Ok(false);
    }
    let (mut head, mut tail) = (*PARQUET, *PARQUET);
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut head)?;
    file.seek(SeekFrom::Start(length - width))?;
    file.read_exact(&mut tail)?;
    Ok(head == *PARQUET && tail == *PARQUET)
}
