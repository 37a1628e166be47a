//! Counter-based noise.

use ebt_core::random::Stream;

use super::support::{THREADS, kernel};
use crate::launch::{Arg, args};
use crate::{Cuda, Kind, Matrix};

impl Cuda {
    /// Key, step, use, and where a recorded step finds the step: the kernel's description of a stream.
    fn stream_words(&self, stream: Stream) -> [u64; 3] {
        let word = |[low, high]: [u32; 2]| u64::from(low) | u64::from(high) << 32;
        let clock = if self.is_recording() { self.clock().address() } else { 0 };
        [word(stream.key()), word(stream.high()), clock]
    }

    /// Elements `first ..` of a stream of `N(0, sigma^2)` draws.
    pub(crate) fn normal(&self, rows: usize, columns: usize, stream: Stream, first: u64, sigma: f64) -> Matrix {
        let out = self.take(rows, columns, Kind::F32);
        let words = self.stream_words(stream);
        let args = args![&out, Arg::Words(&words), first, out.len() as u64, sigma as f32];
        self.launch(kernel("noise", "normal", Kind::F32), draws(out.len()), THREADS, 0, args);
        out
    }

    /// `low + (high - low)` times elements `first ..` of the uniform stream.
    pub(crate) fn uniform(
        &self,
        rows: usize,
        columns: usize,
        stream: Stream,
        first: u64,
        low: f64,
        high: f64,
    ) -> Matrix {
        let out = self.take(rows, columns, Kind::F32);
        let words = self.stream_words(stream);
        let args = args![&out, Arg::Words(&words), first, out.len() as u64, low as f32, (high - low) as f32];
        self.launch(kernel("noise", "uniform", Kind::F32), draws(out.len()), THREADS, 0, args);
        out
    }
}

/// Blocks for `count` numbers, four a thread.
fn draws(count: usize) -> usize {
    (count / 4 + 2).div_ceil(THREADS as usize).clamp(1, 1 << 20)
}
