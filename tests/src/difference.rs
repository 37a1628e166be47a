//! Derivatives against central differences, in double precision: the judge of the yardstick.
//!
//! The differences are of fourth order, `(8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h`, with an error of about `h^4`
//! times the fifth derivative and rounding over `h`. A second derivative is the difference of a first one.

use ebt_core::compute::Backend;

use crate::case::{Case, Operation};
use crate::level::{self, Directions, On, Run};
use crate::{Check, Mat, close};

const H: f64 = 1e-3;
/// The fifth derivatives here are below a few thousand: 1e-12 times that, and rounding of 1e-13.
const TOLERANCE: f64 = 2e-8;

/// `(name, matrix)` of everything a run leaves behind.
fn all(run: &Run, part: usize, slots_before: &[Mat]) -> Vec<Mat> {
    let outputs = run.part(part).into_iter().cloned();
    let added = run.slots.iter().zip(slots_before).map(|(after, before)| after.plus(-1.0, before));
    outputs.chain(added).collect()
}

/// The fourth-order central difference of `f` at 0.
pub fn central(h: f64, f: impl Fn(f64) -> Vec<Mat>) -> Vec<Mat> {
    let near = (f(h), f(-h));
    let far = (f(2.0 * h), f(-2.0 * h));
    let one = |i: usize| {
        let near = near.0[i].plus(-1.0, &near.1[i]);
        let far = far.0[i].plus(-1.0, &far.1[i]);
        let zero = Mat::zeros(near.rows, near.columns);
        zero.plus(8.0 / (12.0 * h), &near).plus(-1.0 / (12.0 * h), &far)
    };
    (0..near.0.len()).map(one).collect()
}

fn agree(what: &str, got: &[Mat], want: &[Mat]) -> Check {
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        close(&format!("{what} {i}"), g, w, TOLERANCE)?;
    }
    Ok(())
}

/// First and second derivatives of a case on `c`, whose values live on `b`, against differences.
pub fn check<B: Backend, C: On<B>, O: Operation>(b: &B, c: &C, case: &Case<O>, along: &Directions) -> Check {
    let slots = &case.slots;
    let first = level::first(b, c, case, &along.u);
    let second = level::second(b, c, case, along);
    let slope = central(H, |h| all(&level::plain(b, c, &case.shifted(h, &along.u)), 0, slots));
    agree("first derivative of result", &all(&first, 1, slots), &slope)?;
    // the direction moves with the point: u + h w
    let moved = |h: f64| -> Vec<Option<Mat>> {
        let both = |(u, w): (&Option<Mat>, &Option<Mat>)| match (u, w) {
            (Some(u), Some(w)) => Some(u.plus(h, w)),
            (None, Some(w)) => Some(Mat::zeros(w.rows, w.columns).plus(h, w)),
            (u, None) => u.clone(),
        };
        along.u.iter().zip(&along.w).map(both).collect()
    };
    let curve = central(H, |h| all(&level::first(b, c, &case.shifted(h, &along.v), &moved(h)), 1, slots));
    agree("second derivative of result", &all(&second, 3, slots), &curve)
}
