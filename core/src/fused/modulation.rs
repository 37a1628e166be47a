//! The linear map from a condition to shifts, scales and gates, see [`Modulation`].

use alloc::vec::Vec;

use crate::compute::{Backend, Modulated, Modulation};

/// `m = W c + bias` in parts, and `gain (1 + g)` where a part `g` scales a gain.
pub fn forward<B: Backend>(b: &B, weights: &[B::Array], map: Modulation<'_>, c: &B::Array) -> Modulated<B::Array> {
    let m = b.add(&b.linear(c, &weights[map.weight]), &weights[map.bias]);
    let (_, dim) = b.shape(c);
    let (_, columns) = b.shape(&m);
    let parts: Vec<B::Array> = (0..columns / dim).map(|i| b.slice_columns(&m, i * dim, dim)).collect();
    let scaled = map.gains.iter().map(|&(part, gain)| b.mul(&weights[gain], &b.offset(&parts[part], 1.0))).collect();
    Modulated { parts, scaled }
}

/// With `w = gain (1 + g)`: `dgain += dw (1 + g)`, `dg = dw gain`; then `dW += dm^T c`, `dbias += dm`, `dc += dm W`.
pub fn backward<B: Backend>(
    b: &B,
    weights: &[B::Array],
    map: Modulation<'_>,
    (c, at): (&B::Array, &Modulated<B::Array>),
    d: &[Option<&B::Array>],
    grads: &mut [B::Array],
    dc: &mut B::Array,
) {
    let (_, dim) = b.shape(c);
    let columns = d.len() * dim;
    let mut dm = b.fill(1, columns, 0.0);
    for (i, part) in d.iter().enumerate() {
        let Some(part) = part else { continue };
        let gain = map.gains.iter().find(|(scale, _)| *scale == i);
        let scaled = gain.map(|&(_, gain)| {
            b.accumulate(&mut grads[gain], &b.mul(part, &b.offset(&at.parts[i], 1.0)));
            b.mul(part, &weights[gain])
        });
        dm = b.add(&dm, &b.pad_columns(scaled.as_ref().unwrap_or(part), i * dim, columns));
    }
    b.accumulate_product(&mut grads[map.weight], 0, &dm, c);
    b.accumulate(&mut grads[map.bias], &dm);
    b.accumulate(dc, &b.linear_adjoint(&dm, &weights[map.weight]));
}
