//! Compiled kernels on disk, so that only the first run on a machine compiles.
//!
//! A file is named by the digest of everything that went into it (texts, options, architecture, compiler) and holds the
//! digest of what it holds. It is written under another name and renamed, so readers see whole files only; one that is
//! damaged all the same counts as absent and is written anew.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use hmac_sha256::Hash;

/// First bytes of a file.
const MAGIC: &[u8; 8] = b"EBTKERN1";
const DIGEST: usize = 32;

/// A folder of compiled kernels.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
}

/// A compiled kernel file and what the compiler said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) image: Vec<u8>,
    pub(crate) log: String,
}

/// Name of an entry: the digest of `parts`, each with its length, so that no two lists have the same text.
pub(crate) fn key(parts: &[&[u8]]) -> String {
    let mut digest = Hash::new();
    for part in parts {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where kernels are kept: `$EBT_CACHE_DIR`, else `$XDG_CACHE_HOME/ebt`, else where programs of this system keep what can
/// be made again: `%LOCALAPPDATA%\\ebt` on Windows, `~/Library/Caches/ebt` on macOS, `~/.cache/ebt` elsewhere.
fn folder(environment: &dyn Fn(&str) -> Option<OsString>, home: Option<PathBuf>, system: &str) -> Option<PathBuf> {
    let variable = |name: &str| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = home.filter(|home| !home.as_os_str().is_empty());
    let usual = || match system {
        "windows" => variable("LOCALAPPDATA").or_else(|| Some(home?.join("AppData/Local"))),
        "macos" => Some(home?.join("Library/Caches")),
        _ => Some(home?.join(".cache")),
    };
    variable("EBT_CACHE_DIR")
        .or_else(|| Some(variable("XDG_CACHE_HOME").or_else(usual)?.join("ebt")))
        .map(|base| base.join("kernels"))
}

impl Cache {
    /// The cache of this user.
    ///
    /// # Errors
    ///
    /// Why there is none; kernels are then compiled in every run.
    pub(crate) fn open() -> Result<Self, String> {
        let folder = folder(&|name| std::env::var_os(name), std::env::home_dir(), std::env::consts::OS)
            .ok_or("no folder for compiled kernels: there is no home folder, and EBT_CACHE_DIR is not set")?;
        Self::at(&folder)
    }

    /// A cache in `folder`, which is made if it does not exist.
    pub(crate) fn at(folder: &Path) -> Result<Self, String> {
        let cache = Self { folder: folder.to_owned() };
        fs::create_dir_all(folder)
            .and_then(|()| {
                let probe = cache.unfinished();
                fs::write(&probe, b"")?;
                fs::remove_file(probe)
            })
            .map_err(|e| format!("compiled kernels cannot be kept in {}: {e}", folder.display()))?;
        Ok(cache)
    }

    /// The folder of the kernel files; it existed and could be written when the cache was opened.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn file(&self, key: &str) -> PathBuf {
        self.folder.join(key).with_extension("kernels")
    }

    /// A file name that no one else uses.
    fn unfinished(&self) -> PathBuf {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        self.folder.join(format!("unfinished-{}-{count}", std::process::id()))
    }

    /// What was kept under a key; none if nothing was or if it is damaged.
    pub(crate) fn get(&self, key: &str) -> Option<Entry> {
        decode(&fs::read(self.file(key)).ok()?)
    }

    /// Keeps an entry.
    pub(crate) fn put(&self, key: &str, entry: &Entry) -> io::Result<()> {
        let unfinished = self.unfinished();
        let written = fs::write(&unfinished, encode(entry)).and_then(|()| fs::rename(&unfinished, self.file(key)));
        if written.is_err() {
            let _ = fs::remove_file(unfinished);
        }
        written
    }
}

fn encode(entry: &Entry) -> Vec<u8> {
    let mut body = (entry.log.len() as u64).to_le_bytes().to_vec();
    body.extend_from_slice(entry.log.as_bytes());
    body.extend_from_slice(&entry.image);
    let mut file = MAGIC.to_vec();
    file.extend_from_slice(&Hash::hash(&body));
    file.extend(body);
    file
}

fn decode(file: &[u8]) -> Option<Entry> {
    let (digest, body) = file.strip_prefix(MAGIC)?.split_at_checked(DIGEST)?;
    if Hash::hash(body) != digest {
        return None;
    }
    let (length, rest) = body.split_first_chunk::<8>()?;
    let (log, image) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    Some(Entry { image: image.to_vec(), log: std::str::from_utf8(log).ok()?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seed: u8) -> Entry {
        Entry { image: vec![seed; 3000], log: format!("kernel {seed}") }
    }

    #[test]
    fn what_was_kept_is_found_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(&folder.path().join("deep/er")).unwrap();
        cache.put("a", &entry(1)).unwrap();
        assert_eq!(cache.get("a"), Some(entry(1)));
        assert_eq!(cache.get("b"), None);
        cache.put("a", &entry(2)).unwrap();
        assert_eq!(cache.get("a"), Some(entry(2)));
        // nothing unfinished is left
        assert_eq!(fs::read_dir(cache.folder()).unwrap().count(), 1);
    }

    #[test]
    fn every_damaged_byte_and_every_missing_end_is_noticed() {
        let whole = encode(&Entry { image: vec![7; 20], log: String::from("log") });
        assert!(decode(&whole).is_some());
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert_eq!(decode(&damaged), None, "byte {at}");
            assert_eq!(decode(&whole[..at]), None, "length {at}");
        }
        // a length that points outside, under a right digest
        let body = u64::MAX.to_le_bytes();
        let mut file = MAGIC.to_vec();
        file.extend_from_slice(&Hash::hash(&body));
        file.extend_from_slice(&body);
        assert_eq!(decode(&file), None);
    }

    #[test]
    fn a_damaged_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        cache.put("a", &entry(1)).unwrap();
        fs::write(cache.file("a"), b"EBTKERN1 and then nothing").unwrap();
        assert_eq!(cache.get("a"), None);
        cache.put("a", &entry(1)).unwrap();
        assert_eq!(cache.get("a"), Some(entry(1)));
    }

    #[test]
    fn readers_see_whole_entries_while_others_write() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        cache.put("a", &entry(0)).unwrap();
        std::thread::scope(|scope| {
            for writer in 1..4u8 {
                let cache = cache.clone();
                scope.spawn(move || (0..100).for_each(|_| cache.put("a", &entry(writer)).unwrap()));
            }
            for _ in 0..300 {
                let found = cache.get("a").expect("a whole entry at any time");
                assert_eq!(found, entry(found.image[0]));
            }
        });
    }

    #[test]
    fn keys_tell_apart_where_one_part_ends() {
        assert_ne!(key(&[b"ab", b"c"]), key(&[b"a", b"bc"]));
        assert_ne!(key(&[b"ab"]), key(&[b"ab", b""]));
        assert_eq!(key(&[b"ab"]).len(), 64);
    }

    #[test]
    fn the_folder_is_the_first_that_is_named() {
        let with = |names: &'static [&str]| {
            move |name: &str| names.contains(&name).then(|| OsString::from(format!("/{}", name.to_lowercase())))
        };
        let all = &["EBT_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"];
        let at = |names, home: Option<&str>, system| folder(&with(names), home.map(PathBuf::from), system);
        for system in ["linux", "macos", "windows"] {
            assert_eq!(at(all, Some("/home"), system), Some("/ebt_cache_dir/kernels".into()));
            assert_eq!(at(&all[1..], Some("/home"), system), Some("/xdg_cache_home/ebt/kernels".into()));
            assert_eq!([at(&[], None, system), at(&[], Some(""), system)], [None, None]);
        }
        let usual = |system| at(&all[2..], Some("/home"), system);
        assert_eq!(usual("linux"), Some("/home/.cache/ebt/kernels".into()));
        assert_eq!(usual("macos"), Some("/home/Library/Caches/ebt/kernels".into()));
        assert_eq!(usual("windows"), Some("/localappdata/ebt/kernels".into()));
        assert_eq!(at(&[], Some("/home"), "windows"), Some("/home/AppData/Local/ebt/kernels".into()));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_a_note() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, b"").unwrap();
        assert!(Cache::at(&file.join("below")).unwrap_err().contains("cannot be kept in"));
    }
}
