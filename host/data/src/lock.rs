//! A folder that one process at a time works in.
//!
//! The operating system holds the lock and releases it when the process ends, however it ends; a file that was left behind
//! locks nothing. The text in the file is for people: it says who holds it.

#[cfg(not(windows))]
use std::fs::TryLockError;
use std::fs::{self, File};
use std::io::{self, Write};
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
        let Some(mut file) = open_locked(&path).with_context(failed)? else {
            // another that came in between may not have written its name yet
            let holder = fs::read_to_string(&path).unwrap_or_default();
            let who = if holder.trim().is_empty() { String::new() } else { format!(": {}", holder.trim()) };
            bail!("another process is {work} {}{who}", folder.display());
        };
        file.set_len(0).with_context(failed)?;
        file.write_all(holder().as_bytes()).with_context(failed)?;
        Ok(Self { path, _file: file })
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // while it is held, so that nobody takes a file that is about to go; one that stays locks nothing. On Windows this
        // is refused and the system does it
        let _ = fs::remove_file(&self.path);
    }
}

/// `process 4711 on karga, since 2026-01-31 23:59:59 UTC`
fn holder() -> String {
    let (process, since) = (std::process::id(), utc(SystemTime::now()));
    format!("process {process} on {}, since {since}\n", machine())
}

/// The name of this machine.
#[cfg(unix)]
fn machine() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The name of this machine.
#[cfg(not(unix))]
fn machine() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_else(|_| String::from("this machine"))
}

/// Opens a file that nobody else holds, at its beginning; `None` if somebody does.
#[cfg(not(windows))]
fn open_locked(path: &Path) -> io::Result<Option<File>> {
    loop {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(None),
            // some file systems have no locks
            Err(TryLockError::Error(_)) | Ok(()) => {}
        }
        // the one before may have removed the file between the two calls
        if is_at(&file, path) {
            return Ok(Some(file));
        }
    }
}

/// Opens a file that nobody else holds, at its beginning; `None` if somebody does. Others may read it meanwhile, and the
/// system removes it when it is closed, also by the end of the process. Locks of ranges would keep readers away, and would
/// be had on a file that is just being removed.
#[cfg(windows)]
fn open_locked(path: &Path) -> io::Result<Option<File>> {
    use std::os::windows::fs::OpenOptionsExt as _;
    const SHARE_READ: u32 = 0x1;
    const DELETE_ON_CLOSE: u32 = 0x0400_0000;
    const SHARING_VIOLATION: i32 = 32;
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).share_mode(SHARE_READ).custom_flags(DELETE_ON_CLOSE);
    match options.open(path) {
        Err(error) if error.raw_os_error() == Some(SHARING_VIOLATION) => Ok(None),
        opened => opened.map(Some),
    }
}

/// Whether an open file is the one that is found at a path.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let same = |a: fs::Metadata, b: fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    file.metadata().ok().zip(fs::metadata(path).ok()).is_some_and(|(a, b)| same(a, b))
}

/// Nothing is known here.
#[cfg(not(any(unix, windows)))]
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
        assert!(message.contains(&format!(": process {} on ", std::process::id())), "{message}");
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
