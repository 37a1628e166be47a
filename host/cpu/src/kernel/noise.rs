//! Counter-based normal noise: Philox 4x32-10 and Box-Muller.

use super::element::Element;
use super::par::{rows_per_chunk, simd};
use rayon::prelude::*;

/// Blocks computed side by side.
const SIDE: usize = 16;
/// Elements of one batch of blocks.
const BATCH: usize = 4 * SIDE;

/// Philox 4x32 with ten rounds: four random words from a key and a counter.
pub fn philox(key: [u32; 2], counter: [u32; 4]) -> [u32; 4] {
    let words = rounds::<1>(key, counter.map(|c| [c]));
    words.map(|[w]| w)
}

/// [`philox`] of `N` counters; word `w` of counter `i` stands at `[w][i]`.
#[inline(always)]
fn rounds<const N: usize>([mut k0, mut k1]: [u32; 2], x: [[u32; N]; 4]) -> [[u32; N]; 4] {
    const M: [u64; 2] = [0xd251_1f53, 0xcd9e_8d57];
    const W: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];
    let [mut a, mut b, mut c, mut d] = x;
    for _ in 0..10 {
        for i in 0..N {
            let p = M[0] * u64::from(a[i]);
            let q = M[1] * u64::from(c[i]);
            a[i] = (q >> 32) as u32 ^ b[i] ^ k0;
            c[i] = (p >> 32) as u32 ^ d[i] ^ k1;
            b[i] = q as u32;
            d[i] = p as u32;
        }
        k0 = k0.wrapping_add(W[0]);
        k1 = k1.wrapping_add(W[1]);
    }
    [a, b, c, d]
}

/// Two standard normal values from two random words: `u1 = (w0 + 1) / 2^32`,
/// `u2 = w1 / 2^32`, `sqrt(-2 ln u1)` times cosine and sine of `2 pi u2`.
#[inline(always)]
fn box_muller<E: Element>(w0: u32, w1: u32) -> (E, E) {
    let unit = E::from_f64(1.0 / 4_294_967_296.0);
    let next = w0.wrapping_add(1);
    let u1 = if next == 0 { E::ONE } else { E::from_u32(next) * unit };
    let r = (E::from_f64(-2.0) * u1.ln()).sqrt();
    let (sin, cos) = (E::from_u32(w1) * unit).sin_cos_turn();
    (r * cos, r * sin)
}

/// Fills `out` with normal values of mean zero and deviation `sigma`.
///
/// `out[i]` is element `e = offset + i` of the stream of `key` and
/// `counter_high`, whatever the length of `out`: block `e / 4` has the counter
/// `[low word of e / 4, high word of e / 4, counter_high[0], counter_high[1]]`;
/// its words 0 and 1 make elements 0 and 1 of the block, words 2 and 3 make
/// elements 2 and 3, by Box-Muller.
pub fn normal<E: Element>(key: [u32; 2], counter_high: [u32; 2], offset: u64, sigma: E, out: &mut [E]) {
    let chunk = rows_per_chunk(out.len(), 1).next_multiple_of(BATCH);
    out.par_chunks_mut(chunk).enumerate().for_each(|(c, out)| {
        let offset = offset.wrapping_add((c * chunk) as u64);
        simd(
            #[inline(always)]
            || stretch(key, counter_high, offset, sigma, out),
        );
    });
}

/// One stretch of the stream.
#[inline(always)]
fn stretch<E: Element>(key: [u32; 2], high: [u32; 2], offset: u64, sigma: E, out: &mut [E]) {
    let mut block = offset / 4;
    let mut skip = (offset % 4) as usize;
    let mut at = 0;
    while at < out.len() {
        let values = batch::<E>(key, high, block, sigma);
        let len = (BATCH - skip).min(out.len() - at);
        if len == BATCH {
            out[at..at + BATCH].copy_from_slice(&values);
        } else {
            out[at..at + len].copy_from_slice(&values[skip..skip + len]);
        }
        at += len;
        skip = 0;
        block = block.wrapping_add(SIDE as u64);
    }
}

/// The elements of the blocks `first..first + SIDE`.
#[inline(always)]
fn batch<E: Element>(key: [u32; 2], high: [u32; 2], first: u64, sigma: E) -> [E; BATCH] {
    let blocks: [u64; SIDE] = std::array::from_fn(
        #[inline(always)]
        |i| first.wrapping_add(i as u64),
    );
    let low = blocks.map(
        #[inline(always)]
        |block| block as u32,
    );
    let top = blocks.map(
        #[inline(always)]
        |block| (block >> 32) as u32,
    );
    let w = rounds(key, [low, top, [high[0]; SIDE], [high[1]; SIDE]]);
    let mut z = [[E::ZERO; SIDE]; 4];
    for i in 0..SIDE {
        (z[0][i], z[1][i]) = box_muller(w[0][i], w[1][i]);
        (z[2][i], z[3][i]) = box_muller(w[2][i], w[3][i]);
    }
    let mut out = [E::ZERO; BATCH];
    for i in 0..SIDE {
        for (q, z) in z.iter().enumerate() {
            out[4 * i + q] = sigma * z[i];
        }
    }
    out
}
