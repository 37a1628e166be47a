//! Products of decoded panels with some rows of `x`: one text for lanes of eight, one for vectors that hold two of them.
//!
//! A panel is made of eight columns of some rows of weights for `product`, of 32 columns of one row for `adjoint`.

/// Tiles of two rows of `x` with four rows of weights in lanes of eight.
macro_rules! tiles {
    ($(#[$feature:meta])* use $lanes:ident, $depth:literal) => {
        use super::super::$lanes::{V, add, load, mul, splat, store, sums, zero};

        /// Rows of `x` of a tile.
        pub const ROWS: usize = 2;

        /// Rows of weights of a tile.
        pub const ACROSS: usize = 4;

        /// Rows of weights of a panel of `adjoint`.
        pub const DEPTH: usize = $depth;

        /// Eight lanes of every sum of two rows of `x` with four rows of weights.
        pub type Sums = [[V; ACROSS]; ROWS];

        /// 32 columns of a row.
        pub type Line = [V; 4];

        /// `sums[i][j] += x_i * w_j` along the panel, lane by lane.
        $(#[$feature])*
        #[inline]
        pub fn product(panel: &[[V; ACROSS]], [x0, x1]: [&[[f32; 8]]; ROWS], sums: &mut Sums) {
            let [[mut a0, mut a1, mut a2, mut a3], [mut b0, mut b1, mut b2, mut b3]] = *sums;
            for ((&[w0, w1, w2, w3], x0), x1) in panel.iter().zip(x0).zip(x1) {
                let (x0, x1) = (load(x0), load(x1));
                a0 = add(a0, mul(x0, w0));
                b0 = add(b0, mul(x1, w0));
                a1 = add(a1, mul(x0, w1));
                b1 = add(b1, mul(x1, w1));
                a2 = add(a2, mul(x0, w2));
                b2 = add(b2, mul(x1, w2));
                a3 = add(a3, mul(x0, w3));
                b3 = add(b3, mul(x1, w3));
            }
            *sums = [[a0, a1, a2, a3], [b0, b1, b2, b3]];
        }

        /// No sums yet.
        $(#[$feature])*
        #[inline]
        pub fn nothing() -> Sums {
            [[zero(); ACROSS]; ROWS]
        }

        /// The values of the rows of a tile, times the factors of the rows of weights.
        $(#[$feature])*
        #[inline]
        pub fn finish([a, b]: &Sums, [f0, f1, f2, f3]: [f32; ACROSS]) -> [[f32; ACROSS]; ROWS] {
            let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (sums(*a), sums(*b));
            [[a0 * f0, a1 * f1, a2 * f2, a3 * f3], [b0 * f0, b1 * f1, b2 * f2, b3 * f3]]
        }

        /// `y_i += sum_r x_i[r] * w_r` for 32 columns, rows in order.
        $(#[$feature])*
        #[inline]
        pub fn adjoint(panel: &[[V; 4]], [x0, x1]: &[[f32; DEPTH]; ROWS], sums: &mut [Line; ROWS]) {
            let [[mut a0, mut a1, mut a2, mut a3], [mut b0, mut b1, mut b2, mut b3]] = *sums;
            for ((&[w0, w1, w2, w3], &x0), &x1) in panel.iter().zip(x0).zip(x1) {
                let (x0, x1) = (splat(x0), splat(x1));
                a0 = add(a0, mul(x0, w0));
                a1 = add(a1, mul(x0, w1));
                a2 = add(a2, mul(x0, w2));
                a3 = add(a3, mul(x0, w3));
                b0 = add(b0, mul(x1, w0));
                b1 = add(b1, mul(x1, w1));
                b2 = add(b2, mul(x1, w2));
                b3 = add(b3, mul(x1, w3));
            }
            *sums = [[a0, a1, a2, a3], [b0, b1, b2, b3]];
        }

        /// 32 numbers as four vectors.
        $(#[$feature])*
        #[inline]
        pub fn load32(x: &[f32; 32]) -> Line {
            let mut out = [zero(); 4];
            for (out, x) in out.iter_mut().zip(x.as_chunks::<8>().0) {
                *out = load(x);
            }
            out
        }

        /// Writes four vectors.
        $(#[$feature])*
        #[inline]
        pub fn store32(v: Line, out: &mut [f32; 32]) {
            for (v, out) in v.into_iter().zip(out.as_chunks_mut::<8>().0) {
                store(v, out);
            }
        }
    };
}

/// Tiles of the portable lanes.
pub mod portable {
    tiles! { use portable, 32 }
}

/// Tiles of the AVX2 lanes.
#[cfg(target_arch = "x86_64")]
pub mod avx2 {
    tiles! { #[target_feature(enable = "avx2,f16c")] use avx2, 128 }
}

/// Tiles of four rows of `x` in vectors of sixteen: the lanes of two rows of weights side by side. Eight rows of weights
/// at a time, for the rows of `x` come from the second-level cache.
#[cfg(target_arch = "x86_64")]
pub mod avx512 {
    use core::arch::x86_64::{
        __m512, _mm512_add_ps, _mm512_broadcast_f32x8, _mm512_castpd_ps, _mm512_castps_pd, _mm512_castps256_ps512,
        _mm512_insertf32x8, _mm512_mul_ps, _mm512_permutexvar_ps, _mm512_set1_ps, _mm512_setr_epi32, _mm512_setzero_ps,
        _mm512_shuffle_f32x4, _mm512_shuffle_ps, _mm512_unpackhi_pd, _mm512_unpacklo_pd,
    };

    use bytemuck::must_cast;

    use super::super::avx2::V;

    /// Rows of `x` of a tile.
    pub const ROWS: usize = 4;

    /// Rows of weights of a tile.
    pub const ACROSS: usize = 8;

    /// Rows of weights of a panel of `adjoint`.
    pub const DEPTH: usize = 128;

    /// Lanes of the sums of rows of `x` with two rows of weights each.
    pub type Sums = [[__m512; 4]; ROWS];

    /// 32 columns of a row.
    pub type Line = [__m512; 2];

    /// No sums yet.
    #[target_feature(enable = "avx512f,avx512dq")]
    #[inline]
    pub fn nothing() -> Sums {
        [[_mm512_setzero_ps(); 4]; ROWS]
    }

    /// Two vectors as one.
    #[target_feature(enable = "avx512f,avx512dq")]
    #[inline]
    fn join(low: V, high: V) -> __m512 {
        _mm512_insertf32x8::<1>(_mm512_castps256_ps512(low), high)
    }

    /// `sums[i][j] += x_i * w_j` along the panel, lane by lane.
    #[target_feature(enable = "avx512f,avx512dq")]
    #[inline]
    pub fn product(panel: &[[V; ACROSS]], [x0, x1, x2, x3]: [&[[f32; 8]]; ROWS], sums: &mut Sums) {
        let mut s = *sums;
        let xs = x0.iter().zip(x1).zip(x2).zip(x3);
        for (&[w0, w1, w2, w3, w4, w5, w6, w7], (((x0, x1), x2), x3)) in panel.iter().zip(xs) {
            let w = [join(w0, w1), join(w2, w3), join(w4, w5), join(w6, w7)];
            for (s, x) in s.iter_mut().zip([x0, x1, x2, x3]) {
                let x = _mm512_broadcast_f32x8(must_cast(*x));
                for (s, w) in s.iter_mut().zip(w) {
                    *s = _mm512_add_ps(*s, _mm512_mul_ps(x, w));
                }
            }
        }
        *sums = s;
    }

    /// Adds the low and the high halves of the lanes: a quarter for each row of weights.
    #[target_feature(enable = "avx512f,avx512dq")]
    #[inline]
    fn fold([a, b]: [__m512; 2]) -> __m512 {
        let low = _mm512_shuffle_f32x4::<0b10_00_10_00>(a, b);
        let high = _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b);
        _mm512_add_ps(low, high)
    }

    /// Lanes 0 and 1 plus lanes 2 and 3 of the quarters of `a`, then those of `b`, quarter by quarter.
    #[target_feature(enable = "avx512f,avx512dq")]
    #[inline]
    fn halve(a: __m512, b: __m512) -> __m512 {
        let (a, b) = (_mm512_castps_pd(a), _mm512_castps_pd(b));
        let (low, high) = (_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b));
        _mm512_add_ps(_mm512_castpd_ps(low), _mm512_castpd_ps(high))
    }

    /// The sums of the lanes of four rows of `x` with four rows of weights, times the factors of these.
    #[target_feature(enable = "avx512f,avx512dq")]
    #[inline]
    fn four([a, b, c, d]: [[__m512; 2]; 4], factors: __m512) -> [[f32; 4]; 4] {
        let (p, q) = (halve(fold(a), fold(b)), halve(fold(c), fold(d)));
        let even = _mm512_shuffle_ps::<0b10_00_10_00>(p, q);
        let odd = _mm512_shuffle_ps::<0b11_01_11_01>(p, q);
        // quarters are rows of weights so far, and become rows of x
        let places = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        let sums = _mm512_permutexvar_ps(places, _mm512_add_ps(even, odd));
        must_cast(_mm512_mul_ps(sums, factors))
    }

    /// The values of the rows of a tile, times the factors of the rows of weights.
    #[target_feature(enable = "avx512f,avx512dq")]
    #[inline]
    pub fn finish(sums: &Sums, [f0, f1, f2, f3, f4, f5, f6, f7]: [f32; ACROSS]) -> [[f32; ACROSS]; ROWS] {
        let low = four(sums.map(|[a, b, _, _]| [a, b]), must_cast([[f0, f1, f2, f3]; 4]));
        let high = four(sums.map(|[_, _, a, b]| [a, b]), must_cast([[f4, f5, f6, f7]; 4]));
        let mut out = [[0.0; ACROSS]; ROWS];
        for ((out, low), high) in out.iter_mut().zip(low).zip(high) {
            *out = must_cast([low, high]);
        }
        out
    }

    /// `y_i += sum_r x_i[r] * w_r` for 32 columns, rows in order.
    #[target_feature(enable = "avx512f,avx512dq")]
    #[inline]
    pub fn adjoint(panel: &[[V; 4]], x: &[[f32; DEPTH]; ROWS], sums: &mut [Line; ROWS]) {
        let mut s = *sums;
        let [x0, x1, x2, x3] = x;
        let xs = x0.iter().zip(x1).zip(x2).zip(x3);
        for (&[w0, w1, w2, w3], (((x0, x1), x2), x3)) in panel.iter().zip(xs) {
            let (low, high) = (join(w0, w1), join(w2, w3));
            for ([a, b], x) in s.iter_mut().zip([x0, x1, x2, x3]) {
                let x = _mm512_set1_ps(*x);
                *a = _mm512_add_ps(*a, _mm512_mul_ps(x, low));
                *b = _mm512_add_ps(*b, _mm512_mul_ps(x, high));
            }
        }
        *sums = s;
    }

    /// 32 numbers as two vectors.
    #[target_feature(enable = "avx512f,avx512dq")]
    #[inline]
    pub fn load32(x: &[f32; 32]) -> Line {
        must_cast(*x)
    }

    /// Writes two vectors.
    #[target_feature(enable = "avx512f,avx512dq")]
    #[inline]
    pub fn store32(v: Line, out: &mut [f32; 32]) {
        *out = must_cast(v);
    }
}
