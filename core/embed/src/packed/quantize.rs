//! One row of a matrix in its storage. Integers are rounded to nearest, ties to even.

use half::{bf16, f16};

use super::storage::{GROUP, Storage};

/// How the scale of integers is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// That of least squared error, from a small grid.
    #[cfg_attr(not(feature = "pack"), expect(dead_code, reason = "only packing has the time"))]
    Best,
    /// That by which the largest value just fits.
    Largest,
}

/// Writes the values of a row, [`Storage::row_bytes`] of them, and its scales, [`Storage::scale_bytes`].
///
/// # Errors
///
/// A value that the storage cannot hold. The largest that it can hold is then written in its place, or what is no number.
pub(crate) fn row(storage: Storage, fit: Fit, values: &[f32], out: &mut [u8], scales: &mut [u8]) -> Result<(), f32> {
    match storage {
        Storage::F32 => write(out, values.iter().map(|x| x.to_le_bytes())),
        Storage::F16 => {
            write(out, values.iter().map(|x| f16::from_f32(x.clamp(-65_504.0, 65_504.0)).to_le_bytes()));
            held(values, |x| f16::from_f32(x).is_finite())?;
        }
        Storage::Bf16 => {
            write(out, values.iter().map(|&x| bf16::from_f32(x).to_le_bytes()));
            held(values, |x| bf16::from_f32(x).is_finite())?;
        }
        Storage::Int8 => {
            let largest = largest(values).abs();
            let scale = best(values, -127.0, 127.0, fit, factors(8, 0.16).map(|f| largest / 127.0 * f));
            write(out, values.iter().map(|&x| [nearest(x, scale, -127.0, 127.0) as i8 as u8]));
            write(scales, core::iter::once(scale.to_le_bytes()));
        }
        Storage::Int4 => {
            let groups = values.chunks(GROUP).zip(out.chunks_mut(GROUP / 2)).zip(scales.chunks_mut(2));
            for ((group, out), scales) in groups {
                let scale = int4_scale(group, fit);
                let q = |x: &f32| (nearest(*x, scale.to_f32(), -8.0, 7.0) + 8.0) as u8;
                // the place of a last value without a partner is 0
                let byte = |pair: &[f32]| {
                    pair.iter().zip([0, 4]).fold(8 << 4, |byte, (x, shift)| (byte & !(15u8 << shift)) | (q(x) << shift))
                };
                write(out, group.chunks(2).map(|pair| [byte(pair)]));
                write(scales, core::iter::once(scale.to_le_bytes()));
                if !scale.is_finite() {
                    return Err(largest(group));
                }
            }
        }
    }
    Ok(())
}

fn write<const N: usize>(out: &mut [u8], values: impl Iterator<Item = [u8; N]>) {
    out.as_chunks_mut().0.iter_mut().zip(values).for_each(|(out, value)| *out = value);
}

fn held(values: &[f32], fits: impl Fn(f32) -> bool) -> Result<(), f32> {
    values.iter().copied().find(|&x| !fits(x)).map_or(Ok(()), Err)
}

/// The first of the values that are largest in magnitude; what is no number is larger than all.
fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0f32, |m, &x| if m.is_nan() || x.abs() <= m.abs() { m } else { x })
}

/// The integer in `least ..= most`, at most 2^21 in size, whose product with `scale` is nearest to `x`.
fn nearest(x: f32, scale: f32, least: f32, most: f32) -> f32 {
    // beside this number, singles are integers: the sum is rounded to nearest, ties to even
    const INTEGERS: f32 = 1.5 * (1 << 23) as f32;
    if scale == 0.0 { 0.0 } else { ((x / scale).clamp(least, most) + INTEGERS) - INTEGERS }
}

fn squared_error(values: &[f32], scale: f32, least: f32, most: f32) -> f64 {
    let error = |&x: &f32| f64::from(x) - f64::from(scale * nearest(x, scale, least, most));
    values.iter().map(|x| error(x) * error(x)).sum()
}

