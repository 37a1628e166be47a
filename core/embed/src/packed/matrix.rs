//! Matrices and vectors inside a packed model: views of its bytes.

use super::storage::Storage;

/// A matrix `W (rows, columns)`, row-major, stored as [`Storage`] says.
///
/// The scale of a row of 8-bit integers is a factor of the whole row: products sum `x_k q_k` and scale the sum. Scales of
/// 4-bit groups are multiplied into the weights first.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'m> {
    /// Storage of the values.
    pub storage: Storage,
    /// Number of rows: outputs of `x W^T`, inputs of `x W`.
    pub rows: usize,
    /// Number of columns: inputs of `x W^T`, outputs of `x W`.
    pub columns: usize,
    values: &'m [u8],
    scales: &'m [u8],
}

/// The bytes of a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'m> {
    pub values: &'m [u8],
    pub scales: &'m [u8],
}

/// The first `N` elements, default ones where there are fewer.
#[inline(always)]
pub(super) fn padded<T: Copy + Default, const N: usize>(from: &[T]) -> [T; N] {
    let mut out = [T::default(); N];
    for (out, &from) in out.iter_mut().zip(from) {
        *out = from;
    }
    out
}

/// `len` elements from `start` on; none where there are fewer.
#[inline(always)]
pub(super) fn part<T>(all: &[T], start: usize, len: usize) -> &[T] {
    all.get(start..start.saturating_add(len)).unwrap_or_default()
}

impl<'m> Matrix<'m> {
    /// A matrix without rows and columns, in place of one that is not there.
    pub const EMPTY: Matrix<'static> = Matrix { storage: Storage::F32, rows: 0, columns: 0, values: &[], scales: &[] };

    /// A matrix over its bytes; `None` if they are not as many as the sizes ask for.
    pub fn over(
        storage: Storage,
        rows: usize,
        columns: usize,
        values: &'m [u8],
        scales: &'m [u8],
    ) -> Option<Matrix<'m>> {
        let fits = storage.row_bytes(columns).checked_mul(rows) == Some(values.len())
            && storage.scale_bytes(columns).checked_mul(rows) == Some(scales.len());
        fits.then_some(Matrix { storage, rows, columns, values, scales })
    }

    /// Bytes of values and scales.
    pub fn bytes(&self) -> usize {
        self.values.len().saturating_add(self.scales.len())
    }

    /// Rows `start .. start + len`; an empty matrix if there are not so many.
    pub fn slice_rows(&self, start: usize, len: usize) -> Matrix<'m> {
        if start.checked_add(len).is_none_or(|end| end > self.rows) {
            return Matrix::EMPTY;
        }
        let of = |bytes, row: usize| part(bytes, row.saturating_mul(start), row.saturating_mul(len));
        let values = of(self.values, self.storage.row_bytes(self.columns));
        let scales = of(self.scales, self.storage.scale_bytes(self.columns));
        Matrix { rows: len, values, scales, ..*self }
    }

    /// The bytes of a row; none outside the matrix.
    #[inline(always)]
    pub(super) fn row(&self, row: usize) -> Row<'m> {
        let of = |bytes, length: usize| part(bytes, row.saturating_mul(length), length);
        Row {
            values: of(self.values, self.storage.row_bytes(self.columns)),
            scales: of(self.scales, self.storage.scale_bytes(self.columns)),
        }
    }

    /// The values of at most `len` rows from `start` on, as they are stored.
    pub(super) fn stored(&self, start: usize, len: usize) -> &'m [u8] {
        let row = self.storage.row_bytes(self.columns);
        let rows = self.values.get(row.saturating_mul(start)..).unwrap_or_default();
        rows.get(..row.saturating_mul(len)).unwrap_or(rows)
    }
}

/// A vector of singles inside a packed model.
#[derive(Clone, Copy, Debug, Default)]
pub struct Floats<'m>(pub(super) &'m [u8]);

impl<'m> Floats<'m> {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.0.len() / 4
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.0.len() < 4
    }

    /// Value `i`; 0 outside.
    pub fn get(&self, i: usize) -> f32 {
        self.0.as_chunks().0.get(i).map_or(0.0, |&bytes| f32::from_le_bytes(bytes))
    }

    /// Values `start .. start + len`; none where there are fewer.
    pub fn part(&self, start: usize, len: usize) -> Floats<'m> {
        Floats(part(self.0, start.saturating_mul(4), len.saturating_mul(4)))
    }

    /// The values in order.
    pub fn iter(&self) -> impl Iterator<Item = f32> + use<'m> {
        self.0.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes))
    }
}
