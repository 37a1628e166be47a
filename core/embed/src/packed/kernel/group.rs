//! Groups of 32 stored values of a row, decoded: one text, instantiated for every storage and every kind of lanes.

use super::super::matrix::{Row, padded};
use super::super::storage::half;

macro_rules! groups {
    ($name:ident: $(#[$feature:meta])* $lanes:ident, $bytes:literal, $decode:ident, $scale:ident, $factor:ident) => {
        pub mod $name {
            use super::super::super::$lanes::{V, splat, zero};
            use super::*;

            pub use super::super::super::$lanes::$decode as decode;

            /// The bytes of a whole group.
            pub type Stored = [u8; $bytes];

            /// The scale that goes into the weights of group `i`.
            #[inline(always)]
            pub fn scale(row: &Row<'_>, i: usize) -> f32 {
                $scale(row.scales, i)
            }

            /// The factor of the whole row.
            #[inline(always)]
            pub fn factor(row: &Row<'_>) -> f32 {
                $factor(row.scales, 0)
            }

            /// The groups of a row that are whole.
            #[inline(always)]
            pub fn whole<'m>(row: &Row<'m>) -> &'m [Stored] {
                row.values.as_chunks().0
            }

            /// A group at the end of a row, decoded; a call of its own, for it would be much code everywhere.
            $(#[$feature])*
            #[cold]
            #[inline(never)]
            fn last_group(rest: &[u8], scale: V) -> [V; 4] {
                decode(&padded(rest), scale)
            }

            /// Group `i` of a row, decoded; zeros behind its end.
            $(#[$feature])*
            #[inline]
            pub fn group(row: &Row<'_>, i: usize) -> [V; 4] {
                let (full, rest) = row.values.as_chunks::<$bytes>();
                let scale = splat(scale(row, i));
                match full.get(i) {
                    Some(stored) => decode(stored, scale),
                    None if i == full.len() => last_group(rest, scale),
                    None => [zero(); 4],
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

/// Instances with portable lanes.
pub mod portable {
    use super::*;
    groups! { f32: portable, 128, f32s, unscaled, unscaled }
    groups! { f16: portable, 64, f16s, unscaled, unscaled }
    groups! { bf16: portable, 64, bf16s, unscaled, unscaled }
    groups! { int8: portable, 32, int8s, unscaled, scale_of_row }
    groups! { int4: portable, 16, int4s, scale_of_group, unscaled }
}

/// Instances with AVX2 lanes.
#[cfg(target_arch = "x86_64")]
pub mod avx2 {
    use super::*;
    groups! { f32: #[target_feature(enable = "avx2,f16c")] avx2, 128, f32s, unscaled, unscaled }
    groups! { f16: #[target_feature(enable = "avx2,f16c")] avx2, 64, f16s, unscaled, unscaled }
    groups! { bf16: #[target_feature(enable = "avx2,f16c")] avx2, 64, bf16s, unscaled, unscaled }
    groups! { int8: #[target_feature(enable = "avx2,f16c")] avx2, 32, int8s, unscaled, scale_of_row }
    groups! { int4: #[target_feature(enable = "avx2,f16c")] avx2, 16, int4s, scale_of_group, unscaled }
}
