//! A bounded part of a stream, for measurements that must not take long.

use std::ops::Range;

use anyhow::Result;

use super::Tokens;
use super::encoder::Encoder;
use super::part::Encoded;

impl Tokens {
    /// Every `k`-th run of `length` text tokens as a document of its own, with `k` such that about `tokens` tokens
    /// remain, in memory; 0 = all. The same runs every time.
    ///
    /// # Errors
    ///
    /// As [`Tokens::gather`].
    pub fn sample(&self, tokens: usize, length: usize, encoder: &impl Encoder) -> Result<Self> {
        if tokens == 0 || self.len() <= tokens as u64 {
            return Ok(self.clone());
        }
        let (every, length) = (self.len().div_ceil(tokens as u64), length.max(1) as u64);
        let (mut some, mut run, mut passed) = (Encoded::default(), Vec::new(), 0u64);
        for i in 0..self.documents() {
            let Range { start, end } = self.document(i);
            let runs = (end - start - 1).div_ceil(length);
            // runs are numbered through; those whose number is a multiple of `every` stay
            for r in (passed.next_multiple_of(every)..passed + runs).step_by(every as usize) {
                let from = start + 1 + (r - passed) * length;
                run.clear();
                self.gather(from..end.min(from + length), &mut run)?;
                some.push(self.begin(), &run, run.iter().map(|&id| encoder.bytes(id)).sum(), self.source(i) as u32);
            }
            passed += runs;
        }
        Ok(Self::new(some, self.sources().to_vec(), self.begin(), self.vocabulary()))
    }
}
