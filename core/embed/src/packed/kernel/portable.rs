//! Eight lanes as an array: what the compiler makes vectors of, on any target.

use super::super::storage::{brain, half};

/// Eight single-precision numbers, lane 0 first in memory.
#[derive(Clone, Copy, Debug)]
pub struct V([f32; 8]);

#[inline(always)]
pub fn zero() -> V {
    V([0.0; 8])
}

#[inline(always)]
pub fn splat(x: f32) -> V {
    V([x; 8])
}

#[inline(always)]
pub fn load(x: &[f32; 8]) -> V {
    V(*x)
}

#[inline(always)]
pub fn store(v: V, out: &mut [f32; 8]) {
    *out = v.0;
}

#[inline(always)]
pub fn add(a: V, b: V) -> V {
    let ([a0, a1, a2, a3, a4, a5, a6, a7], [b0, b1, b2, b3, b4, b5, b6, b7]) = (a.0, b.0);
    V([a0 + b0, a1 + b1, a2 + b2, a3 + b3, a4 + b4, a5 + b5, a6 + b6, a7 + b7])
}

#[inline(always)]
pub fn mul(a: V, b: V) -> V {
    let ([a0, a1, a2, a3, a4, a5, a6, a7], [b0, b1, b2, b3, b4, b5, b6, b7]) = (a.0, b.0);
    V([a0 * b0, a1 * b1, a2 * b2, a3 * b3, a4 * b4, a5 * b5, a6 * b6, a7 * b7])
}

/// The sum of the lanes in its one order.
#[inline(always)]
pub fn sum(v: V) -> f32 {
    let [l0, l1, l2, l3, l4, l5, l6, l7] = v.0;
    ((l0 + l4) + (l2 + l6)) + ((l1 + l5) + (l3 + l7))
}

/// The sums of four vectors.
#[inline(always)]
pub fn sums(v: [V; 4]) -> [f32; 4] {
    v.map(sum)
}

/// 32 values of `N` bytes each.
#[inline(always)]
fn each<const N: usize>(bytes: &[[u8; N]], value: impl Fn([u8; N]) -> f32) -> [V; 4] {
    let mut out = [zero(); 4];
    for (v, &[a, b, c, d, e, f, g, h]) in out.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *v = V([value(a), value(b), value(c), value(d), value(e), value(f), value(g), value(h)]);
    }
    out
}

#[inline(always)]
pub fn f32s(bytes: &[u8; 128], _scale: V) -> [V; 4] {
    each(bytes.as_chunks().0, f32::from_le_bytes)
}

#[inline(always)]
pub fn f16s(bytes: &[u8; 64], _scale: V) -> [V; 4] {
    each(bytes.as_chunks().0, |b| half(u16::from_le_bytes(b)))
}

#[inline(always)]
pub fn bf16s(bytes: &[u8; 64], _scale: V) -> [V; 4] {
    each(bytes.as_chunks().0, |b| brain(u16::from_le_bytes(b)))
}

#[inline(always)]
pub fn int8s(bytes: &[u8; 32], _scale: V) -> [V; 4] {
    each(bytes.as_chunks().0, |b| f32::from(i8::from_le_bytes(b)))
}

#[inline(always)]
pub fn int4s(bytes: &[u8; 16], scale: V) -> [V; 4] {
    let mut out = [zero(); 4];
    for (v, bytes) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
        for (pair, &byte) in v.0.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
            let nibble = |q: u8| f32::from(q as i8 - 8);
            *pair = [nibble(byte & 15), nibble(byte >> 4)];
        }
        *v = mul(*v, scale);
    }
    out
}
