//! The products of a stored matrix: one text, instantiated for every storage and every kind of lanes.
//!
//! Whatever the number of rows, a value of `product` is the sum of eight lanes, element `k` in lane `k % 8`, and a value
//! of `adjoint` is a sum over rows in order. The scale of a row of 8-bit integers multiplies its sum, or the value of `x`
//! that the row is multiplied by; the scales of 4-bit groups multiply the weights. So all instances give the same bits. Places behind the end of a row are zeros in both factors, which leave a sum that began at +0 as it is.

use super::super::matrix::{Matrix, Row, padded};
use super::super::storage::{GROUP, half};

/// Vectors of a panel: 256 columns of four rows, or 32 columns of 32 rows.
const PANEL: usize = 32;
/// Columns of a panel of `product`.
const DEEP: usize = 8 * PANEL;
/// Rows of `x` whose sums are kept at a time.
const WIDE: usize = 32;

macro_rules! products {
    ($name:ident: $(#[$feature:meta])* $lanes:ident, $bytes:literal, $decode:ident, $scale:ident, $factor:ident, $step:meta, $lone:literal) => {
        pub mod $name {
            use super::super::super::$lanes::{V, add, $decode as decode, mul, splat, sum, zero};
            use super::super::super::tile::$lanes::{self as tile, Sums, load32, store32};
            use super::*;

            type Stored = [u8; $bytes];

            /// Whether rows are read one after the other: one stream comes from memory faster than four. Four rows at a time
            /// are better where decoding is slower than memory, and where sums would wait for each other.
            const LONE_ROWS: bool = $lone;

            /// The groups of a row that are whole.
            #[inline(always)]
            fn whole<'m>(row: &Row<'m>) -> &'m [Stored] {
                row.values.as_chunks().0
            }

            /// A group at the end of a row, decoded; a call of its own, for it would be much code everywhere.
            $(#[$feature])*
            #[cold]
            #[inline(never)]
            fn last_group(rest: &[u8], scale: V) -> [V; 4] {
                decode(&padded(rest), scale)
            }

            /// Group `i` of a row, decoded.
            $(#[$feature])*
            #[inline]
            fn group(row: &Row<'_>, i: usize) -> [V; 4] {
                let (full, rest) = row.values.as_chunks::<$bytes>();
                let scale = splat($scale(row.scales, i));
                match full.get(i) {
                    Some(stored) => decode(stored, scale),
                    None if i == full.len() => last_group(rest, scale),
                    None => [zero(); 4],
                }
            }

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
                let factor = splat($factor(row.scales, 0));
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
                    let w0 = (g0, $scale(r0.scales, i));
                    let w1 = (g1, $scale(r1.scales, i));
                    let w2 = (g2, $scale(r2.scales, i));
                    let w3 = (g3, $scale(r3.scales, i));
                    dot_four(&mut sums, [w0, w1, w2, w3], x);
                }
                if let Some(tail) = tail {
                    let x = load32(tail);
                    for (sum, row) in sums.iter_mut().zip(&rows) {
                        *sum = accumulate(*sum, group(row, xs.len()), x);
                    }
                }
                let [s0, s1, s2, s3] = sums;
                let [f0, f1, f2, f3] = [r0, r1, r2, r3].map(|row| $factor(row.scales, 0));
                [sum(s0) * f0, sum(s1) * f1, sum(s2) * f2, sum(s3) * f3]
            }

            /// One dot product: its row is one stream of memory.
            $(#[$feature])*
            #[inline]
            fn alone(row: Row<'_>, xs: &[[f32; GROUP]], tail: Option<&[f32; GROUP]>) -> f32 {
                let mut total = zero();
                for (i, (stored, x)) in whole(&row).iter().zip(xs).enumerate() {
                    total = accumulate(total, decode(stored, splat($scale(row.scales, i))), load32(x));
                }
                if let Some(tail) = tail {
                    total = accumulate(total, group(&row, xs.len()), load32(tail));
                }
                sum(total) * $factor(row.scales, 0)
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
                        let (x0, x1) = (x0 * $factor(r0.scales, 0), x1 * $factor(r1.scales, 0));
                        let (x2, x3) = (x2 * $factor(r2.scales, 0), x3 * $factor(r3.scales, 0));
                        let [g0, g1, g2, g3]: [&[Stored]; 4] = [whole(&r0), whole(&r1), whole(&r2), whole(&r3)];
                        let (ys, tail) = y.as_chunks_mut::<GROUP>();
                        let groups = ys.iter_mut().zip(g0).zip(g1).zip(g2).zip(g3).enumerate();
                        for (i, ((((y, g0), g1), g2), g3)) in groups {
                            let w0 = (g0, $scale(r0.scales, i));
                            let w1 = (g1, $scale(r1.scales, i));
                            let w2 = (g2, $scale(r2.scales, i));
                            let w3 = (g3, $scale(r3.scales, i));
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
                let x = splat(x * $factor(row.scales, 0));
                let (ys, tail) = y.as_chunks_mut::<GROUP>();
                for (i, (y, stored)) in ys.iter_mut().zip(whole(row)).enumerate() {
                    store32(scaled(load32(y), decode(stored, splat($scale(row.scales, i))), x), y);
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

            /// `y = x W^T` for several rows of `x`.
            $(#[$feature])*
            pub fn product_many(w: &Matrix<'_>, x: &[f32], y: &mut [f32]) {
                let (deep, broad) = (w.columns.max(1), w.rows.max(1));
                let parts = x.chunks(deep.saturating_mul(WIDE).max(1));
                for (x, y) in parts.zip(y.chunks_mut(broad.saturating_mul(WIDE).max(1))) {
                    let mut row = 0usize;
                    while row < w.rows {
                        four_columns(w, row, x, y);
                        row = row.saturating_add(4);
                    }
                }
            }

            /// Columns `row .. row + 4` of at most [`WIDE`] rows of `y`.
            $(#[$feature])*
            #[inline]
            fn four_columns(w: &Matrix<'_>, row: usize, x: &[f32], y: &mut [f32]) {
                let (deep, broad) = (w.columns.max(1), w.rows.max(1));
                let rows = [0, 1, 2, 3].map(|i| w.row(row.saturating_add(i)));
                let mut sums: [Sums; WIDE / 2] = [[[zero(); 4]; 2]; WIDE / 2];
                let mut panel = [[zero(); 4]; PANEL];
                let mut start = 0usize;
                while start < w.columns {
                    let part = start / GROUP;
                    for (i, panel) in panel.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                        for (j, row) in rows.iter().enumerate() {
                            for (place, v) in panel.iter_mut().zip(group(row, part.saturating_add(i))) {
                                if let Some(place) = place.get_mut(j) {
                                    *place = v;
                                }
                            }
                        }
                    }
                    let count = DEEP.min(w.columns.saturating_sub(start));
                    let (whole, rest) = panel.split_at_checked(count / 8).unwrap_or_default();
                    let pairs = x.chunks(deep.saturating_mul(2).max(1));
                    for (pair, sums) in pairs.zip(&mut sums) {
                        let (x0, x1) = pair.split_at_checked(deep).unwrap_or_default();
                        let x0 = x0.get(start..start.saturating_add(count)).unwrap_or_default();
                        // a last row without a partner is its own, and its second sum is dropped
                        let x1 = x1.get(start..start.saturating_add(count)).unwrap_or(x0);
                        let ((x0, tail0), (x1, tail1)) = (x0.as_chunks::<8>(), x1.as_chunks::<8>());
                        tile::product(whole, [x0, x1], sums);
                        if !tail0.is_empty() {
                            tile::product(rest, [&[padded(tail0)], &[padded(tail1)]], sums);
                        }
                    }
                    start = start.saturating_add(DEEP);
                }
                let factors = rows.map(|row| $factor(row.scales, 0));
                for (y, sums) in y.chunks_mut(broad).zip(sums.as_flattened()) {
                    let out = y.get_mut(row..).unwrap_or_default();
                    for ((y, &v), factor) in out.iter_mut().zip(sums).zip(factors) {
                        *y = sum(v) * factor;
                    }
                }
            }

            /// `y = x W` for several rows of `x`.
            $(#[$feature])*
            pub fn adjoint_many(w: &Matrix<'_>, x: &[f32], y: &mut [f32]) {
                y.fill(0.0);
                let mut row = 0usize;
                while row < w.rows {
                    let mut start = 0usize;
                    while start < w.columns {
                        block_of_columns(w, row, start, x, y);
                        start = start.saturating_add(GROUP);
                    }
                    row = row.saturating_add(PANEL);
                }
            }

            /// What rows `row .. row + 32` add to columns `start .. start + 32` of all rows of `y`.
            $(#[$feature])*
            #[inline]
            fn block_of_columns(w: &Matrix<'_>, row: usize, start: usize, x: &[f32], y: &mut [f32]) {
                let (deep, broad) = (w.columns.max(1), w.rows.max(1));
                let mut panel = [[zero(); 4]; PANEL];
                let mut factors = [0.0; PANEL];
                for (i, (panel, factor)) in panel.iter_mut().zip(&mut factors).enumerate() {
                    let row = w.row(row.saturating_add(i));
                    *panel = group(&row, start / GROUP);
                    *factor = $factor(row.scales, 0);
                }
                let scaled = |x: &[f32]| {
                    let mut out = [0.0; PANEL];
                    out.iter_mut().zip(x).zip(factors).for_each(|((out, &x), factor)| *out = x * factor);
                    out
                };
                let rows = PANEL.min(w.rows.saturating_sub(row));
                let columns = GROUP.min(w.columns.saturating_sub(start));
                let (row_end, end) = (row.saturating_add(rows), start.saturating_add(columns));
                let pairs = x.chunks(broad.saturating_mul(2).max(1)).zip(y.chunks_mut(deep.saturating_mul(2).max(1)));
                for (x, y) in pairs {
                    let (x0, x1) = x.split_at_checked(broad).unwrap_or_default();
                    let (y0, y1) = y.split_at_mut_checked(deep).unwrap_or_default();
                    let x0 = x0.get(row..row_end).unwrap_or_default();
                    let x1 = x1.get(row..row_end).unwrap_or(x0);
                    let y0 = y0.get_mut(start..end).unwrap_or_default();
                    let y1 = y1.get_mut(start..end).unwrap_or_default();
                    let mut sums = [load_some(y0), load_some(y1)];
                    let whole = panel.get(..rows).unwrap_or_default();
                    tile::adjoint(whole, [&scaled(x0), &scaled(x1)], &mut sums);
                    let [s0, s1] = sums;
                    store_some(s0, y0);
                    store_some(s1, y1);
                }
            }
        }
    };
}

fn unscaled(_: &[u8], _: usize) -> f32 {
    1.0
}

fn scale_of_row(scales: &[u8], _: usize) -> f32 {
    scales.first_chunk().map_or(0.0, |&bytes| f32::from_le_bytes(bytes))
}

fn scale_of_group(scales: &[u8], i: usize) -> f32 {
    scales.as_chunks().0.get(i).map_or(0.0, |&bytes| half(u16::from_le_bytes(bytes)))
}

/// Instances with portable lanes. One step is a call, or the compiler makes vectors across steps, with shuffles that
/// cost more than the sums.
pub mod portable {
    use super::*;
    products! { f32: portable, 128, f32s, unscaled, unscaled, inline(never), false }
    products! { f16: portable, 64, f16s, unscaled, unscaled, inline(never), false }
    products! { bf16: portable, 64, bf16s, unscaled, unscaled, inline(never), false }
    products! { int8: portable, 32, int8s, unscaled, scale_of_row, inline(never), false }
    products! { int4: portable, 16, int4s, scale_of_group, unscaled, inline(never), false }
}

/// Instances with AVX2 lanes.
#[cfg(target_arch = "x86_64")]
pub mod avx2 {
    use super::*;
    products! { f32: #[target_feature(enable = "avx2,f16c")] avx2, 128, f32s, unscaled, unscaled, inline, true }
    products! { f16: #[target_feature(enable = "avx2,f16c")] avx2, 64, f16s, unscaled, unscaled, inline, true }
    products! { bf16: #[target_feature(enable = "avx2,f16c")] avx2, 64, bf16s, unscaled, unscaled, inline, true }
    products! { int8: #[target_feature(enable = "avx2,f16c")] avx2, 32, int8s, unscaled, scale_of_row, inline, true }
    products! { int4: #[target_feature(enable = "avx2,f16c")] avx2, 16, int4s, scale_of_group, unscaled, inline, false }
}
