//! The place of a file in the cache that all Hugging Face libraries share.
//!
//! ```text
//! datasets--OWNER--NAME/            models--OWNER--NAME/ of a model
//!     blobs/ETAG                    content, by its name
//!     blobs/ETAG.part, .lock        content that is still coming, and who receives it
//!     refs/REVISION                 the commit that a branch or tag stood for when last asked
//!     snapshots/COMMIT/FILE         link to a blob
//!     listings/COMMIT--FOLDER.json  the files of a folder at a commit; read by this program alone
//! ```

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ebt_data::file;
use ebt_data::progress::Progress;

use super::options::{HubOptions, is_commit};
use super::resolve::RemoteFile;
use super::tree::{self, Listing};

/// A file of the hub on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Where it lies in the cache.
    pub path: PathBuf,
    /// The commit of the repository that it belongs to, 40 hexadecimal digits.
    pub commit: String,
    /// Whether it was downloaded just now, and not found in the cache.
    pub downloaded: bool,
}

/// The part of the cache that belongs to a repository at a revision.
#[derive(Debug)]
pub struct RepoCache {
    cache: PathBuf,
    /// Folder of the repository.
    repository: PathBuf,
    reference: PathBuf,
    revision: String,
    file: String,
}

impl RepoCache {
    /// The place for the file that `options` ask for.
    pub fn new(options: &HubOptions) -> Self {
        let folder =
            options.cache.join(format!("{}--{}", options.kind.plural(), options.repository.replace('/', "--")));
        Self {
            cache: options.cache.clone(),
            reference: folder.join("refs").join(&options.revision),
            repository: folder,
            revision: options.revision.clone(),
            file: options.file.clone(),
        }
    }

    fn blob(&self, remote: &RemoteFile) -> PathBuf {
        self.repository.join("blobs").join(&remote.etag)
    }

    /// Where the file of a commit lies.
    fn snapshot(&self, commit: &str) -> PathBuf {
        self.repository.join("snapshots").join(commit).join(&self.file)
    }

    /// Folder of the whole cache.
    pub fn folder(&self) -> &Path {
        &self.cache
    }

    /// The file as it was when the hub was last asked.
    ///
    /// # Errors
    ///
    /// A cache that cannot be read.
    pub fn find(&self) -> Result<Option<Fetched>> {
        let Some(commit) = self.commit()? else { return Ok(None) };
        let path = self.snapshot(&commit);
        Ok(path.is_file().then_some(Fetched { path, commit, downloaded: false }))
    }

    /// The commit of the revision, as it was when the hub was last asked.
    fn commit(&self) -> Result<Option<String>> {
        if is_commit(&self.revision) {
            return Ok(Some(self.revision.clone()));
        }
        match fs::read_to_string(&self.reference) {
            Ok(text) => Ok(Some(text.trim().to_owned()).filter(|commit| is_commit(commit))),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", self.reference.display())),
        }
    }

    fn listing_path(&self, commit: &str) -> PathBuf {
        let folder = tree::folder(&self.file).replace('/', "--");
        self.repository.join("listings").join(format!("{commit}--{folder}.json"))
    }

