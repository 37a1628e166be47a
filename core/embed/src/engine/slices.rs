//! Parts of slices that may not be there: nothing here can panic.

/// Row `r` of a matrix of this width; empty where there is none.
pub fn row_of(matrix: &[f32], r: usize, width: usize) -> &[f32] {
    let start = r.saturating_mul(width);
    matrix.get(start..start.saturating_add(width)).unwrap_or_default()
}

/// Row `r` of a matrix of this width, to be written.
pub fn row_mut(matrix: &mut [f32], r: usize, width: usize) -> &mut [f32] {
    let start = r.saturating_mul(width);
    matrix.get_mut(start..start.saturating_add(width)).unwrap_or_default()
}

/// The first `n` elements; none where there are fewer.
pub fn front<T>(all: &mut [T], n: usize) -> &mut [T] {
    all.get_mut(..n).unwrap_or_default()
}

/// Writes one element, where there is one.
pub fn put<T>(all: &mut [T], at: usize, x: T) {
    if let Some(slot) = all.get_mut(at) {
        *slot = x;
    }
}

/// `to <- from` as far as both go.
pub fn copy(to: &mut [f32], from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
}
