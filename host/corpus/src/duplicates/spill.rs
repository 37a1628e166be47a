//! Records of a fixed size, spread over files and read back one file at a time.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Files that records are spread over.
pub const PARTITIONS: usize = 64;
/// Most records that are held in memory at once.
pub const HELD: u64 = 1 << 22;

/// Records of `N` bytes on their way to disk.
#[derive(Debug)]
pub struct Spill<const N: usize> {
    files: Vec<(PathBuf, BufWriter<File>, u64)>,
}

impl<const N: usize> Spill<N> {
    /// Creates the files `folder/name-00` and so on.
    ///
    /// # Errors
    ///
    /// What the file system refuses; the message names the file.
    pub fn create(folder: &Path, name: &str) -> Result<Self> {
        let open = |i: usize| {
            let path = folder.join(format!("{name}-{i:02}"));
            let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
            Ok((path, BufWriter::with_capacity(1 << 16, file), 0))
        };
        Ok(Self { files: (0..PARTITIONS).map(open).collect::<Result<_>>()? })
    }

    /// Adds a record to partition `partition < PARTITIONS`.
    ///
    /// # Errors
    ///
    /// What the file system refuses; the message names the file.
    pub fn push(&mut self, partition: usize, record: &[u8; N]) -> Result<()> {
        let (path, file, records) = &mut self.files[partition];
        *records += 1;
        file.write_all(record).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Writes out what is still buffered; the records can then be read back.
    ///
    /// # Errors
    ///
    /// What the file system refuses; the message names the file.
    pub fn finish(self) -> Result<Spilled<N>> {
        let close = |(path, mut file, records): (PathBuf, BufWriter<File>, u64)| {
            file.flush().with_context(|| format!("cannot write {}", path.display()))?;
            Ok((path, records))
        };
        Ok(Spilled { files: self.files.into_iter().map(close).collect::<Result<_>>()? })
    }
}

/// Records on disk.
#[derive(Debug)]
pub struct Spilled<const N: usize> {
    files: Vec<(PathBuf, u64)>,
}

impl<const N: usize> Spilled<N> {
    /// Gives every partition in order to `each`, in parts of about `held` records at most: part `p` of `n` holds the
    /// records for which `part(record, n)` is `p`. Removes the files behind itself.
    ///
    /// # Errors
    ///
    /// Unreadable files, and what `each` returns.
    pub fn drain<T>(
        self,
        held: u64,
        decode: impl Fn(&[u8; N]) -> T,
        part: impl Fn(&T, u64) -> u64,
        mut each: impl FnMut(Vec<T>) -> Result<()>,
    ) -> Result<()> {
        for (path, records) in self.files {
            let unreadable = || format!("cannot read {}", path.display());
            let parts = records.div_ceil(held.max(1)).max(1);
            for p in 0..parts {
                let mut file = BufReader::with_capacity(1 << 18, File::open(&path).with_context(unreadable)?);
                let mut some = Vec::with_capacity((records / parts) as usize);
                let mut record = [0; N];
                for _ in 0..records {
                    file.read_exact(&mut record).with_context(unreadable)?;
                    let record = decode(&record);
                    if parts == 1 || part(&record, parts) == p {
                        some.push(record);
                    }
                }
                each(some)?;
            }
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(())
    }
}

/// The part of `parts` that a uniform number falls to.
pub fn share(uniform: u64, parts: u64) -> u64 {
    ((u128::from(uniform) * u128::from(parts)) >> 64) as u64
}

/// Two numbers as a record.
pub fn pair(a: u64, b: u64) -> [u8; 16] {
    (u128::from(a) << 64 | u128::from(b)).to_be_bytes()
}

/// The numbers of a record.
pub fn unpair(record: &[u8; 16]) -> (u64, u64) {
    let both = u128::from_be_bytes(*record);
    ((both >> 64) as u64, both as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_comes_back_once_in_parts_that_are_held() {
        let folder = tempfile::tempdir().unwrap();
        let mut spill = Spill::create(folder.path(), "x").unwrap();
        let key = |i: u64| i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        for i in 0..1000 {
            spill.push((i % 3) as usize, &pair(key(i), i)).unwrap();
        }
        let mut seen = Vec::new();
        let each = |some: Vec<(u64, u64)>| {
            assert!(some.len() < 100);
            seen.extend(some.iter().map(|r| r.1));
            assert!(some.iter().all(|&(a, b)| a == key(b)));
            Ok(())
        };
        spill.finish().unwrap().drain(50, unpair, |r, n| share(r.0, n), each).unwrap();
        seen.sort_unstable();
        assert_eq!(seen, (0..1000).collect::<Vec<_>>());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
