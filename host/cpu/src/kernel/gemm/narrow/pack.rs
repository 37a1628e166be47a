//! Rounding to bf16, into tiles.

use std::arch::x86_64::{
    __m512, __m512i, _mm512_cvtne2ps_pbh, _mm512_maskz_loadu_ps, _mm512_permutexvar_epi16, _mm512_set_epi16,
    _mm512_setzero_ps, _mm512_shuffle_i32x4, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32,
    _mm512_unpacklo_epi64,
};

use super::super::super::element::Strides;
use super::tiles::{DEEP, Line, SIDE, Tile};

/// Packs lines (rows of `A`) of `deep` numbers: line `i` at `src[i * across]`, `along` between its numbers. Zeros stand after the last.
///
/// # Safety
/// The processor must have AVX-512 F, BW and BF16; `src` must hold every number.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn lines(src: &[f32], (across, along): Strides, lines: usize, deep: usize, to: &mut [Tile]) {
    // SAFETY: by the contract of this function.
    unsafe { pack::<false>(src, (across, along), lines, deep, to) };
}

/// Packs lines (columns of `B`) in the same way, but as pairs of depths.
///
/// # Safety
/// As [`lines`].
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn pairs(src: &[f32], (across, along): Strides, lines: usize, deep: usize, to: &mut [Tile]) {
    // SAFETY: by the contract of this function.
    unsafe { pack::<true>(src, (across, along), lines, deep, to) };
}

/// # Safety
/// As [`lines`].
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
unsafe fn pack<const PAIRS: bool>(src: &[f32], (across, along): Strides, lines: usize, deep: usize, to: &mut [Tile]) {
    let tiles = deep.div_ceil(DEEP);
    for (group, to) in to.chunks_exact_mut(tiles.max(1)).enumerate() {
        let first = group * SIDE;
        let count = lines.saturating_sub(first).min(SIDE);
        for (t, to) in to.iter_mut().enumerate() {
            let (start, left) = (t * DEEP, DEEP.min(deep - t * DEEP));
            let from = src.get(first * across + start * along..).unwrap_or(&[]);
            // SAFETY: by the contract of `lines`: `count` lines of `left` numbers begin in `from`.
            unsafe {
                if along == 1 {
                    rows(from, across, count, left, to);
                } else if across == 1 {
                    columns(from, along, count, left, to);
                } else {
                    scattered(from, (across, along), count, left, to);
                }
            }
            // what was read along the depth lies as lines, what was read across them as pairs
            if (along == 1 || across != 1) == PAIRS {
                *to = turned(to);
            }
        }
    }
}

/// Bits of the first `n` lanes of a vector.
fn first(n: usize) -> u16 {
    ((1u32 << n.min(16)) - 1) as u16
}

/// At most 16 numbers, zeros after them.
///
/// # Safety
/// `count` numbers must lie in `src` from `at` on; the processor must have AVX-512.
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn load(src: &[f32], at: usize, count: usize) -> __m512 {
    if count == 0 {
        return _mm512_setzero_ps();
    }
    // SAFETY: lanes beyond `count` are not read.
    unsafe { _mm512_maskz_loadu_ps(first(count), src.as_ptr().add(at)) }
}

