//! The products of a stored matrix with one row: one text, instantiated for every storage and every kind of lanes.

use super::super::matrix::{Matrix, Row, padded};
use super::super::storage::GROUP;

macro_rules! singles {
    ($name:ident: $(#[$feature:meta])* $lanes:ident, $step:meta, $lone:literal) => {
        pub mod $name {
            use super::super::super::$lanes::{V, add, mul, splat, sum, zero};
            use super::super::super::group::$lanes::$name::{Stored, decode, factor, group, scale, whole};
            use super::super::super::tile::$lanes::{load32, store32};
            use super::*;

            /// Whether rows are read one after the other: one stream comes from memory faster than four. Four rows at a time
            /// are better where decoding is slower than memory, and where sums would wait for each other.
            const LONE_ROWS: bool = $lone;

            /// `sum + w x` of one group.
            $(#[$feature])*
            #[inline]
            fn accumulate(total: V, [w0, w1, w2, w3]: [V; 4], [x0, x1, x2, x3]: [V; 4]) -> V {
                let total = add(add(total, mul(x0, w0)), mul(x1, w1));
                add(add(total, mul(x2, w2)), mul(x3, w3))
            }

            /// The values of a row.
            $(#[$feature])*
            #[allow(dead_code, reason = "single rows are decoded by the portable instances")]
            pub fn decode_row(row: &Row<'_>, y: &mut [f32]) {
                let factor = splat(factor(row));
                for (i, y) in y.chunks_mut(GROUP).enumerate() {
                    store_some(group(row, i).map(|w| mul(w, factor)), y);
                }
            }

            /// `sums_j += w_j x` of one group.
            $(#[$feature])*
            #[$step]
            fn dot_four(sums: &mut [V; 4], w: [(&Stored, f32); 4], x: &[f32; GROUP]) {
                let ([(g0, w0), (g1, w1), (g2, w2), (g3, w3)], [s0, s1, s2, s3], x) = (w, *sums, load32(x));
                let s0 = accumulate(s0, decode(g0, splat(w0)), x);
                let s1 = accumulate(s1, decode(g1, splat(w1)), x);
                let s2 = accumulate(s2, decode(g2, splat(w2)), x);
                let s3 = accumulate(s3, decode(g3, splat(w3)), x);
                *sums = [s0, s1, s2, s3];
            }

            /// Four dot products, for the memory has more than one request under way then.
            $(#[$feature])*
            #[inline]
            fn four(rows: [Row<'_>; 4], xs: &[[f32; GROUP]], tail: Option<&[f32; GROUP]>) -> [f32; 4] {
                let [r0, r1, r2, r3] = rows;
                let [g0, g1, g2, g3]: [&[Stored]; 4] = [whole(&r0), whole(&r1), whole(&r2), whole(&r3)];
                let mut sums = [zero(); 4];
                for (i, ((((g0, g1), g2), g3), x)) in g0.iter().zip(g1).zip(g2).zip(g3).zip(xs).enumerate() {
                    let w0 = (g0, scale(&r0, i));
                    let w1 = (g1, scale(&r1, i));
                    let w2 = (g2, scale(&r2, i));
                    let w3 = (g3, scale(&r3, i));
                    dot_four(&mut sums, [w0, w1, w2, w3], x);
                }
                if let Some(tail) = tail {
                    let x = load32(tail);
                    for (sum, row) in sums.iter_mut().zip(&rows) {
                        *sum = accumulate(*sum, group(row, xs.len()), x);
                    }
                }
                let [s0, s1, s2, s3] = sums;
                let [f0, f1, f2, f3] = [r0, r1, r2, r3].map(|row| factor(&row));
                [sum(s0) * f0, sum(s1) * f1, sum(s2) * f2, sum(s3) * f3]
            }

            /// One dot product: its row is one stream of memory.
            $(#[$feature])*
            #[inline]
            fn alone(row: Row<'_>, xs: &[[f32; GROUP]], tail: Option<&[f32; GROUP]>) -> f32 {
                let mut total = zero();
                for (i, (stored, x)) in whole(&row).iter().zip(xs).enumerate() {
                    total = accumulate(total, decode(stored, splat(scale(&row, i))), load32(x));
                }
                if let Some(tail) = tail {
                    total = accumulate(total, group(&row, xs.len()), load32(tail));
                }
                sum(total) * factor(&row)
            }

            /// `y = W x` for one row of `x`.
            $(#[$feature])*
            pub fn product_one(w: &Matrix<'_>, x: &[f32], y: &mut [f32]) {
                let (xs, tail) = x.as_chunks::<GROUP>();
                let padding = padded(tail);
                let tail = if tail.is_empty() { None } else { Some(&padding) };
                if LONE_ROWS {
                    for (row, y) in y.iter_mut().enumerate() {
                        *y = alone(w.row(row), xs, tail);
                    }
                    return;
                }
                let mut row = 0usize;
                for y in y.chunks_mut(4) {
                    // places behind the last row repeat it, and their sums are dropped
                    let last = w.rows.saturating_sub(1);
                    let rows = [0, 1, 2, 3].map(|i| w.row(row.saturating_add(i).min(last)));
                    for (y, value) in y.iter_mut().zip(four(rows, xs, tail)) {
                        *y = value;
                    }
                    row = row.saturating_add(4);
                }
            }

            /// `y = x W` for one row of `x`.
            $(#[$feature])*
            pub fn adjoint_one(w: &Matrix<'_>, x: &[f32], y: &mut [f32]) {
                y.fill(0.0);
                if LONE_ROWS {
                    for (row, &x) in x.iter().enumerate() {
                        add_row(y, &w.row(row), x);
                    }
                    return;
                }
                let mut row = 0usize;
                for x in x.chunks(4) {
                    let [r0, r1, r2, r3] = [0, 1, 2, 3].map(|i| w.row(row.saturating_add(i)));
                    row = row.saturating_add(4);
                    if let &[x0, x1, x2, x3] = x {
                        let (x0, x1) = (x0 * factor(&r0), x1 * factor(&r1));
                        let (x2, x3) = (x2 * factor(&r2), x3 * factor(&r3));
                        let [g0, g1, g2, g3]: [&[Stored]; 4] = [whole(&r0), whole(&r1), whole(&r2), whole(&r3)];
                        let (ys, tail) = y.as_chunks_mut::<GROUP>();
                        let groups = ys.iter_mut().zip(g0).zip(g1).zip(g2).zip(g3).enumerate();
                        for (i, ((((y, g0), g1), g2), g3)) in groups {
                            let w0 = (g0, scale(&r0, i));
                            let w1 = (g1, scale(&r1, i));
                            let w2 = (g2, scale(&r2, i));
                            let w3 = (g3, scale(&r3, i));
                            add_four(y, [w0, w1, w2, w3], [x0, x1, x2, x3]);
                        }
                        let last = ys.len();
                        if !tail.is_empty() {
                            for (row, x) in [(r0, x0), (r1, x1), (r2, x2), (r3, x3)] {
                                add_group(tail, &row, last, splat(x));
                            }
                        }
                    } else {
                        for (&x, row) in x.iter().zip([r0, r1, r2, r3]) {
                            add_row(y, &row, x);
                        }
                    }
                }
            }

            /// `y += x w` for one row.
            $(#[$feature])*
            #[inline]
            fn add_row(y: &mut [f32], row: &Row<'_>, x: f32) {
                let x = splat(x * factor(row));
                let (ys, tail) = y.as_chunks_mut::<GROUP>();
                for (i, (y, stored)) in ys.iter_mut().zip(whole(row)).enumerate() {
                    store32(scaled(load32(y), decode(stored, splat(scale(row, i))), x), y);
                }
                if !tail.is_empty() {
                    add_group(tail, row, ys.len(), x);
                }
            }

            /// `y += x w` for 32 columns and four rows, in order.
            $(#[$feature])*
            #[$step]
            fn add_four(y: &mut [f32; GROUP], w: [(&Stored, f32); 4], x: [f32; 4]) {
                let ([(g0, s0), (g1, s1), (g2, s2), (g3, s3)], [x0, x1, x2, x3]) = (w, x);
                let mut v = load32(y);
                v = scaled(v, decode(g0, splat(s0)), splat(x0));
                v = scaled(v, decode(g1, splat(s1)), splat(x1));
                v = scaled(v, decode(g2, splat(s2)), splat(x2));
                v = scaled(v, decode(g3, splat(s3)), splat(x3));
                store32(v, y);
            }

            /// `y + x w` for one group.
            $(#[$feature])*
            #[inline]
            fn scaled([y0, y1, y2, y3]: [V; 4], [w0, w1, w2, w3]: [V; 4], x: V) -> [V; 4] {
                [add(y0, mul(x, w0)), add(y1, mul(x, w1)), add(y2, mul(x, w2)), add(y3, mul(x, w3))]
            }

            /// `y += x w` for at most 32 columns; for what is left over at the ends.
            $(#[$feature])*
            #[cold]
            #[inline(never)]
            fn add_group(y: &mut [f32], row: &Row<'_>, i: usize, x: V) {
                store_some(scaled(load_some(y), group(row, i), x), y);
            }

            /// At most 32 numbers, zeros behind them.
            $(#[$feature])*
            #[inline]
            fn load_some(y: &[f32]) -> [V; 4] {
                y.first_chunk().map_or_else(|| load32(&padded(y)), |y| load32(y))
            }

            /// Writes as many numbers as there is room for.
            $(#[$feature])*
            #[inline]
            fn store_some(v: [V; 4], y: &mut [f32]) {
                if let Some(y) = y.first_chunk_mut() {
                    return store32(v, y);
                }
                let mut buffer = [0.0; GROUP];
                store32(v, &mut buffer);
                for (y, value) in y.iter_mut().zip(buffer) {
                    *y = value;
                }
            }
        }
    };
}

/// Instances with portable lanes. One step is a call, or the compiler makes vectors across steps, with shuffles that
/// cost more than the sums.
pub mod portable {
    use super::*;
    singles! { f32: portable, inline(never), false }
    singles! { f16: portable, inline(never), false }
    singles! { bf16: portable, inline(never), false }
    singles! { int8: portable, inline(never), false }
    singles! { int4: portable, inline(never), false }
}

/// Instances with AVX2 lanes.
#[cfg(target_arch = "x86_64")]
pub mod avx2 {
    use super::*;
    singles! { f32: #[target_feature(enable = "avx2,f16c")] avx2, inline, true }
    singles! { f16: #[target_feature(enable = "avx2,f16c")] avx2, inline, true }
    singles! { bf16: #[target_feature(enable = "avx2,f16c")] avx2, inline, true }
    singles! { int8: #[target_feature(enable = "avx2,f16c")] avx2, inline, true }
    singles! { int4: #[target_feature(enable = "avx2,f16c")] avx2, inline, false }
}
