//! `y = x W` for several rows of `x`.

use super::super::matrix::{Matrix, padded};
use super::super::storage::GROUP;

macro_rules! adjoints {
    ($name:ident: $(#[$feature:meta])* $lanes:ident, $tile:ident) => {
        pub mod $name {
            use super::super::super::$lanes::zero;
            use super::super::super::group::$lanes::$name::{factor, group};
            use super::super::super::tile::$tile::{self as tile, DEPTH, Line, ROWS, load32, store32};
            use super::*;

            /// `y = x W`.
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
                    row = row.saturating_add(DEPTH);
                }
            }

            /// At most 32 numbers, zeros behind them.
            $(#[$feature])*
            #[inline]
            fn load_some(y: &[f32]) -> Line {
                y.first_chunk().map_or_else(|| load32(&padded(y)), |y| load32(y))
            }

            /// Writes as many numbers as there is room for.
            $(#[$feature])*
            #[inline]
            fn store_some(v: Line, y: &mut [f32]) {
                if let Some(y) = y.first_chunk_mut() {
                    return store32(v, y);
                }
                let mut buffer = [0.0; GROUP];
                store32(v, &mut buffer);
                for (y, value) in y.iter_mut().zip(buffer) {
                    *y = value;
                }
            }

            /// What [`DEPTH`] rows from `row` on add to columns `start .. start + 32` of all rows of `y`.
            $(#[$feature])*
            #[inline]
            fn block_of_columns(w: &Matrix<'_>, row: usize, start: usize, x: &[f32], y: &mut [f32]) {
                let (deep, broad) = (w.columns.max(1), w.rows.max(1));
                let mut panel = [[zero(); 4]; DEPTH];
                let mut factors = [0.0; DEPTH];
                let rows = DEPTH.min(w.rows.saturating_sub(row));
                for (i, (panel, factor_of)) in panel.iter_mut().zip(&mut factors).take(rows).enumerate() {
                    let row = w.row(row.saturating_add(i));
                    *panel = group(&row, start / GROUP);
                    *factor_of = factor(&row);
                }
                let columns = GROUP.min(w.columns.saturating_sub(start));
                let (row_end, end) = (row.saturating_add(rows), start.saturating_add(columns));
                let panel = panel.get(..rows).unwrap_or_default();
                let tiles = x.chunks(broad.saturating_mul(ROWS).max(1)).zip(y.chunks_mut(deep.saturating_mul(ROWS).max(1)));
                for (x, y) in tiles {
                    let mut scaled = [[0.0; DEPTH]; ROWS];
                    for (scaled, x) in scaled.iter_mut().zip(x.chunks(broad.max(1))) {
                        let x = x.get(row..row_end).unwrap_or_default();
                        scaled.iter_mut().zip(x).zip(&factors).for_each(|((to, &x), &factor)| *to = x * factor);
                    }
                    let mut sums = [load32(&[0.0; GROUP]); ROWS];
                    for (sums, y) in sums.iter_mut().zip(y.chunks(deep.max(1))) {
                        *sums = load_some(y.get(start..end).unwrap_or_default());
                    }
                    tile::adjoint(panel, &scaled, &mut sums);
                    for (sums, y) in sums.into_iter().zip(y.chunks_mut(deep.max(1))) {
                        store_some(sums, y.get_mut(start..end).unwrap_or_default());
                    }
                }
            }
        }
    };
}

/// Instances with portable lanes.
pub mod portable {
    use super::*;
    adjoints! { f32: portable, portable }
    adjoints! { f16: portable, portable }
    adjoints! { bf16: portable, portable }
    adjoints! { int8: portable, portable }
    adjoints! { int4: portable, portable }
}

/// Instances with AVX2 lanes.
#[cfg(target_arch = "x86_64")]
pub mod avx2 {
    use super::*;
    adjoints! { f32: #[target_feature(enable = "avx2,f16c")] avx2, avx2 }
    adjoints! { f16: #[target_feature(enable = "avx2,f16c")] avx2, avx2 }
    adjoints! { bf16: #[target_feature(enable = "avx2,f16c")] avx2, avx2 }
    adjoints! { int8: #[target_feature(enable = "avx2,f16c")] avx2, avx2 }
    adjoints! { int4: #[target_feature(enable = "avx2,f16c")] avx2, avx2 }
}

/// Instances with AVX-512 vectors.
#[cfg(target_arch = "x86_64")]
pub mod avx512 {
    use super::*;
    adjoints! { f32: #[target_feature(enable = "avx512f,avx512dq")] avx2, avx512 }
    adjoints! { f16: #[target_feature(enable = "avx512f,avx512dq")] avx2, avx512 }
    adjoints! { bf16: #[target_feature(enable = "avx512f,avx512dq")] avx2, avx512 }
    adjoints! { int8: #[target_feature(enable = "avx512f,avx512dq")] avx2, avx512 }
    adjoints! { int4: #[target_feature(enable = "avx512f,avx512dq")] avx2, avx512 }
}
