//! Arrays off a device.

use ebt_core::compute::Backend;

/// Copies arrays off a device.
pub fn download<B: Backend>(b: &B, list: &[B::Array]) -> Vec<Vec<f32>> {
    let copy = |a: &B::Array| {
        let (rows, columns) = b.shape(a);
        let mut values = vec![0.0; rows * columns];
        b.download(a, &mut values);
        values
    };
    list.iter().map(copy).collect()
}
