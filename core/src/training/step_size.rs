//! Control of the step size by the share of descent steps that decrease the energy (guide/mathematics.md section 10).

use crate::compute::Backend;
use crate::config::Config;
use crate::objective::Objective;
use crate::parameters::ParameterLayout;

/// Largest controlled step size, as a multiple of the one that the model began with.
const MOST_GROWTH: f64 = 100.0;

/// Largest controlled step size. `E + tau sum P log P` is at least `tau`-smooth relative to `sum P log P`, so mirror descent on it
/// has no promise beyond `1 / tau` (Lu, Freund, Nesterov, arXiv 1610.05708, theorem 3.1), and `Y` itself diverges from `2 / tau` on.
fn most(config: &Config) -> f64 {
    let grown = MOST_GROWTH * config.alpha;
    if config.tau > 0.0 { grown.min(1.0 / config.tau) } else { grown }
}

/// Multiplies the step size by `e^(gain (share - step_control))`, where `share (1,1)` of the steps decreased the energy sufficiently,
/// and limits it, unless the step is skipped (`factor` is NaN).
pub(super) fn control<B: Backend>(
    b: &B,
    config: &Config,
    objective: &Objective,
    layout: &ParameterLayout,
    weights: &mut [B::Array],
    share: &B::Array,
    factor: &B::Array,
) {
    let Some(ids) = layout.energy.filter(|_| objective.step_control > 0.0) else { return };
    let alpha = &weights[ids.alpha];
    let by = b.scale(&b.offset(share, -objective.step_control), objective.step_gain);
    let wanted = b.mul(alpha, &b.exp(&by));
    let over = b.offset(&wanted, -most(config));
    let limited = b.add(&wanted, &b.scale(&b.mul(&over, &b.heaviside(&over)), -1.0));
    let change = b.add(&limited, &b.scale(alpha, -1.0));
    let applied = b.heaviside(&b.offset(&b.scale(factor, 0.0), 1.0));
    b.accumulate(&mut weights[ids.alpha], &b.mul(&change, &applied));
}
