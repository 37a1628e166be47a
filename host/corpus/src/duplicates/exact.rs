//! Equal documents: of all documents with the same hash the first stays.

use std::path::Path;

use anyhow::Result;

use super::bits::Bits;
use super::spill::{HELD, PARTITIONS, Spill, share};

/// Hashes of documents on their way to disk.
#[derive(Debug)]
pub struct Hashes(Spill<24>);

impl Hashes {
    /// Keeps its files in `folder`.
    ///
    /// # Errors
    ///
    /// What the file system refuses; the message names the file.
    pub fn create(folder: &Path) -> Result<Self> {
        Ok(Self(Spill::create(folder, "hashes")?))
    }

    /// Adds a document.
    ///
    /// # Errors
    ///
    /// A full disk; the message names the file.
    pub fn push(&mut self, hash: u128, number: u64) -> Result<()> {
        let mut record = [0; 24];
        record[..16].copy_from_slice(&hash.to_be_bytes());
        record[16..].copy_from_slice(&number.to_be_bytes());
        self.0.push(hash as usize % PARTITIONS, &record)
    }

    /// Calls `found` for every document that equals an earlier one, and adds it to `dropped`.
    ///
    /// # Errors
    ///
    /// Unreadable files.
    pub fn duplicates(self, dropped: &mut Bits, mut found: impl FnMut(u64)) -> Result<()> {
        let each = |mut records: Vec<(u128, u64)>| {
            records.sort_unstable();
            for two in records.windows(2) {
                if two[0].0 == two[1].0 {
                    dropped.insert(two[1].1);
                    found(two[1].1);
                }
            }
            Ok(())
        };
        self.0.finish()?.drain(HELD, decode, |record, parts| share((record.0 >> 64) as u64, parts), each)
    }
}

fn decode(record: &[u8; 24]) -> (u128, u64) {
    let number = |range: std::ops::Range<usize>| record[range].iter().fold(0, |x, &b| x << 8 | u128::from(b));
    (number(0..16), number(16..24) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_documents_stays() {
        let folder = tempfile::tempdir().unwrap();
        let mut hashes = Hashes::create(folder.path()).unwrap();
        let key = |i: u64| u128::from(i % 300).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
        for number in 0..1000 {
            hashes.push(key(number), number).unwrap();
        }
        let (mut dropped, mut found) = (Bits::default(), Vec::new());
        hashes.duplicates(&mut dropped, |number| found.push(number)).unwrap();
        found.sort_unstable();
        assert_eq!(found, (300..1000).collect::<Vec<_>>());
        assert!((0..1000).all(|number| dropped.contains(number) == (number >= 300)));
    }
}
