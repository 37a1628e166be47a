//! Sums of a block by the dot products of AVX-512: pairs of brain floats, added to singles.

use std::arch::x86_64::{__m512, __m512bh, _mm512_dpbf16_ps, _mm512_set1_epi32, _mm512_setzero_ps, _mm512_storeu_ps};

use super::tiles::{BLOCK, Line, SIDE, Sums, Tile};

/// Rows of `C` that are summed at a time.
const ROWS: usize = 8;

#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
fn vector(line: &Line) -> __m512bh {
    // SAFETY: both are 512 bits of any content.
    unsafe { std::mem::transmute(*line) }
}

/// The product of two rows of tiles of `A` and two columns of tiles of `B`, each with as many tiles along the depth.
///
/// # Safety
/// The processor must have AVX-512 F and BF16.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) unsafe fn sum(a: &[Tile], b: &[Tile]) -> Sums {
    let mut sums: Sums = [[0.0; BLOCK]; BLOCK];
    let tiles = a.len() / 2;
    let (left, right) = b.split_at(tiles);
    for (part, sums) in sums.chunks_exact_mut(ROWS).enumerate() {
        let (half, first) = (part * ROWS / SIDE, part * ROWS % SIDE);
        let mut acc = [[_mm512_setzero_ps(); 2]; ROWS];
        for ((a, left), right) in a[half * tiles..][..tiles].iter().zip(left).zip(right) {
            // SAFETY: eight rows from `first` on lie in the tile.
            let pairs: &[[u32; SIDE]; ROWS] = unsafe { &*a[first..first + ROWS].as_ptr().cast() };
            for (r, (left, right)) in left.iter().zip(right).enumerate() {
                let (left, right) = (vector(left), vector(right));
                for (acc, pairs) in acc.iter_mut().zip(pairs) {
                    // SAFETY: both are 512 bits of any content.
                    let pair: __m512bh = unsafe { std::mem::transmute(_mm512_set1_epi32(pairs[r] as i32)) };
                    acc[0] = _mm512_dpbf16_ps(acc[0], pair, left);
                    acc[1] = _mm512_dpbf16_ps(acc[1], pair, right);
                }
            }
        }
        for (to, acc) in sums.iter_mut().zip(acc) {
            let [low, high]: [__m512; 2] = acc;
            // SAFETY: a row of sums has two vectors.
            unsafe {
                _mm512_storeu_ps(to.as_mut_ptr(), low);
                _mm512_storeu_ps(to.as_mut_ptr().add(SIDE), high);
            }
        }
    }
    sums
}
