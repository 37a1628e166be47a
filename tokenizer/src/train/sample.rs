//! A part of the text that fits in memory.

use super::options::{TrainOptions, TrainProgress};

/// Texts in the order of a hash of their bytes: those whose hash is below a threshold, which is halved whenever the
/// texts kept grow beyond the limit. What is kept in the end depends on the set of texts alone.
#[derive(Debug)]
pub(super) struct Sample {
    kept: Vec<(u64, String)>,
    bytes: u64,
    threshold: u64,
}

impl Sample {
    /// Reads all texts and keeps what fits.
    pub(super) fn take(texts: impl Iterator<Item = String>, options: &TrainOptions) -> Vec<String> {
        let mut sample = Self { kept: Vec::new(), bytes: 0, threshold: u64::MAX };
        let (mut count, mut bytes) = (0, 0);
        for text in texts {
            count += 1;
            bytes += text.len() as u64;
            options.report(TrainProgress::Reading { texts: count, bytes });
            sample.offer(text, options.sample_bytes);
        }
        sample.kept.sort_unstable();
        sample.kept.into_iter().map(|(_, text)| text).collect()
    }

    fn offer(&mut self, text: String, most: u64) {
        let hash = hash(text.as_bytes());
        if hash > self.threshold {
            return;
        }
        self.bytes += text.len() as u64;
        self.kept.push((hash, text));
        while self.bytes > most && self.kept.len() > 1 {
            self.threshold /= 2;
            self.kept.retain(|(hash, _)| *hash <= self.threshold);
            self.bytes = self.kept.iter().map(|(_, text)| text.len() as u64).sum();
        }
    }
}

/// FNV-1a with 64 bits, mixed so that all bits depend on all bytes.
fn hash(bytes: &[u8]) -> u64 {
    let hash = crate::tokenizer::fnv1a(bytes);
    let mixed = (hash ^ hash >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    (mixed ^ mixed >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}
