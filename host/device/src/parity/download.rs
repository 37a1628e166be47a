//! Values of a backend's matrices.

use ebt_core::compute::Backend;

/// All values of a list of matrices, one after the other.
pub(super) fn download<B: Backend>(b: &B, list: &[B::Array]) -> Vec<f64> {
    let mut all = Vec::new();
    for a in list {
        let (rows, columns) = b.shape(a);
        let start = all.len();
        all.resize(start + rows * columns, f64::NAN);
        b.download_f64(a, &mut all[start..]);
    }
    all
}