/// `low` and `high` as 32 brain floats.
#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
fn rounded(low: __m512, high: __m512) -> __m512i {
    // SAFETY: both are 512 bits of any content.
    unsafe { std::mem::transmute(_mm512_cvtne2ps_pbh(high, low)) }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn line(v: __m512i) -> Line {
    // SAFETY: both are 512 bits of any content.
    unsafe { std::mem::transmute(v) }
}

/// Lines whose numbers are neighbours, as lines.
///
/// # Safety
/// As [`lines`].
#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
unsafe fn rows(from: &[f32], across: usize, count: usize, left: usize, to: &mut Tile) {
    for (i, to) in to.iter_mut().enumerate() {
        if i >= count {
            *to = Line([0; DEEP]);
            continue;
        }
        // SAFETY: by the contract.
        let (low, high) = unsafe {
            (load(from, i * across, left.min(SIDE)), load(from, i * across + SIDE.min(left), left.saturating_sub(SIDE)))
        };
        *to = line(rounded(low, high));
    }
}

/// Neighbouring lines, as pairs of depths.
///
/// # Safety
/// As [`lines`].
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
unsafe fn columns(from: &[f32], along: usize, count: usize, left: usize, to: &mut Tile) {
    #[rustfmt::skip]
    let woven = _mm512_set_epi16(
        31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0,
    );
    for (r, to) in to.iter_mut().enumerate() {
        let of = |depth: usize| if depth < left { count } else { 0 };
        // SAFETY: by the contract.
        let (even, odd) =
            unsafe { (load(from, 2 * r * along, of(2 * r)), load(from, (2 * r + 1) * along, of(2 * r + 1))) };
        *to = line(_mm512_permutexvar_epi16(woven, rounded(even, odd)));
    }
}

/// Lines with any strides, as lines.
///
/// # Safety
/// As [`lines`].
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn scattered(from: &[f32], (across, along): Strides, count: usize, left: usize, to: &mut Tile) {
    let mut numbers = [[0.0f32; DEEP]; SIDE];
    for (i, numbers) in numbers.iter_mut().enumerate().take(count) {
        for (p, number) in numbers.iter_mut().enumerate().take(left) {
            *number = from[i * across + p * along];
        }
    }
    // SAFETY: all 32 numbers of all 16 lines are there.
    unsafe { rows(numbers.as_flattened(), DEEP, SIDE, DEEP, to) };
}

/// The tile with its rows as columns, of pairs of numbers: 16 x 16 of 32 bits.
#[target_feature(enable = "avx512f")]
#[inline]
fn turned(tile: &Tile) -> Tile {
    // SAFETY: both are sixteen times 512 bits of any content.
    let x: [__m512i; SIDE] = unsafe { std::mem::transmute(*tile) };
    let mut a = x;
    for i in 0..8 {
        a[2 * i] = _mm512_unpacklo_epi32(x[2 * i], x[2 * i + 1]);
        a[2 * i + 1] = _mm512_unpackhi_epi32(x[2 * i], x[2 * i + 1]);
    }
    let mut b = a;
    for i in 0..4 {
        let at = 4 * i;
        b[at] = _mm512_unpacklo_epi64(a[at], a[at + 2]);
        b[at + 1] = _mm512_unpackhi_epi64(a[at], a[at + 2]);
        b[at + 2] = _mm512_unpacklo_epi64(a[at + 1], a[at + 3]);
        b[at + 3] = _mm512_unpackhi_epi64(a[at + 1], a[at + 3]);
    }
    // b[4 g + c] holds, in its quarter q, column 4 q + c of rows 4 g .. 4 g + 4
    let mut out = b;
    for c in 0..4 {
        let low = _mm512_shuffle_i32x4::<0b10_00_10_00>(b[c], b[4 + c]);
        let high = _mm512_shuffle_i32x4::<0b10_00_10_00>(b[8 + c], b[12 + c]);
        out[c] = _mm512_shuffle_i32x4::<0b10_00_10_00>(low, high);
        out[8 + c] = _mm512_shuffle_i32x4::<0b11_01_11_01>(low, high);
        let low = _mm512_shuffle_i32x4::<0b11_01_11_01>(b[c], b[4 + c]);
        let high = _mm512_shuffle_i32x4::<0b11_01_11_01>(b[8 + c], b[12 + c]);
        out[4 + c] = _mm512_shuffle_i32x4::<0b10_00_10_00>(low, high);
        out[12 + c] = _mm512_shuffle_i32x4::<0b11_01_11_01>(low, high);
    }
    // SAFETY: as above.
    unsafe { std::mem::transmute(out) }
}
