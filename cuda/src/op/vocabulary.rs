//! Operations on [`SoftmaxRows`], an `(n,V)` matrix that is never stored whole: a chunk of its rows is written in the type of
//! products and multiplied at once.
//!
//! In f16 shares of a large vocabulary would underflow: the chunk holds them times [`GAIN`], which the product undoes.
//! Row scales, whose size is not known here, stay out of the chunk then: they multiply the other operand or the result.

use ebt_core::compute::{Layout, SoftmaxRows};

use super::product::operand;
use super::support::{THREADS, aligned, blocks, kernel, lanes, wide};
use crate::driver::{Operand, Product};
use crate::launch::args;
use crate::{Cuda, Index, Kind, Matrix};

/// Most bytes of a chunk; tests have small ones.
const CHUNK: usize = if cfg!(test) { 4096 } else { 64 << 20 };
/// `|m_ij|` without its scale is at most 1 (and a rounding of the exponent); the largest f16 is 65504.
const GAIN: f32 = 16_384.0;

/// A chunk of the matrix in memory; rows are `stride` elements apart, a multiple of 16 bytes.
#[derive(Debug)]
struct Chunk {
    memory: Matrix,
    rows: usize,
    stride: usize,
}

impl Chunk {
    fn operand(&self) -> Operand {
        Operand { address: self.memory.address(), kind: self.memory.kind, stride: self.stride }
    }
}

/// Rows of a chunk: as many as fit, a multiple of 256 where that many fit.
fn chunk_rows(rows: usize, row_bytes: usize) -> usize {
    let fit = (CHUNK / row_bytes.max(1)).max(1);
    rows.min(if fit >= 256 { fit / 256 * 256 } else { fit })
}

impl Cuda {
    fn chunk(&self, rows: usize, columns: usize) -> Chunk {
        let kind = self.stream_kind();
        let stride = columns.next_multiple_of(8);
        let rows = chunk_rows(rows, stride * kind.bytes());
        Chunk { memory: self.take(rows, stride, kind), rows, stride }
    }

    /// Factor that a chunk holds, and whether the row scales are left out of it.
    fn chunk_scaling(&self, rows: &SoftmaxRows<'_, Matrix, Index>) -> (f32, bool) {
        let half = self.stream_kind() == Kind::F16;
        (if half { GAIN } else { 1.0 }, half && rows.scale.is_some())
    }

    /// Writes rows `start .. start + count` of the matrix, times `gain`.
    fn write_chunk(&self, chunk: &Chunk, rows: &SoftmaxRows<'_, Matrix, Index>, start: usize, count: usize, gain: f32) {
        let y = rows.logits.shaped(start * rows.logits.columns, count, rows.logits.columns);
        let lse = rows.lse.shaped(start, count, 1);
        let scale = rows.scale.map(|s| s.shaped(start, count, 1));
        let targets = rows.targets.map_or(0, |t| t.address() + 4 * start as u64);
        let l = lanes(count, y.columns, THREADS);
        let args = args![
            &chunk.memory,
            &y,
            &lse,
            scale.as_ref(),
            targets,
            gain,
            self.size(count),
            self.size(y.columns),
            self.size(chunk.stride),
            l.group,
            u32::from(wide(y.columns, &[&y, &chunk.memory]))
        ];
        self.launch(kernel("vocabulary", "residual", chunk.memory.kind), l.blocks, l.threads, 0, args);
    }

    /// Logits, `lse` and scale in single precision, the shapes checked; `None` after a failure.
    fn vocabulary(&self, rows: SoftmaxRows<'_, Matrix, Index>) -> Option<[Option<Matrix>; 3]> {
        let n = rows.logits.rows;
        let fits = self.require_shape("a log-sum-exp", rows.lse, n, 1)
            && rows.scale.is_none_or(|s| self.require_shape("the scale of rows", s, n, 1))
            && rows.targets.is_none_or(|t| self.targets_fit(t, n));
        let float = |m: &Matrix| Some(self.float(m));
        fits.then(|| [float(rows.logits), float(rows.lse), rows.scale.and_then(float)])
    }

    /// `m w`, `w (V,D)`, in stream kind.
    pub(crate) fn rows_matmul(&self, rows: SoftmaxRows<'_, Matrix, Index>, w: &Matrix) -> Matrix {
        let (n, columns, depth) = (rows.logits.rows, rows.logits.columns, w.columns);
        let out = self.take(n, depth, self.stream_kind());
        if !self.require_shape("the matrix that rows mix", w, columns, depth) {
            return out;
        }
        let Some([Some(logits), Some(lse), scale]) = self.vocabulary(rows) else { return out };
        let (gain, apart) = self.chunk_scaling(&rows);
        let inside =
            SoftmaxRows { logits: &logits, lse: &lse, scale: scale.as_ref().filter(|_| !apart), targets: rows.targets };
        let (w, chunk) = (self.narrow_copy(w), self.chunk(n, columns));
        let unscaled = scale.as_ref().filter(|_| apart).map(|scale| (scale, self.take(chunk.rows, depth, Kind::F32)));
        for start in (0..n).step_by(chunk.rows) {
            let count = chunk.rows.min(n - start);
            self.write_chunk(&chunk, &inside, start, count, gain);
            let part = out.shaped(start * depth, count, depth);
            self.product(&Product {
                layout: Layout::NN,
                m: count,
                n: depth,
                k: columns,
                a: chunk.operand(),
                b: operand(&w),
                c: operand(unscaled.as_ref().map_or(&part, |(_, sums)| sums)),
                alpha: 1.0 / gain,
                accumulate: false,
                exact: false,
            });
            if let Some((scale, sums)) = &unscaled {
                self.scale_rows(&part, &sums.shaped(0, count, depth), &scale.shaped(start, count, 1));
            }
        }
        out
    }

