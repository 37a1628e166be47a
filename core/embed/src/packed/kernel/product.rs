//! `y = x W^T` for several rows of `x`: some rows of weights at a time, decoded once for many rows of `x`.

use super::super::matrix::{Matrix, Row, padded, part};
use super::super::storage::GROUP;

/// Steps of a panel: 256 columns.
const PANEL: usize = 32;
/// Columns of a panel.
const DEEP: usize = 8 * PANEL;
/// Tiles whose sums are kept at a time.
const TILES: usize = 16;

macro_rules! products {
    ($name:ident: $(#[$feature:meta])* $lanes:ident, $tile:ident) => {
        pub mod $name {
            use super::super::super::$lanes::{V, zero};
            use super::super::super::prefetch::fetch;
            use super::super::super::group::$lanes::$name::{factor, group};
            use super::super::super::tile::$tile::{self as tile, ACROSS, ROWS, Sums, nothing};
            use super::*;

            /// Eight columns of all rows a step.
            type Panel = [[V; ACROSS]; PANEL];

            /// Rows of `x` whose sums are kept at a time.
            const WIDE: usize = TILES * ROWS;

            /// `y = x W^T`.
            $(#[$feature])*
            pub fn product_many(w: &Matrix<'_>, x: &[f32], y: &mut [f32]) {
                let (deep, broad) = (w.columns.max(1), w.rows.max(1));
                let mut panel = [[zero(); ACROSS]; PANEL];
                let parts = x.chunks(deep.saturating_mul(WIDE).max(1));
                for (x, y) in parts.zip(y.chunks_mut(broad.saturating_mul(WIDE).max(1))) {
                    let mut row = 0usize;
                    while row < w.rows {
                        let rows = core::array::from_fn(|i| w.row(row.saturating_add(i)));
                        if deep <= DEEP {
                            shallow(w, rows, row, &mut panel, x, y);
                        } else {
                            deeper(w, rows, row, &mut panel, x, y);
                        }
                        row = row.saturating_add(ACROSS);
                    }
                }
            }

            /// Columns from `row` on of `y` where one panel holds all of the rows.
            $(#[$feature])*
            #[inline]
            fn shallow(w: &Matrix<'_>, rows: [Row<'_>; ACROSS], row: usize, panel: &mut Panel, x: &[f32], y: &mut [f32]) {
                let (deep, broad) = (w.columns.max(1), w.rows.max(1));
                fill(&rows, 0, deep, panel);
                let factors = rows.map(|row| factor(&row));
                let tiles = x.chunks(deep.saturating_mul(ROWS).max(1));
                let mut ahead = ahead(w, row, x);
                for (x, y) in tiles.zip(y.chunks_mut(broad.saturating_mul(ROWS).max(1))) {
                    fetch(ahead.next().unwrap_or_default());
                    let mut sums = nothing();
                    accumulate(panel, x, deep, (0, deep), &mut sums);
                    write(&sums, factors, row, broad, y);
                }
            }

            /// Columns from `row` on of at most [`WIDE`] rows of `y`, whose sums are kept from panel to panel.
            $(#[$feature])*
            #[inline]
            fn deeper(w: &Matrix<'_>, rows: [Row<'_>; ACROSS], row: usize, panel: &mut Panel, x: &[f32], y: &mut [f32]) {
                let (deep, broad) = (w.columns.max(1), w.rows.max(1));
                let mut sums = [nothing(); TILES];
                let mut ahead = ahead(w, row, x);
                let mut start = 0usize;
                while start < deep {
                    let count = DEEP.min(deep.saturating_sub(start));
                    fill(&rows, start, count, panel);
                    for (x, sums) in x.chunks(deep.saturating_mul(ROWS).max(1)).zip(&mut sums) {
                        fetch(ahead.next().unwrap_or_default());
                        accumulate(panel, x, deep, (start, count), sums);
                    }
                    start = start.saturating_add(DEEP);
                }
                let factors = rows.map(|row| factor(&row));
                for (y, sums) in y.chunks_mut(broad.saturating_mul(ROWS).max(1)).zip(&sums) {
                    write(sums, factors, row, broad, y);
                }
            }

            /// The bytes of the rows after those from `row` on, a part for every tile of `x` and panel of the rows.
            fn ahead<'m>(w: &Matrix<'m>, row: usize, x: &[f32]) -> core::slice::Chunks<'m, u8> {
                let deep = w.columns.max(1);
                let tiles = x.len().div_ceil(deep.saturating_mul(ROWS).max(1));
                let parts = tiles.saturating_mul(deep.div_ceil(DEEP)).max(1);
                let bytes = w.stored(row.saturating_add(ACROSS), ACROSS);
                bytes.chunks(bytes.len().div_ceil(parts).max(1))
            }

            /// Decodes columns `start .. start + count`.
            $(#[$feature])*
            #[inline]
            fn fill(rows: &[Row<'_>; ACROSS], start: usize, count: usize, panel: &mut Panel) {
                // row after row: they lie one behind the other in memory
                for (j, row) in rows.iter().enumerate() {
                    let parts = panel.as_chunks_mut::<4>().0.iter_mut().take(count.div_ceil(GROUP));
                    for (i, panel) in parts.enumerate() {
                        for (place, v) in panel.iter_mut().zip(group(row, (start / GROUP).saturating_add(i))) {
                            if let Some(place) = place.get_mut(j) {
                                *place = v;
                            }
                        }
                    }
                }
            }

            /// Adds what columns `start .. start + count` of a tile of rows give.
            $(#[$feature])*
            #[inline]
            fn accumulate(panel: &Panel, x: &[f32], deep: usize, (start, count): (usize, usize), sums: &mut Sums) {
                let (whole, rest) = panel.split_at_checked(count / 8).unwrap_or_default();
                // places behind the last row of `x` repeat the first, and their sums are dropped
                let first = part(x, start, count);
                let (mut parts, mut eights) = ([first; ROWS], [first.as_chunks().0; ROWS]);
                let mut rows = x;
                for (place, eights) in parts.iter_mut().zip(&mut eights) {
                    if !rows.is_empty() {
                        *place = part(rows, start, count);
                        *eights = place.as_chunks().0;
                    }
                    rows = rows.get(deep..).unwrap_or_default();
                }
                tile::product(whole, eights, sums);
                if !count.is_multiple_of(8) {
                    last(rest, &parts, sums);
                }
            }

            /// What the last columns add, fewer than eight.
            $(#[$feature])*
            #[cold]
            #[inline(never)]
            fn last(panel: &[[V; ACROSS]], parts: &[&[f32]; ROWS], sums: &mut Sums) {
                let tails = parts.map(|part| [padded(part.as_chunks::<8>().1)]);
                tile::product(panel, tails.each_ref().map(|tail| &tail[..]), sums);
            }

            /// Columns from `row` on of the rows of a tile.
            $(#[$feature])*
            #[inline]
            fn write(sums: &Sums, factors: [f32; ACROSS], row: usize, broad: usize, y: &mut [f32]) {
                for (y, values) in y.chunks_mut(broad.max(1)).zip(tile::finish(sums, factors)) {
                    let out = y.get_mut(row..).unwrap_or_default();
                    match out.first_chunk_mut() {
                        Some(out) => *out = values,
                        None => out.iter_mut().zip(values).for_each(|(y, value)| *y = value),
                    }
                }
            }
        }
    };
}

/// Instances with portable lanes.
pub mod portable {
    use super::*;
    products! { f32: portable, portable }
    products! { f16: portable, portable }
    products! { bf16: portable, portable }
    products! { int8: portable, portable }
    products! { int4: portable, portable }
}

/// Instances with AVX2 lanes.
#[cfg(target_arch = "x86_64")]
pub mod avx2 {
    use super::*;
    products! { f32: #[target_feature(enable = "avx2,f16c")] avx2, avx2 }
    products! { f16: #[target_feature(enable = "avx2,f16c")] avx2, avx2 }
    products! { bf16: #[target_feature(enable = "avx2,f16c")] avx2, avx2 }
    products! { int8: #[target_feature(enable = "avx2,f16c")] avx2, avx2 }
    products! { int4: #[target_feature(enable = "avx2,f16c")] avx2, avx2 }
}

/// Instances with AVX-512 vectors.
#[cfg(target_arch = "x86_64")]
pub mod avx512 {
    use super::*;
    products! { f32: #[target_feature(enable = "avx512f,avx512dq")] avx2, avx512 }
    products! { f16: #[target_feature(enable = "avx512f,avx512dq")] avx2, avx512 }
    products! { bf16: #[target_feature(enable = "avx512f,avx512dq")] avx2, avx512 }
    products! { int8: #[target_feature(enable = "avx512f,avx512dq")] avx2, avx512 }
    products! { int4: #[target_feature(enable = "avx512f,avx512dq")] avx2, avx512 }
}
