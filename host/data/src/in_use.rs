//! Files that another program has open. Windows neither replaces nor removes a file that is mapped into memory, or that was
//! opened by a program which does not share it; virus scanners and search indexes do so for a moment with every new file.
//! Elsewhere open files are replaced and removed as any other.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use tempfile::NamedTempFile;

/// How often a file is tried that is in use, and the time in between.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(50);

/// Whether the file system refused something because another program has the file open.
pub fn is_in_use(error: &io::Error) -> bool {
    // access denied, sharing violation, lock violation, mapped by a user
    cfg!(windows) && matches!(error.raw_os_error(), Some(5 | 32 | 33 | 1224))
}

/// Whether such a refusal is among the causes of an error.
pub fn was_in_use(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref()).any(is_in_use)
}

/// Gives a temporary file the name `path`, in place of an older file. One that is in use is waited for, half a second long.
///
/// # Errors
///
/// Whatever the file system refuses; the temporary file is then removed.
pub(crate) fn persist(mut temporary: NamedTempFile, path: &Path) -> io::Result<File> {
    for _ in 1..ATTEMPTS {
        match temporary.persist(path) {
            Err(failed) if is_in_use(&failed.error) => temporary = failed.file,
            done => return done.map_err(|failed| failed.error),
        }
        thread::sleep(PAUSE);
    }
    temporary.persist(path).map_err(|failed| failed.error)
}

/// [`fs::rename`]. A file that is in use, or in a folder that is renamed, is waited for, half a second long.
///
/// # Errors
///
/// Whatever the file system refuses.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    for _ in 1..ATTEMPTS {
        match fs::rename(from, to) {
            Err(error) if is_in_use(&error) => thread::sleep(PAUSE),
            done => return done,
        }
    }
    fs::rename(from, to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file;

    #[test]
    fn a_mapped_file_is_replaced_or_known_to_be_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        let write = |text: &str| file::write(&path, |out| Ok(out.write_all(text.as_bytes())?));
        write("old").unwrap();
        let mapped = file::map(&path).unwrap();
        match write("new") {
            Ok(()) if cfg!(windows) => panic!("a mapped file was replaced"),
            Ok(()) => {}
            Err(error) => assert!(was_in_use(&error), "{error:#}"),
        }
        // whoever reads keeps what was there, and nothing is left of an attempt that failed
        assert_eq!(&*mapped, b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        drop(mapped);
        write("later").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"later");
    }

    #[test]
    fn only_a_refusal_of_the_file_system_is_a_file_in_use() {
        let missing = rename(Path::new("nowhere/at/all"), Path::new("elsewhere")).unwrap_err();
        assert!(!is_in_use(&missing));
        let error = anyhow::Error::new(io::Error::from_raw_os_error(32)).context("cannot write model.ebt");
        assert_eq!(was_in_use(&error), cfg!(windows));
        assert!(!was_in_use(&anyhow::anyhow!("sharing violation")));
    }
}
