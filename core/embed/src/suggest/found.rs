//! Endings that were found, each once, with the sum of its probabilities.

use core::cmp::Ordering;
use core::mem::swap;

use super::mass::{load, store};

/// Words before the bytes: mass and length.
const HEAD: usize = 3;

/// A table of endings, the likeliest first and of equals the first in the order of bytes.
#[derive(Debug)]
pub(super) struct Found<'s> {
    records: &'s mut [u32],
    /// Words of a record.
    size: usize,
    count: usize,
}

/// Words of a record of an ending of so many bytes.
pub(super) fn size(bytes: usize) -> usize {
    HEAD.saturating_add(bytes.div_ceil(4))
}

impl<'s> Found<'s> {
    pub fn new(records: &'s mut [u32], bytes: usize) -> Self {
        Self { records, size: size(bytes), count: 0 }
    }

    /// Ending `i` and its mass.
    pub fn get(&self, i: usize) -> Option<(f64, &[u8])> {
        let record = self.records.chunks_exact(self.size.max(1)).take(self.count).nth(i)?;
        let (&[low, high, length], bytes) = record.split_first_chunk::<HEAD>()?;
        Some((load([low, high]), bytemuck::cast_slice(bytes).get(..length as usize)?))
    }

    /// Adds `mass` to the ending; of too many endings the least are lost.
    pub fn add(&mut self, ending: &[u8], mass: f64) {
        let known = (0..self.count).find(|&i| self.get(i).is_some_and(|(_, bytes)| bytes == ending));
        let full = self.records.len().checked_div(self.size).unwrap_or(0) == self.count;
        let (at, sum) = match known {
            Some(at) => (at, self.get(at).map_or(mass, |(before, _)| before + mass)),
            None if !full => {
                self.count = self.count.saturating_add(1);
                (self.count.saturating_sub(1), mass)
            }
            None => {
                let last = self.count.saturating_sub(1);
                if self.get(last).is_none_or(|(least, _)| least >= mass) {
                    return;
                }
                (last, mass)
            }
        };
        let Some(record) = self.records.chunks_exact_mut(self.size.max(1)).nth(at) else { return };
        let Some((head, bytes)) = record.split_first_chunk_mut::<HEAD>() else { return };
        let [low, high] = store(sum);
        *head = [low, high, ending.len() as u32];
        bytemuck::cast_slice_mut(bytes).iter_mut().zip(ending).for_each(|(to, &byte)| *to = byte);
        self.rise(at);
    }

    /// Moves record `at` to its place among those before it.
    fn rise(&mut self, at: usize) {
        for i in (1..=at).rev() {
            let (Some((above, first)), Some((mass, second))) = (self.get(i.saturating_sub(1)), self.get(i)) else {
                return;
            };
            if above.total_cmp(&mass).then(second.cmp(first)) != Ordering::Less {
                return;
            }
            let end = i.saturating_mul(self.size);
            let (before, rest) = self.records.split_at_mut(end.min(self.records.len()));
            let Some(above) = before.rchunks_exact_mut(self.size.max(1)).next() else { return };
            let Some(record) = rest.chunks_exact_mut(self.size.max(1)).next() else { return };
            above.iter_mut().zip(record).for_each(|(above, below)| swap(above, below));
        }
    }
}
