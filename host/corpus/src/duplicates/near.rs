//! Nearly equal documents: candidates from bands of MinHash signatures, verified on the whole signatures.
//!
//! A document is dropped when an earlier document that stays has an estimated similarity of at least the one asked for.
//! Compared are documents that share a band; where many share one, each only with the first [`COMPARED`] of them, so that
//! a text repeated a million times takes a million comparisons and not their square.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::bits::Bits;
use super::minhash::{Bands, Minima, PLACES, Signature, signature, similarity};
use super::spill::{HELD, PARTITIONS, Spill, pair, share, unpair};

/// Documents of one band that later ones are compared with.
pub const COMPARED: usize = 8;
/// Bytes of a signature on disk.
const BYTES: usize = 2 * PLACES;

/// Signatures of documents on their way to disk.
#[derive(Debug)]
pub struct Signatures {
    folder: PathBuf,
    path: PathBuf,
    file: BufWriter<File>,
    /// Documents whose place in the file is written.
    written: u64,
    bands: Spill<16>,
}

impl Signatures {
    /// Keeps its files in `folder`.
    ///
    /// # Errors
    ///
    /// What the file system refuses; the message names the file.
    pub fn create(folder: &Path) -> Result<Self> {
        let path = folder.join("signatures");
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(true).open(&path);
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        let file = BufWriter::with_capacity(1 << 18, file);
        Ok(Self { folder: folder.to_path_buf(), path, file, written: 0, bands: Spill::create(folder, "bands")? })
    }

    /// Adds a document; numbers ascend. `keys` are those of [`Bands::keys`].
    ///
    /// # Errors
    ///
    /// A full disk; the message names the file.
    pub fn push(&mut self, number: u64, signature: &Signature, keys: &[u64]) -> Result<()> {
        let failed = || format!("cannot write {}", self.path.display());
        // documents without a signature leave a gap; small ones are not worth emptying the buffer for
        if number > self.written + 1024 {
            self.file.seek(SeekFrom::Start(number * BYTES as u64)).with_context(failed)?;
        } else {
            for _ in self.written..number {
                self.file.write_all(&[0; BYTES]).with_context(failed)?;
            }
        }
        let mut bytes = [0; BYTES];
        for (to, x) in bytes.chunks_exact_mut(2).zip(signature) {
            to.copy_from_slice(&x.to_le_bytes());
        }
        self.file.write_all(&bytes).with_context(failed)?;
        self.written = number + 1;
        for &key in keys {
            self.bands.push(key as usize % PARTITIONS, &pair(key, number))?;
        }
        Ok(())
    }

    /// Calls `found` for every document that nearly equals an earlier one, and adds it to `dropped`; documents in there
    /// already do not count. `documents` is more than any number.
    ///
    /// # Errors
    ///
    /// A full disk, unreadable files; the message names the file.
    pub fn near_duplicates(
        self,
        least: f64,
        documents: u64,
        dropped: &mut Bits,
        mut found: impl FnMut(u64),
    ) -> Result<()> {
        let Self { folder, path, file, bands, .. } = self;
        let file = file.into_inner().map_err(std::io::IntoInnerError::into_error);
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        let pairs = candidates(bands, &folder, documents, dropped)?;
        let mut stored = Stored { file: BufReader::with_capacity(BYTES, file), path };
        let each = |mut pairs: Vec<(u64, u64)>| {
            pairs.sort_unstable();
            pairs.dedup();
            // the files hold ascending ranges of later documents, so all earlier ones are decided
            for of_one in pairs.chunk_by(|a, b| a.0 == b.0) {
                let later = of_one[0].0;
                let own = stored.get(later)?;
                for &(_, earlier) in of_one {
                    if !dropped.contains(earlier) && similarity(&own, &stored.get(earlier)?) >= least {
                        dropped.insert(later);
                        found(later);
                        break;
                    }
                }
            }
            Ok(())
        };
        let width = documents.div_ceil(PARTITIONS as u64).max(1);
        // inside a file, too, parts are ascending ranges
        let part =
            |pair: &(u64, u64), parts: u64| (u128::from(pair.0 % width) * u128::from(parts) / u128::from(width)) as u64;
        pairs.drain(HELD, unpair, part, each)?;
        std::fs::remove_file(&stored.path).with_context(|| format!("cannot remove {}", stored.path.display()))
    }
}

