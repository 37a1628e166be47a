//! Eight lanes as one AVX2 vector. Loads and stores are spelled as values, which the compiler makes moves of.

use core::arch::x86_64::{
    __m128i, __m256, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_movehl_ps, _mm_set_epi64x, _mm_shuffle_ps,
    _mm256_add_ps, _mm256_and_si256, _mm256_castps256_ps128, _mm256_castsi256_ps, _mm256_cvtepi8_epi32,
    _mm256_cvtepi32_ps, _mm256_cvtepu16_epi32, _mm256_cvtph_ps, _mm256_extractf128_ps, _mm256_mul_ps,
    _mm256_set_epi64x, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setr_epi32, _mm256_setr_ps, _mm256_setzero_ps,
    _mm256_slli_epi32, _mm256_srlv_epi32, _mm256_sub_epi32,
};

/// Eight numbers.
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
    let &[x0, x1, x2, x3, x4, x5, x6, x7] = x;
    _mm256_setr_ps(x0, x1, x2, x3, x4, x5, x6, x7)
}

#[target_feature(enable = "avx2,f16c")]
#[inline]
pub fn store(v: V, out: &mut [f32; 8]) {
    let (low, high) = (_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
    *out = [
        _mm_cvtss_f32(low),
        _mm_cvtss_f32(_mm_shuffle_ps::<1>(low, low)),
        _mm_cvtss_f32(_mm_shuffle_ps::<2>(low, low)),
        _mm_cvtss_f32(_mm_shuffle_ps::<3>(low, low)),
        _mm_cvtss_f32(high),
        _mm_cvtss_f32(_mm_shuffle_ps::<1>(high, high)),
        _mm_cvtss_f32(_mm_shuffle_ps::<2>(high, high)),
        _mm_cvtss_f32(_mm_shuffle_ps::<3>(high, high)),
    ];
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

fn long(bytes: &[u8; 8]) -> i64 {
    i64::from_le_bytes(*bytes)
}

/// 16 bytes of the four quarters of 64.
#[target_feature(enable = "avx2,f16c")]
#[inline]
fn quarters(bytes: &[u8; 64]) -> [__m128i; 4] {
    let mut out = [_mm_set_epi64x(0, 0); 4];
    for (out, part) in out.iter_mut().zip(bytes.as_chunks::<16>().0) {
        if let [low, high] = part.as_chunks::<8>().0 {
            *out = _mm_set_epi64x(long(high), long(low));
        }
    }
    out
}

#[target_feature(enable = "avx2,f16c")]
#[inline]
fn singles(bytes: &[u8; 32]) -> V {
    match bytes.as_chunks::<8>().0 {
        [a, b, c, d] => _mm256_castsi256_ps(_mm256_set_epi64x(long(d), long(c), long(b), long(a))),
        _ => zero(),
    }
}

#[target_feature(enable = "avx2,f16c")]
#[inline]
pub fn f32s(bytes: &[u8; 128], _scale: V) -> [V; 4] {
    match bytes.as_chunks::<32>().0 {
        [a, b, c, d] => [singles(a), singles(b), singles(c), singles(d)],
        _ => [zero(); 4],
    }
}

#[target_feature(enable = "avx2,f16c")]
#[inline]
pub fn f16s(bytes: &[u8; 64], _scale: V) -> [V; 4] {
    let [a, b, c, d] = quarters(bytes);
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
    let [a, b, c, d] = quarters(bytes);
    [brains(a), brains(b), brains(c), brains(d)]
}

#[target_feature(enable = "avx2,f16c")]
#[inline]
fn eight(bytes: &[u8; 8]) -> V {
    _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_set_epi64x(0, long(bytes))))
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
