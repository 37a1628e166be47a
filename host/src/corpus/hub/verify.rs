//! Whether a downloaded file is what the hub said.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

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
        let found = sha256(&mut file).with_context(unreadable)?;
        if found != expected {
            bail!("the downloaded {name} is damaged: its SHA-256 should be {expected} and is {found}");
        }
    }
    if name.ends_with(".parquet") && !is_parquet(&mut file, length).with_context(unreadable)? {
        bail!("what came as {name} is no Parquet file: it does not begin and end with PAR1");
    }
    Ok(())
}

/// The SHA-256 of a whole file in hexadecimal digits.
fn sha256(file: &mut File) -> std::io::Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => digest.update(&buffer[..n]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let mut text = String::with_capacity(64);
    for byte in digest.finalize() {
        // writing to a string does not fail
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
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
