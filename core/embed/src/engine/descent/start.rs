//! Initial states and the streams of noise: functions of seed, position, candidate and step, never of batching.

use super::descent_options::DescentOptions;
use super::dynamics::Dynamics;
use crate::engine::math::fill_normal;
use ebt_core::random::{Purpose, Stream};

/// The noise of `candidate` at `step`; elements are indexed from [`first`].
pub(super) fn stream(seed: u64, purpose: Purpose, candidate: usize, step: usize) -> Stream {
    Stream::new(seed, candidate as u32, purpose).detail(step as u16)
}

/// Index of the first element of `position`, whose rows have `width` numbers.
pub(super) fn first(position: usize, width: usize) -> u64 {
    (position as u64).wrapping_mul(width as u64)
}

/// `Y0` of a candidate: that of training for candidate 0, further noise for the others, of standard deviation `spread`.
/// Where that is 0 it is `sigma0`, or 1 where that is 0 as well.
pub(in crate::engine) fn initial(
    dynamics: &Dynamics,
    think: &DescentOptions,
    position: usize,
    candidate: usize,
    y: &mut [f32],
) {
    let silent = dynamics.zero_start || dynamics.sigma0 == 0.0;
    if candidate == 0 && silent {
        y.iter_mut().for_each(|y| *y = 0.0);
        return;
    }
    let sigma = match (candidate, dynamics.sigma0) {
        (1.., _) if think.spread > 0.0 => think.spread,
        (_, sigma0) if sigma0 > 0.0 => sigma0,
        _ => 1.0,
    };
    let stream = Stream::new(think.seed, 0, Purpose::InitialState).detail(candidate as u16);
    fill_normal(&stream, first(position, y.len()), sigma, y);
}
