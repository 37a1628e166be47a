//! Banded contractions; single precision.

use ebt_core::compute::{Band, Classes, Relations};

use super::relations::CLASSES;
use super::support::{THREADS, blocks, kernel};
use crate::launch::{Arg, args};
use crate::{Cuda, Index, Kind, Matrix};

/// Threads of a block that sums by class, rows that it sums at least, and parts that the rows are split into at most.
const SUM_THREADS: u32 = 128;
const CHUNK: usize = 64;
const SPLIT: usize = 1024;

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

    pub(crate) fn relation_bias(&self, band: Band, relations: Relations<'_, Matrix, Index>) -> Matrix {
        let Relations { bias, classes } = relations;
        let out = self.take(band.batch * band.context, band.heads * band.slots, Kind::F32);
        let bias = self.float(bias);
        if self.classes_fit(classes, band.context)
            && self.require_shape("biases by relation", &bias, bias.rows, band.heads)
        {
            let known = self.relation_words(classes, Some(&bias), bias.rows, [band.context, band.head_dim]);
            let words = self.band_words(&band);
            let args = args![&out, Arg::Words(&known), Arg::Words(&words), out.len() as u64];
            self.launch(kernel("band", "relation_bias", Kind::F32), blocks(out.len()), THREADS, 0, args);
        }
        out
    }

    pub(crate) fn accumulate_relations(&self, slot: &mut Matrix, s: &Matrix, band: Band, classes: Classes<'_, Index>) {
        let (n, count) = (band.batch * band.context, slot.rows);
        let s = self.float(s);
        let fits = self.classes_fit(classes, band.context)
            && self.require_shape("numbers by relation", &s, n, band.heads * band.slots)
            && self.require_shape("sums by relation", slot, count, band.heads);
        if !fits || count == 0 || n == 0 {
            return;
        }
        let chunk = n.div_ceil(n.div_ceil(CHUNK).min(SPLIT));
        let (chunks, most) = (n.div_ceil(chunk), count.min(CLASSES));
        let partial = self.take(chunks, count * band.heads, Kind::F32);
        let known = self.relation_words(classes, None, count, [band.context, band.head_dim]);
        let words = self.band_words(&band);
        let [rows, chunk, of_block] = [n, chunk, most].map(|x| self.size(x));
        let args = args![&partial, &s, Arg::Words(&known), Arg::Words(&words), rows, chunk, of_block];
        let grid = [chunks * band.heads, count.div_ceil(most)];
        self.launch(
            kernel("band", "relation_sums", Kind::F32),
            grid,
            SUM_THREADS,
            most * SUM_THREADS as usize * 4,
            args,
        );
        self.collect_classes(slot, &partial);
    }
}
