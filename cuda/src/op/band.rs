//! Banded contractions; single precision.

use ebt_core::compute::Band;

use super::support::{THREADS, blocks, kernel};
use crate::launch::{Arg, args};
use crate::{Cuda, Index, Kind, Matrix};

impl Cuda {
    fn band_words(&self, b: &Band) -> [u64; 3] {
        let pair = |low: usize, high: usize| u64::from(self.size(low)) | u64::from(self.size(high)) << 32;
        [pair(b.context, b.heads), pair(b.kv_heads, b.head_dim), pair(b.slots, b.ahead)]
    }

    fn banded(&self, name: &'static str, a: &Matrix, b: &Matrix, widths: [usize; 3], band: Band) -> Matrix {
        let n = band.batch * band.context;
        let out = self.take(n, widths[2], Kind::F32);
        let (a, b) = (self.float(a), self.float(b));
        if self.require_shape("a banded operand", &a, n, widths[0])
            && self.require_shape("a banded operand", &b, n, widths[1])
        {
            let words = self.band_words(&band);
            let args = args![&out, &a, &b, Arg::Words(&words), out.len() as u64];
            self.launch(kernel("band", name, Kind::F32), blocks(out.len()), THREADS, 0, args);
        }
        out
    }

    pub(crate) fn window_scores(&self, q: &Matrix, k: &Matrix, band: Band) -> Matrix {
        let Band { heads, kv_heads, head_dim, slots, .. } = band;
        self.banded("window_scores", q, k, [heads * head_dim, kv_heads * head_dim, heads * slots], band)
    }
    pub(crate) fn window_mix(&self, s: &Matrix, v: &Matrix, band: Band) -> Matrix {
        let Band { heads, kv_heads, head_dim, slots, .. } = band;
        self.banded("window_mix", s, v, [heads * slots, kv_heads * head_dim, heads * head_dim], band)
    }
    pub(crate) fn window_scatter(&self, s: &Matrix, q: &Matrix, band: Band) -> Matrix {
        let Band { heads, kv_heads, head_dim, slots, .. } = band;
        self.banded("window_scatter", s, q, [heads * slots, heads * head_dim, kv_heads * head_dim], band)
    }
    pub(crate) fn window_mask(&self, band: Band, starts: Option<&Index>) -> Matrix {
        let n = band.batch * band.context;
        let out = self.take(n, band.heads * band.slots, Kind::F32);
        if starts.is_none_or(|s| self.targets_fit(s, n)) {
            let words = self.band_words(&band);
            let args = args![&out, starts, Arg::Words(&words), out.len() as u64];
            self.launch(kernel("band", "window_mask", Kind::F32), blocks(out.len()), THREADS, 0, args);
        }
        out
    }
}