    /// The files of the folder at a commit, or at that of the revision; none where they were never asked for, and where what
    /// was kept is damaged.
    ///
    /// # Errors
    ///
    /// A cache that cannot be read.
    pub fn listing(&self, commit: Option<&str>) -> Result<Option<Listing>> {
        let Some(commit) = commit.map_or_else(|| self.commit(), |commit| Ok(Some(commit.to_owned())))? else {
            return Ok(None);
        };
        let path = self.listing_path(&commit);
        match fs::read(&path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok().filter(|listing: &Listing| listing.commit == commit)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Keeps the files of the folder at a commit.
    ///
    /// # Errors
    ///
    /// A cache that cannot be written.
    pub fn keep_listing(&self, listing: &Listing) -> Result<()> {
        let path = self.listing_path(&listing.commit);
        create_parent(&path)?;
        file::write(&path, |out| Ok(serde_json::to_writer(out, listing)?))
    }

    /// Makes the revision that of a commit.
    ///
    /// # Errors
    ///
    /// A cache that cannot be written.
    pub fn point(&self, commit: &str) -> Result<()> {
        if is_commit(&self.revision) || fs::read_to_string(&self.reference).is_ok_and(|there| there.trim() == commit) {
            return Ok(());
        }
        create_parent(&self.reference)?;
        fs::write(&self.reference, commit).with_context(|| format!("cannot write {}", self.reference.display()))
    }

    /// Whether the content is there in full. A blob of the wrong size is removed.
    ///
    /// # Errors
    ///
    /// A cache that cannot be read, a blob that cannot be removed.
    pub fn holds(&self, remote: &RemoteFile) -> Result<bool> {
        let blob = self.blob(remote);
        let length = match fs::metadata(&blob) {
            Ok(metadata) => metadata.len(),
            Err(error) if is_absent(&error) => return Ok(false),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", blob.display())),
        };
        if remote.size.is_none_or(|size| size == length) {
            return Ok(true);
        }
        fs::remove_file(&blob).with_context(|| format!("cannot remove the damaged {}", blob.display()))?;
        Ok(false)
    }

    /// Makes this process the only one that receives the content; waits for another to end. The lock is lost with the
    /// value.
    ///
    /// # Errors
    ///
    /// A cache that cannot be written.
    pub fn lock(&self, remote: &RemoteFile, progress: &mut dyn Progress) -> Result<File> {
        let path = self.blob(remote).with_extension("lock");
        create_parent(&path)?;
        let failed = || format!("cannot lock {}; set HF_HOME to a folder that can be written", path.display());
        let lock = File::options().create(true).write(true).truncate(false).open(&path).with_context(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                progress.note(&format!("another process is downloading {}; waiting for it", self.file));
                lock.lock().with_context(failed)?;
            }
            // some network file systems have no locks; the worst is a download done twice
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(error).with_context(failed),
        }
        Ok(lock)
    }

    /// Where the content is received.
    pub fn part_path(&self, remote: &RemoteFile) -> PathBuf {
        self.blob(remote).with_extension("part")
    }

    /// Gives content that was received and verified its name.
    ///
    /// # Errors
    ///
    /// A cache that cannot be written.
    pub fn install(&self, remote: &RemoteFile) -> Result<()> {
        let blob = self.blob(remote);
        fs::rename(self.part_path(remote), &blob).with_context(|| format!("cannot write {}", blob.display()))
    }

    /// Makes the snapshot of the commit point to the content, and the revision to the commit; the path in the snapshot.
    ///
    /// # Errors
    ///
    /// A cache that cannot be written.
    pub fn link(&self, remote: &RemoteFile) -> Result<PathBuf> {
        let blob = self.blob(remote);
        let path = self.snapshot(&remote.commit);
        if !path.is_file() || !leads_to(&path, &blob) {
            create_parent(&path)?;
            replace_by_link(&blob, &path, &self.file)
                .with_context(|| format!("cannot link {} to {}", path.display(), blob.display()))?;
        }
        self.point(&remote.commit)?;
        Ok(path)
    }
}

/// Whether `path` is a link to a blob, or where there are none its double.
fn leads_to(path: &Path, blob: &Path) -> bool {
    let length = |path: &Path| fs::metadata(path).map(|metadata| metadata.len()).ok();
    fs::canonicalize(path).ok() == fs::canonicalize(blob).ok()
        || (!cfg!(unix) && fs::symlink_metadata(path).is_ok_and(|m| !m.is_symlink()) && length(path) == length(blob))
}

/// Puts a link at `path`, where `file` lies in a snapshot, in place of what is there.
fn replace_by_link(blob: &Path, path: &Path, file: &str) -> io::Result<()> {
    let name = blob.file_name().unwrap_or_default();
    // from the folder of the file up to that of the repository: the folders inside the snapshot, commit, `snapshots`
    let up: PathBuf = std::iter::repeat_n("..", file.split('/').count() + 1).collect();
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.link", std::process::id()));
    match fs::remove_file(&temporary) {
        Err(error) if !is_absent(&error) => return Err(error),
        _ => {}
    }
    symlink(&up.join("blobs").join(name), Path::new(&temporary))
        .or_else(|_| fs::hard_link(blob, &temporary))
        .or_else(|_| fs::copy(blob, &temporary).map(|_| ()))?;
    fs::rename(&temporary, path)
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(not(unix))]
fn symlink(_: &Path, _: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

fn create_parent(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    let failed =
        || format!("cannot create {} for downloads; set HF_HOME to a folder that can be written", folder.display());
    fs::create_dir_all(folder).with_context(failed)
}

/// Whether a path leads nowhere; also through a file that is no folder.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
