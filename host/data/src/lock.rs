//! A folder that one process at a time works in.
//!
//! The operating system holds the lock and releases it when the process ends, however it ends; a file that was left behind
//! locks nothing. The text in the file is for people: it says who holds it.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use crate::date::utc;

/// Name of the file in a folder by which it is locked.
pub const LOCK_FILE: &str = ".lock";

/// A folder held by this process, until the value is dropped or the process ends.
#[derive(Debug)]
pub struct FolderLock {
    path: PathBuf,
    /// Its lock is that of the folder.
    _file: File,
}

impl FolderLock {
    /// Holds a folder that exists. `work` says in the words of a sentence what is done in it (`training in`), for the
    /// message of whoever comes second. On a file system without locks nothing is held.
    ///
    /// # Errors
    ///
    /// Another process that holds it: the message says which, on which machine and since when, as far as the system lets
    /// this be read. Whatever the file system refuses; the message names the file.
    pub fn take(folder: &Path, work: &str) -> Result<Self> {
        let path = folder.join(LOCK_FILE);
        let failed = || format!("cannot write {}", path.display());
        loop {
            let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
            let mut file = file.with_context(failed)?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => {
                    let mut holder = String::new();
                    // where locks are mandatory it cannot be read
                    let known = file.read_to_string(&mut holder).is_ok() && !holder.trim().is_empty();
                    let who = if known { format!(": {}", holder.trim()) } else { String::new() };
                    bail!("another process is {work} {}{who}", folder.display());
                }
                // some file systems have no locks
                Err(TryLockError::Error(_)) | Ok(()) => {}
            }
            // the one before may have removed the file between the two calls
            if is_at(&file, &path) {
                file.set_len(0).with_context(failed)?;
                file.rewind().with_context(failed)?;
                file.write_all(holder().as_bytes()).with_context(failed)?;
                return Ok(Self { path, _file: file });
            }
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // while it is held, so that nobody takes a file that is about to go; one that stays locks nothing
        let _ = fs::remove_file(&self.path);
    }
}

/// `process 4711 on karga, since 2026-01-31 23:59:59 UTC`
fn holder() -> String {
    let machine = gethostname::gethostname();
    let (process, since) = (std::process::id(), utc(SystemTime::now()));
    format!("process {process} on {}, since {since}\n", machine.display())
}

/// Whether an open file is the one that is found at a path.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let same = |a: fs::Metadata, b: fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    file.metadata().ok().zip(fs::metadata(path).ok()).is_some_and(|(a, b)| same(a, b))
}

/// An open file keeps its name here.
#[cfg(not(unix))]
fn is_at(_file: &File, _path: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_the_other_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let held = FolderLock::take(folder.path(), "training in").unwrap();
        let message = FolderLock::take(folder.path(), "training in").unwrap_err().to_string();
        let start = format!("another process is training in {}", folder.path().display());
        assert!(message.starts_with(&start), "{message}");
        if !cfg!(windows) {
            assert!(message.contains(&format!(": process {} on ", std::process::id())), "{message}");
        }
        drop(held);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        // what a process left that is gone holds nothing, and its name does not stay
        fs::write(folder.path().join(LOCK_FILE), "process 1 on another machine, since long, and a longer text")
            .unwrap();
        let held = FolderLock::take(folder.path(), "training in").unwrap();
        let message = FolderLock::take(folder.path(), "training in").unwrap_err().to_string();
        assert!(!message.contains("another machine"), "{message}");
        drop(held);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        FolderLock::take(folder.path(), "training in").unwrap();
    }

    #[test]
    #[cfg(unix)]
    fn a_file_that_was_removed_meanwhile_is_not_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let file = File::create(&path).unwrap();
        assert!(is_at(&file, &path));
        fs::remove_file(&path).unwrap();
        assert!(!is_at(&file, &path));
        let _other = File::create(&path).unwrap();
        let _third = File::create(folder.path().join("third")).unwrap();
        assert!(!is_at(&file, &path));
    }
}
