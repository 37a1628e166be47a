//! Initial states and the streams of noise: functions of seed, position, candidate and step, never of batching.

use super::dynamics::Dynamics;
use crate::engine::math::fill_normal;
use ebt_core::random::{Purpose, Stream};

/// The noise of `candidate` at `step`; elements are indexed from [`first`].
pub(super) fn stream(seed: u64, purpose: Purpose, candidate: usize, step: usize) -> Stream {
    Stream::new(seed, candidate as u32, purpose).detail(step as u16)
}

/// Index of the first element of `position`.
pub(super) fn first(position: usize, vocab: usize) -> u64 {
    (position as u64).wrapping_mul(vocab as u64)
}

/// `Y0` of a candidate: that of training for candidate 0, further noise for the others. A start that holds no noise
/// gives its further candidates `N(0, sigma0^2)`, or `N(0, 1)` where `sigma0` is 0.
pub(super) fn initial(dynamics: &Dynamics, seed: u64, position: usize, candidate: usize, y: &mut [f32]) {
    let silent = dynamics.zero_start || dynamics.sigma0 == 0.0;
    if candidate == 0 && silent {
        y.iter_mut().for_each(|y| *y = 0.0);
        return;
    }
    let sigma = if dynamics.sigma0 > 0.0 { dynamics.sigma0 } else { 1.0 };
    let stream = Stream::new(seed, 0, Purpose::InitialState).detail(candidate as u16);
    fill_normal(&stream, first(position, y.len()), sigma, y);
}
