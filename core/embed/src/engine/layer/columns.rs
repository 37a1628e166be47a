//! What attention does to arrays of heads, whatever its keys are: columns become matrices of their own, scores become weights.

use core::ops::Range;

use crate::engine::number::Number;
use crate::packed::{Matrix, Storage};

/// Columns `from .. from + wide` of arrays `(n, columns)`.
#[derive(Clone, Copy, Debug)]
pub struct Columns {
    /// Rows of the arrays.
    pub n: usize,
    /// Columns of the arrays.
    pub columns: usize,
    /// The first column that is meant.
    pub from: usize,
    /// How many are meant.
    pub wide: usize,
}

impl Columns {
    /// Copies them, of the rows `rows`, to rows of their own: `out (rows, wide)`.
    pub fn gather<N: Number>(&self, array: &[f32], rows: Range<usize>, out: &mut [f32]) {
        let mut to = N::rows_mut(out, rows.len(), self.wide);
        for row in N::rows(array, self.n, self.columns).skip(rows.start).take(rows.len()) {
            let Some(mut to) = to.next() else { return };
            N::update(&mut to, N::part(&row, self.from, self.wide), |_, x| x);
        }
    }

    /// The reverse of [`Self::gather`].
    pub fn scatter<N: Number>(&self, array: &[f32], rows: Range<usize>, out: &mut [f32]) {
        let to = N::rows_mut(out, self.n, self.columns).skip(rows.start);
        for (row, mut to) in N::rows(array, rows.len(), self.wide).zip(to) {
            N::update(&mut N::part_mut(&mut to, self.from, self.wide), row, |_, x| x);
        }
    }
}

/// Numbers as a matrix `(rows, width)`; numbers in memory are little-endian on every target.
pub fn of_floats(numbers: &[f32], rows: usize, width: usize) -> Matrix<'_> {
    Matrix::over(Storage::F32, rows, width, bytemuck::cast_slice(numbers), &[]).unwrap_or(Matrix::EMPTY)
}

/// Weights of one row in place of its `used` scores, which are multiplied by `scale`; what is not visible has weight 0.
/// Where there is one more score, `first`, its weight is returned, else 0.
pub fn softmax<N: Number>(
    scores: &mut N::RowMut<'_>,
    first: Option<N>,
    scale: N,
    used: usize,
    visible: [Range<usize>; 2],
) -> N {
    let mut top = first.map_or(f32::NEG_INFINITY, N::value);
    for range in &visible {
        // scaling keeps the order
        let largest = N::largest(N::part(&N::read(scores), range.start, range.len())) * scale.value();
        top = if largest > top { largest } else { top };
    }
    let top = N::constant(if top > f32::NEG_INFINITY { top } else { 0.0 });
    let mut end = 0usize;
    for range in visible {
        N::map(&mut N::part_mut(scores, end, range.start.saturating_sub(end)), |_| N::constant(0.0));
        N::map(&mut N::part_mut(scores, range.start, range.len()), |s| (s * scale - top).exp());
        end = range.end.max(end);
    }
    N::map(&mut N::part_mut(scores, end, used.saturating_sub(end)), |_| N::constant(0.0));
    let sum = N::total(N::read(scores));
    let first = first.map_or(N::constant(0.0), |s| (s - top).exp());
    let over = (sum + first).recip();
    N::map(scores, |e| e * over);
    first * over
}
