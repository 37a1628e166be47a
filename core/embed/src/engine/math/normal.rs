//! Standard normal numbers of a stream: the formula of [`Stream::normal`] in `f32`, equal to it up to rounding.

use super::elementary::{ln_unit, sin_cos_turns, sqrt};
use ebt_core::random::Stream;

/// Elements `4 block .. 4 block + 4`: Box-Muller on two pairs of words.
#[inline(always)]
fn four(stream: &Stream, block: u64) -> [f32; 4] {
    let [a, b, c, d] = stream.block(block);
    let pair = |radius: u32, angle: u32| {
        let r = sqrt(-2.0 * ln_unit(radius));
        let (s, c) = sin_cos_turns(angle);
        (r * c, r * s)
    };
    let ((w, x), (y, z)) = (pair(a, b), pair(c, d));
    [w, x, y, z]
}

/// Element `index` of the stream.
pub fn normal(stream: &Stream, index: u64) -> f32 {
    let [a, b, c, d] = four(stream, index / 4);
    match index % 4 {
        0 => a,
        1 => b,
        2 => c,
        _ => d,
    }
}

/// `out[k] = sigma z_{first + k}`.
pub fn fill_normal(stream: &Stream, first: u64, sigma: f32, out: &mut [f32]) {
    with_normals(stream, first, out, |x, z| *x = sigma * z);
}

/// `out[k] += sigma z_{first + k}`.
pub fn add_normal(stream: &Stream, first: u64, sigma: f32, out: &mut [f32]) {
    with_normals(stream, first, out, |x, z| *x += sigma * z);
}

/// Visits every element with its normal number, four to a block of the stream.
#[inline(always)]
fn with_normals(stream: &Stream, first: u64, out: &mut [f32], mut visit: impl FnMut(&mut f32, f32)) {
    let mut rest = out;
    let (mut block, mut skip) = (first / 4, (first % 4) as usize);
    while !rest.is_empty() {
        let take = 4usize.saturating_sub(skip).min(rest.len());
        let Some((now, later)) = rest.split_at_mut_checked(take) else { return };
        let z = four(stream, block);
        now.iter_mut().zip(z.iter().skip(skip)).for_each(|(x, z)| visit(x, *z));
        (rest, block, skip) = (later, block.wrapping_add(1), 0);
    }
}
