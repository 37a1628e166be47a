//! One row of a matrix in its storage. Integers are rounded to nearest, ties to even, with the scale of least squared
//! error from a small grid.

use alloc::vec::Vec;

use half::{bf16, f16};

use crate::packed::storage::{GROUP, Storage};

/// Appends the values of a row and its scales.
///
/// # Errors
///
/// A value that the storage cannot hold.
pub(super) fn row(storage: Storage, values: &[f32], out: &mut Vec<u8>, scales: &mut Vec<u8>) -> Result<(), f32> {
    match storage {
        Storage::F32 => out.extend(values.iter().flat_map(|x| x.to_le_bytes())),
        Storage::F16 => {
            for &x in values {
                out.extend_from_slice(&finite(x, f16::from_f32(x).is_finite(), f16::from_f32(x).to_le_bytes())?);
            }
        }
        Storage::Bf16 => {
            for &x in values {
                out.extend_from_slice(&finite(x, bf16::from_f32(x).is_finite(), bf16::from_f32(x).to_le_bytes())?);
            }
        }
        Storage::Int8 => {
            let scale = int8_scale(values);
            out.extend(values.iter().map(|&x| nearest(x, scale, -127.0, 127.0) as i8 as u8));
            scales.extend_from_slice(&scale.to_le_bytes());
        }
        Storage::Int4 => {
            for group in values.chunks(GROUP) {
                let scale = int4_scale(group)?;
                let q = |x: &f32| (nearest(*x, scale.to_f32(), -8.0, 7.0) + 8.0) as u8;
                out.extend(group.chunks(2).map(|pair| {
                    // the place of a last value without a partner is 0
                    pair.iter().zip([0, 4]).fold(8 << 4, |byte, (x, shift)| (byte & !(15u8 << shift)) | (q(x) << shift))
                }));
                scales.extend_from_slice(&scale.to_le_bytes());
            }
        }
    }
    Ok(())
}

fn finite<const N: usize>(x: f32, fits: bool, bytes: [u8; N]) -> Result<[u8; N], f32> {
    if fits { Ok(bytes) } else { Err(x) }
}

/// The integer in `least ..= most` whose product with `scale` is nearest to `x`.
fn nearest(x: f32, scale: f32, least: f32, most: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { libm::rintf(x / scale).clamp(least, most) }
}

fn squared_error(values: &[f32], scale: f32, least: f32, most: f32) -> f64 {
    let error = |&x: &f32| f64::from(x) - f64::from(scale * nearest(x, scale, least, most));
    values.iter().map(|x| error(x) * error(x)).sum()
}

/// The candidate of least error; the first of equals.
fn best(values: &[f32], least: f32, most: f32, candidates: impl Iterator<Item = f32>) -> f32 {
    let errors = candidates.map(|scale| (squared_error(values, scale, least, most), scale));
    errors.reduce(|best, next| if next.0 < best.0 { next } else { best }).map_or(0.0, |(_, scale)| scale)
}

/// A grid of factors from 1 down to `1 - width`.
fn factors(count: u16, width: f32) -> impl Iterator<Item = f32> {
    (0..=count).map(move |i| 1.0 - width * f32::from(i) / f32::from(count))
}

fn int8_scale(values: &[f32]) -> f32 {
    let largest = values.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    best(values, -127.0, 127.0, factors(8, 0.16).map(|f| largest / 127.0 * f))
}

/// Scales of both signs are compared, for the range reaches further down than up.
fn int4_scale(values: &[f32]) -> Result<f16, f32> {
    let largest = values.iter().fold(0.0f32, |m, &x| if x.abs() > m.abs() { x } else { m });
    let steps = [-8.0, 7.0, -7.5].into_iter().flat_map(|ends| factors(12, 0.3).map(move |f| largest / ends * f));
    let scale = f16::from_f32(best(values, -8.0, 7.0, steps.map(|s| f16::from_f32(s).to_f32())));
    if scale.is_finite() { Ok(scale) } else { Err(largest) }
}
