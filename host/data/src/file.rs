//! Reading files through the page cache and writing them all or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::Deref;
use std::path::Path;

use anyhow::{Context, Result, bail};
use memmap2::Mmap;

use crate::in_use;

/// A file mapped into memory, read-only.
#[derive(Debug)]
pub struct Mapped(Option<Mmap>);

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or(&[])
    }
}

/// Maps a file.
///
/// # Errors
///
/// A file that cannot be opened, or a folder; the message names it.
pub fn map(path: &Path) -> Result<Mapped> {
    let unreadable = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(unreadable)?;
    let metadata = file.metadata().with_context(unreadable)?;
    if metadata.is_dir() {
        bail!("{} is a folder; a file is needed here", path.display());
    }
    if !metadata.is_file() {
        bail!("{} is not an ordinary file", path.display());
    }
    if metadata.len() == 0 {
        return Ok(Mapped(None));
    }
    // SAFETY: the mapping is private to this value and never written. It is sound as long as nobody shortens or
    // rewrites the file meanwhile; files of this program are replaced by renaming (`write`), which leaves the mapped
    // one untouched, or is refused.
    let map = unsafe { Mmap::map(&file) }.with_context(unreadable)?;
    Ok(Mapped(Some(map)))
}

/// Writes a file atomically: a temporary file in the same folder, synchronised, then renamed. An existing file is
/// replaced whole or stays as it was, and keeps its permissions; a new file has those that the umask leaves. A link is
/// followed; into what is no ordinary file, a device or a pipe, is written directly.
///
/// # Errors
///
/// Whatever the file system refuses, and what `fill` returns; the message names the file.
pub fn write(path: &Path, fill: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    if fs::metadata(&target).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        let mut out = File::options().write(true).open(&target).with_context(failed)?;
        fill(&mut out).with_context(failed)?;
        return out.flush().with_context(failed);
    }
    let path = target.as_path();
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.is_dir() {
        bail!("cannot write {}: it is a folder", path.display());
    }
    let mut temporary = temporary(folder, ".tmp", "").with_context(failed)?;
    {
        let mut buffered = std::io::BufWriter::new(temporary.as_file_mut());
        fill(&mut buffered).with_context(failed)?;
        buffered.flush().with_context(failed)?;
    }
    // on Windows a file that may only be read cannot be replaced, nor removed should that fail
    if cfg!(unix)
        && let Ok(old) = fs::metadata(path)
    {
        temporary.as_file().set_permissions(old.permissions()).with_context(failed)?;
    }
    temporary.as_file().sync_all().with_context(failed)?;
    in_use::persist(temporary, path).with_context(failed)?;
    // the rename itself lasts only once the folder is written; some file systems cannot do that and need not
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// Whether a name is that of a file on its way to the name it was asked for.
pub fn is_temporary(name: &str) -> bool {
    name.strip_prefix(".tmp").is_some_and(|rest| rest.len() == 6)
}

/// Removes a file, if it is there.
///
/// # Errors
///
/// What the file system refuses; the message names the file.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Removes what killed processes left of files on their way to a name in a folder ([`write()`]). Nobody else may be writing
/// into it.
///
/// # Errors
///
/// What the file system refuses; the message names the folder or the file.
pub fn sweep(folder: &Path) -> Result<()> {
    let unreadable = || format!("cannot read the folder {}", folder.display());
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        if entry.file_name().to_str().is_some_and(is_temporary) {
            fs::remove_file(entry.path()).with_context(|| format!("cannot remove {}", entry.path().display()))?;
        }
    }
    Ok(())
}

/// A file in `folder` under a name of its own, removed when it is dropped, with the permissions that the umask leaves to an
/// ordinary new file.
///
/// # Errors
///
/// Whatever the file system refuses.
pub(crate) fn temporary(folder: &Path, prefix: &str, suffix: &str) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix).suffix(suffix);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_new_file_is_as_any_other_and_an_old_one_keeps_its_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, other) = (folder.path().join("ours"), folder.path().join("other"));
        let rewrite = || write(&ours, |out| Ok(out.write_all(b"new")?)).unwrap();
        fs::write(&other, "x").unwrap();
        rewrite();
        assert_eq!(mode(&ours), mode(&other));
        for kept in [0o600, 0o644, 0o666, 0o640, 0o755, 0o400] {
            fs::set_permissions(&ours, fs::Permissions::from_mode(kept)).unwrap();
            rewrite();
            assert_eq!(mode(&ours), kept, "{kept:o}");
        }
    }

    #[test]
    fn what_a_killed_writer_left_is_swept_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (_, left) = tempfile::NamedTempFile::new_in(folder.path()).unwrap().keep().unwrap();
        for name in ["file", ".tmp", ".tmpfile", ".tmp-report", "x.tmp123456"] {
            fs::write(at(name), "x").unwrap();
        }
        sweep(folder.path()).unwrap();
        assert!(!left.exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 5);
        assert!(sweep(&at("nowhere")).unwrap_err().to_string().contains("nowhere"));
    }

    #[test]
    fn links_are_followed_and_devices_stay_devices() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        symlink(&file, &link).unwrap();
        write(&link, |out| Ok(out.write_all(b"new")?)).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        // a link of our own to the device, so that a mistake does not cost the machine its device
        let null = folder.path().join("null");
        symlink("/dev/null", &null).unwrap();
        write(&null, |out| Ok(out.write_all(b"gone")?)).unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
        let full = folder.path().join("full");
        symlink("/dev/full", &full).unwrap();
        let error = write(&full, |out| Ok(out.write_all(b"no room")?)).unwrap_err();
        assert!(format!("{error:#}").contains("full"), "{error:#}");
    }
}