    /// `slot (V,D) += m^T x`, `x (n,D)`.
    pub(crate) fn accumulate_rows(&self, slot: &mut Matrix, rows: SoftmaxRows<'_, Matrix, Index>, x: &Matrix) {
        let (n, columns, depth) = (rows.logits.rows, rows.logits.columns, x.columns);
        if !self.require_shape("rows that are collected", x, n, depth)
            || !self.require_shape("their slot", slot, columns, depth)
        {
            return;
        }
        let Some([Some(logits), Some(lse), scale]) = self.vocabulary(rows) else { return };
        self.writable(slot);
        let (gain, apart) = self.chunk_scaling(&rows);
        let inside =
            SoftmaxRows { logits: &logits, lse: &lse, scale: scale.as_ref().filter(|_| !apart), targets: rows.targets };
        let x = match scale.as_ref().filter(|_| apart) {
            None => self.stream(x),
            Some(scale) => {
                let scaled = self.take(n, depth, self.stream_kind());
                self.scale_rows(&scaled, x, scale);
                scaled
            }
        };
        let chunk = self.chunk(n, columns);
        for start in (0..n).step_by(chunk.rows) {
            let count = chunk.rows.min(n - start);
            self.write_chunk(&chunk, &inside, start, count, gain);
            self.product(&Product {
                layout: Layout::TN,
                m: columns,
                n: depth,
                k: count,
                a: chunk.operand(),
                b: operand(&x.shaped(start * depth, count, depth)),
                c: operand(slot),
                alpha: 1.0 / gain,
                accumulate: true,
                exact: false,
            });
        }
    }

    /// `scale_i (lse_i - y_i,target)`, 0 without a target.
    pub(crate) fn cross_entropy_rows(&self, rows: SoftmaxRows<'_, Matrix, Index>) -> Matrix {
        let y = rows.logits;
        let out = self.take(y.rows, 1, Kind::F32);
        let Some([Some(logits), Some(lse), scale]) = self.vocabulary(rows) else { return out };
        let Some(targets) = rows.targets else {
            self.fail(ebt_core::error::Error::Shape {
                what: "a cross entropy".to_owned(),
                message: "there are no targets".to_owned(),
            });
            return out;
        };
        let args = args![&out, &logits, &lse, scale.as_ref(), targets, self.size(y.rows), self.size(y.columns)];
        let blocks = y.rows.div_ceil(THREADS as usize);
        self.launch(kernel("vocabulary", "token_loss", Kind::F32), blocks, THREADS, 0, args);
        out
    }

    /// `softmax(y) - alpha_i (dp w^T)_ij` where `lse` is given, else `y - alpha_i (dp w^T)_ij`; in place where no other
    /// handle reads `y`.
    pub(crate) fn descend(&self, y: Matrix, lse: Option<&Matrix>, alpha: &Matrix, dp: &Matrix, w: &Matrix) -> Matrix {
        let (n, columns, depth) = (y.rows, y.columns, w.columns);
        let fits = self.require_shape("the step sizes of a descent", alpha, n, 1)
            && self.require_shape("the direction of a descent", dp, n, depth)
            && self.require_shape("the matrix of a descent", w, columns, depth)
            && lse.is_none_or(|lse| self.require_shape("a log-sum-exp", lse, n, 1));
        if !fits {
            return y;
        }
        let y = if y.kind == Kind::F32 { y } else { self.float(&y) };
        // before another handle is made: whether y may be written
        let out = self.in_place(&y);
        if let Some(lse) = lse {
            let (lse, l) = (self.float(lse), lanes(n, columns, THREADS));
            let runs = wide(columns, &[&y, &out]);
            let args = args![&out, &y, &lse, self.size(n), self.size(columns), l.group, u32::from(runs)];
            self.launch(kernel("vocabulary", "shares", Kind::F32), l.blocks, l.threads, 0, args);
        } else if out.address() != y.address() {
            self.copy_to(&y, &out);
        }
        let step = self.take(n, depth, self.stream_kind());
        self.scale_rows(&step, dp, &self.float(alpha));
        self.product(&Product {
            layout: Layout::NT,
            m: n,
            n: columns,
            k: depth,
            a: operand(&step),
            b: operand(&self.narrow_copy(w)),
            c: operand(&out),
            alpha: -1.0,
            accumulate: true,
            exact: false,
        });
        out
    }

    /// `out_ij = factor_i x_ij`; `factor` in single precision.
    fn scale_rows(&self, out: &Matrix, x: &Matrix, factor: &Matrix) {
        let runs = x.columns.is_multiple_of(8) && aligned(&[out, x]);
        let (columns, count) = (self.size(x.columns), x.len() as u64);
        let args = args![out, x, x.kind as u32, factor, columns, count, u32::from(runs)];
        self.launch(kernel("vocabulary", "scale_rows", out.kind), blocks(x.len()), THREADS, 0, args);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_whole_tiles_where_they_can_be() {
        assert_eq!(chunk_rows(16_384, 2), 2048);
        assert_eq!(chunk_rows(16_384, 6), 512);
        assert_eq!(chunk_rows(100, 6), 100);
        assert_eq!(chunk_rows(16_384, 100), 40);
        assert_eq!(chunk_rows(3, 2 * CHUNK), 1);
    }
}
