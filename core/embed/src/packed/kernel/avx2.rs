//! Eight lanes as one AVX2 vector. Loads and stores are casts of arrays, which the compiler makes moves of.

use core::arch::x86_64::{
    __m128i, __m256, _mm_add_ps, _mm_add_ss, _mm_cvtsi64_si128, _mm_cvtss_f32, _mm_movehl_ps, _mm_movelh_ps,
    _mm_shuffle_ps, _mm256_add_ps, _mm256_and_si256, _mm256_castps256_ps128, _mm256_castsi256_ps, _mm256_cvtepi8_epi32,
    _mm256_cvtepi32_ps, _mm256_cvtepu16_epi32, _mm256_cvtph_ps, _mm256_extractf128_ps, _mm256_mul_ps,
    _mm256_set1_epi32, _mm256_set1_ps, _mm256_setr_epi32, _mm256_setzero_ps, _mm256_slli_epi32, _mm256_srlv_epi32,
    _mm256_sub_epi32,
};

use bytemuck::must_cast;

/// Eight single-precision numbers in a register of 256 bits, lane 0 first in memory.
pub type V = __m256;

#[target_feature(enable = "avx2,f16c")]
#[inline]
pub fn zero() -> V {
    _mm256_setzero_ps()
}

#[target_feature(enable = "avx2,f16c")]
#[inline]
pub fn splat(x: f32) -> V {
    _mm256_set1_ps(x)
}

#[target_feature(enable = "avx2,f16c")]
#[inline]
pub fn load(x: &[f32; 8]) -> V {
    must_cast(*x)
}

#[target_feature(enable = "avx2,f16c")]
#[inline]
pub fn store(v: V, out: &mut [f32; 8]) {
    *out = must_cast(v);
}

#[target_feature(enable = "avx2,f16c")]
#[inline]
pub fn add(a: V, b: V) -> V {
    _mm256_add_ps(a, b)
}

#[target_feature(enable = "avx2,f16c")]
#[inline]
pub fn mul(a: V, b: V) -> V {
    _mm256_mul_ps(a, b)
}

/// `((l0 + l4) + (l2 + l6)) + ((l1 + l5) + (l3 + l7))`.
#[target_feature(enable = "avx2,f16c")]
#[inline]
pub fn sum(v: V) -> f32 {
    let four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
}

/// The sums of four vectors: the same additions, of four sums at a time.
#[target_feature(enable = "avx2,f16c")]
#[inline]
pub fn sums(v: [V; 4]) -> [f32; 4] {
    let [a, b, c, d] = v.map(|v| _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v)));
    let first = _mm_add_ps(_mm_movelh_ps(a, b), _mm_movehl_ps(b, a));
    let second = _mm_add_ps(_mm_movelh_ps(c, d), _mm_movehl_ps(d, c));
    let (even, odd) = (_mm_shuffle_ps::<0b10_00_10_00>(first, second), _mm_shuffle_ps::<0b11_01_11_01>(first, second));
    must_cast(_mm_add_ps(even, odd))
}

#[target_feature(enable = "avx2,f16c")]
#[inline]
pub fn f32s(bytes: &[u8; 128], _scale: V) -> [V; 4] {
    let [a, b, c, d]: &[[u8; 32]; 4] = bytemuck::must_cast_ref(bytes);
    [must_cast(*a), must_cast(*b), must_cast(*c), must_cast(*d)]
}

#[target_feature(enable = "avx2,f16c")]
#[inline]
pub fn f16s(bytes: &[u8; 64], _scale: V) -> [V; 4] {
    let [a, b, c, d]: [__m128i; 4] = bytemuck::must_cast_ref::<_, [[u8; 16]; 4]>(bytes).map(must_cast);
    [_mm256_cvtph_ps(a), _mm256_cvtph_ps(b), _mm256_cvtph_ps(c), _mm256_cvtph_ps(d)]
}

#[target_feature(enable = "avx2,f16c")]
#[inline]
fn brains(bits: __m128i) -> V {
    _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(bits)))
}

#[target_feature(enable = "avx2,f16c")]
#[inline]
pub fn bf16s(bytes: &[u8; 64], _scale: V) -> [V; 4] {
    let [a, b, c, d]: [__m128i; 4] = bytemuck::must_cast_ref::<_, [[u8; 16]; 4]>(bytes).map(must_cast);
    [brains(a), brains(b), brains(c), brains(d)]
}

#[target_feature(enable = "avx2,f16c")]
#[inline]
fn eight(bytes: &[u8; 8]) -> V {
    _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_cvtsi64_si128(i64::from_le_bytes(*bytes))))
}

#[target_feature(enable = "avx2,f16c")]
#[inline]
pub fn int8s(bytes: &[u8; 32], _scale: V) -> [V; 4] {
    match bytes.as_chunks::<8>().0 {
        [a, b, c, d] => [eight(a), eight(b), eight(c), eight(d)],
        _ => [zero(); 4],
    }
}

#[target_feature(enable = "avx2,f16c")]
#[inline]
fn nibbles(bytes: [u8; 4], scale: V) -> V {
    let shifts = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28);
    let shifted = _mm256_srlv_epi32(_mm256_set1_epi32(i32::from_le_bytes(bytes)), shifts);
    let q = _mm256_sub_epi32(_mm256_and_si256(shifted, _mm256_set1_epi32(15)), _mm256_set1_epi32(8));
    mul(_mm256_cvtepi32_ps(q), scale)
}

#[target_feature(enable = "avx2,f16c")]
#[inline]
pub fn int4s(bytes: &[u8; 16], scale: V) -> [V; 4] {
    match bytes.as_chunks::<4>().0 {
        [a, b, c, d] => [nibbles(*a, scale), nibbles(*b, scale), nibbles(*c, scale), nibbles(*d, scale)],
        _ => [zero(); 4],
    }
}