/// The candidate of least error, and the first of equals; or the first of all.
fn best(values: &[f32], least: f32, most: f32, fit: Fit, mut candidates: impl Iterator<Item = f32>) -> f32 {
    match fit {
        Fit::Best => {
            let errors = candidates.map(|scale| (squared_error(values, scale, least, most), scale));
            errors.reduce(|best, next| if next.0 < best.0 { next } else { best }).map_or(0.0, |(_, scale)| scale)
        }
        Fit::Largest => candidates.next().unwrap_or_default(),
    }
}

/// A grid of factors from 1 down to `1 - width`.
fn factors(count: u16, width: f32) -> impl Iterator<Item = f32> {
    (0..=count).map(move |i| 1.0 - width * f32::from(i) / f32::from(count))
}

/// Scales of both signs are compared, for the range reaches further down than up.
fn int4_scale(values: &[f32], fit: Fit) -> f16 {
    let largest = largest(values);
    let steps = [-8.0, 7.0, -7.5].into_iter().flat_map(|ends| factors(12, 0.3).map(move |f| largest / ends * f));
    f16::from_f32(best(values, -8.0, 7.0, fit, steps.map(|s| f16::from_f32(s).to_f32())))
}

#[cfg(all(test, feature = "pack"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::packed::Matrix;

    fn through(storage: Storage, fit: Fit, values: &[f32]) -> (Vec<f32>, Result<(), f32>) {
        let mut numbers = vec![0xaa; storage.row_bytes(values.len())];
        let mut scales = vec![0xaa; storage.scale_bytes(values.len())];
        let done = row(storage, fit, values, &mut numbers, &mut scales);
        let mut back = vec![0.0; values.len()];
        assert!(Matrix::over(storage, 1, values.len(), &numbers, &scales).unwrap().row_into(0, &mut back));
        (back, done)
    }

    fn squares(values: &[f32], back: &[f32]) -> f64 {
        values.iter().zip(back).map(|(a, b)| f64::from(a - b) * f64::from(a - b)).sum()
    }

    proptest! {
        /// A value comes back within half a step of its storage, and searching for a scale only makes the sum of squares less.
        #[test]
        fn values_come_back_within_half_a_step(
            values in prop::collection::vec(-3.0f32..3.0, 1..80), storage in select(&Storage::ALL),
        ) {
            let (back, done) = through(storage, Fit::Largest, &values);
            prop_assert_eq!(done, Ok(()));
            for (group, back) in values.chunks(GROUP).zip(back.chunks(GROUP)) {
                let largest = largest(if storage == Storage::Int8 { &values } else { group }).abs();
                for (x, y) in group.iter().zip(back) {
                    let step = match storage {
                        Storage::F32 => 0.0,
                        Storage::F16 => (x.abs() / 1024.0).max(6e-8),
                        Storage::Bf16 => x.abs() / 128.0,
                        Storage::Int8 => largest / 127.0,
                        // the end of other sign reaches one step less, and the scale itself is rounded
                        Storage::Int4 => largest / 4.0 * 1.01,
                    };
                    prop_assert!((x - y).abs() <= 0.5001 * step, "{:?}: {} became {}", storage, x, y);
                }
            }
            let best = through(storage, Fit::Best, &values).0;
            prop_assert!(squares(&values, &best) <= squares(&values, &back) + 1e-6);
        }
    }

    #[test]
    fn what_cannot_be_held_is_told_and_stays_as_large_as_it_can_be() {
        let (back, done) = through(Storage::F16, Fit::Largest, &[1e6, -2.0, -1e6]);
        assert_eq!((&back[..], done), (&[65_504.0, -2.0, -65_504.0][..], Err(1e6)));
        for storage in Storage::ALL {
            let (back, _) = through(storage, Fit::Largest, &[1.0, f32::NAN, -2.0]);
            assert!(back.iter().any(|x| x.is_nan()), "{storage:?} hides what is no number: {back:?}");
            let (back, done) = through(storage, Fit::Largest, &[0.0; 33]);
            assert!(back.iter().all(|x| *x == 0.0) && done.is_ok(), "{storage:?}");
        }
    }
}
