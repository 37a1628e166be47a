//! One bit a document.

use std::path::Path;

use anyhow::{Context, Result, bail};
use twox_hash::XxHash3_64;

use ebt_data::file;

/// A set of document numbers. Numbers beyond those ever inserted are not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bits(Vec<u64>);

impl Bits {
    /// Adds a number; false if it was there.
    pub fn insert(&mut self, number: u64) -> bool {
        let (word, bit) = ((number / 64) as usize, 1 << (number % 64));
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        let new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        new
    }

    /// Whether a number is in the set.
    pub fn contains(&self, number: u64) -> bool {
        self.0.get((number / 64) as usize).is_some_and(|word| word & 1 << (number % 64) != 0)
    }

    /// Writes the set to a file, atomically; returns its checksum.
    ///
    /// # Errors
    ///
    /// What the file system refuses; the message names the file.
    pub fn write(&self, path: &Path) -> Result<String> {
        let bytes: Vec<u8> = self.0.iter().flat_map(|word| word.to_le_bytes()).collect();
        file::write(path, |out| Ok(out.write_all(&bytes)?))?;
        Ok(checksum(&bytes))
    }

    /// Reads a set that [`Bits::write`] wrote.
    ///
    /// # Errors
    ///
    /// An unreadable file, or another one than that of the checksum.
    pub fn read(path: &Path, expected: &str) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let (words, rest) = bytes.as_chunks::<8>();
        if checksum(&bytes) != expected || !rest.is_empty() {
            bail!("{} is damaged: its checksum is not the one in the journal", path.display());
        }
        Ok(Self(words.iter().map(|&word| u64::from_le_bytes(word)).collect()))
    }
}

fn checksum(bytes: &[u8]) -> String {
    format!("{:016x}", XxHash3_64::oneshot(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept_and_read_back() {
        let mut bits = Bits::default();
        assert!([0, 63, 64, 1000].iter().all(|&n| bits.insert(n)));
        assert!(!bits.insert(64));
        assert!(bits.contains(63) && !bits.contains(62) && !bits.contains(1 << 40));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bits");
        let checksum = bits.write(&path).unwrap();
        assert_eq!(Bits::read(&path, &checksum).unwrap(), bits);
        std::fs::write(&path, [1; 16]).unwrap();
        assert!(Bits::read(&path, &checksum).unwrap_err().to_string().contains("damaged"));
    }
}
