//! Products of decoded panels: one text, instantiated for every kind of lanes.

/// Weights of one step of eight along a row: four rows side by side.
macro_rules! tiles {
    ($(#[$feature:meta])* use $lanes:ident) => {
        use super::super::$lanes::{V, add, load, mul, splat, store, zero};

        /// Sums of two rows of `x` with four rows of weights.
        pub type Sums = [[V; 4]; 2];

        /// `sums[i][j] += x_i * w_j` along the panel, lane by lane.
        $(#[$feature])*
        #[inline]
        pub fn product(panel: &[[V; 4]], [x0, x1]: [&[[f32; 8]]; 2], sums: &mut Sums) {
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

        /// `y_i += sum_r x_i[r] * w_r` for 32 columns, rows in order.
        $(#[$feature])*
        #[inline]
        pub fn adjoint(panel: &[[V; 4]], [x0, x1]: [&[f32]; 2], sums: &mut Sums) {
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
        pub fn load32(x: &[f32; 32]) -> [V; 4] {
            let mut out = [zero(); 4];
            for (out, x) in out.iter_mut().zip(x.as_chunks::<8>().0) {
                *out = load(x);
            }
            out
        }

        /// Writes four vectors.
        $(#[$feature])*
        #[inline]
        pub fn store32(v: [V; 4], out: &mut [f32; 32]) {
            for (v, out) in v.into_iter().zip(out.as_chunks_mut::<8>().0) {
                store(v, out);
            }
        }
    };
}

/// Tiles of the portable lanes.
pub mod portable {
    tiles! { use portable }
}

/// Tiles of the AVX2 lanes.
#[cfg(target_arch = "x86_64")]
pub mod avx2 {
    tiles! { #[target_feature(enable = "avx2,f16c")] use avx2 }
}