/// Pairs (later, earlier) of documents that share a band.
fn candidates(bands: Spill<16>, folder: &Path, documents: u64, dropped: &Bits) -> Result<super::spill::Spilled<16>> {
    let mut pairs = Spill::create(folder, "pairs")?;
    let width = documents.div_ceil(PARTITIONS as u64).max(1);
    let each = |mut records: Vec<(u64, u64)>| {
        records.retain(|record| !dropped.contains(record.1));
        records.sort_unstable();
        for bucket in records.chunk_by(|a, b| a.0 == b.0) {
            for (i, &(_, later)) in bucket.iter().enumerate() {
                for &(_, earlier) in &bucket[..i.min(COMPARED)] {
                    pairs.push((later / width) as usize, &pair(later, earlier))?;
                }
            }
        }
        Ok(())
    };
    bands.finish()?.drain(HELD, unpair, |record, parts| share(record.0, parts), each)?;
    pairs.finish()
}

/// Signatures on disk.
struct Stored {
    file: BufReader<File>,
    path: PathBuf,
}

impl Stored {
    fn get(&mut self, number: u64) -> Result<Signature> {
        let unreadable = || format!("cannot read {}", self.path.display());
        let mut bytes = [0; BYTES];
        self.file.seek(SeekFrom::Start(number * BYTES as u64)).with_context(unreadable)?;
        self.file.read_exact(&mut bytes).with_context(unreadable)?;
        let mut signature = [0; PLACES];
        for (x, from) in signature.iter_mut().zip(bytes.chunks_exact(2)) {
            *x = u16::from_le_bytes([from[0], from[1]]);
        }
        Ok(signature)
    }
}

/// What is kept of a document: its signature and the keys of its bands.
#[derive(Debug)]
pub struct Sketch {
    /// Low bits of the minima.
    pub signature: Signature,
    /// Keys of the bands.
    pub keys: Vec<u64>,
}

impl Sketch {
    /// The sketch of minima.
    pub fn new(minima: &Minima, bands: Bands) -> Self {
        Self { signature: signature(minima), keys: bands.keys(minima).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::minhash::minima;
    use super::*;

    /// Numbers of the texts that are dropped.
    fn dropped(texts: &[String], least: f64) -> Vec<u64> {
        let folder = tempfile::tempdir().unwrap();
        let mut signatures = Signatures::create(folder.path()).unwrap();
        let bands = Bands::for_similarity(least);
        for (number, text) in texts.iter().enumerate() {
            if let Some(minima) = minima(text) {
                let sketch = Sketch::new(&minima, bands);
                signatures.push(number as u64, &sketch.signature, &sketch.keys).unwrap();
            }
        }
        let (mut bits, mut found) = (Bits::default(), Vec::new());
        signatures.near_duplicates(least, texts.len() as u64, &mut bits, |n| found.push(n)).unwrap();
        assert!(found.iter().all(|&n| bits.contains(n)) && found.is_sorted());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        found
    }

    fn text(seed: usize, changed: usize) -> String {
        let word = |i: usize| if i < changed { format!("başka{seed}x{i}") } else { format!("söz{seed}x{i}") };
        (0..300).map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_earlier_of_similar_documents_stays() {
        // 5 of 300 words changed: 291 of 301 shingles shared; 100 changed: about half
        let texts = [text(0, 5), text(1, 0), "kısa".into(), text(0, 0), text(1, 100), text(1, 0), text(2, 0)];
        assert_eq!(dropped(&texts, 0.8), [3, 5]);
        assert_eq!(dropped(&texts, 0.3), [3, 4, 5]);
    }

    #[test]
    fn a_document_counts_against_others_only_if_it_stays() {
        // similarities of neighbours: about 0.66 and 0.6; of the ends: about 0.39
        let texts = [text(0, 0), text(0, 60), text(0, 130)];
        assert_eq!(dropped(&texts, 0.5), [1]);
        assert_eq!(dropped(&texts[1..], 0.5), [1]);
    }

    #[test]
    fn many_copies_are_all_found() {
        let mut texts: Vec<String> = (0..500).map(|i| text(i % 5, 0)).collect();
        texts[7] = text(9, 0);
        assert_eq!(dropped(&texts, 0.9), (5..500).filter(|&n| n != 7).collect::<Vec<u64>>());
    }
}
