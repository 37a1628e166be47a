//! The controlled step size follows the share of descent steps that decrease the energy, up to where mirror descent is promised
//! to be stable.

use ebt_core::config::UpdateRule;
use ebt_core::objective::Objective;
use ebt_core::parameters::ParameterLayout;
use proptest::prelude::*;

use crate::compare::close_number;
use crate::model::{self, Family};
use crate::{Draw, Factory, Mat, for_all};

/// `alpha' = min(alpha e^(gain (share - step_control)), 100 alpha_0, 1 / tau)`, whatever the share; without control it is left alone.
pub fn a_controlled_step_size_follows_the_share<F: Factory>() {
    let family = prop::sample::select(&[Family::Causal, Family::Joint][..]);
    let strategy = (model::sizes(), model::rules(), family, 0.0..1.0f64, any::<u64>());
    F::with(|b| {
        for_all(24, strategy, |(sizes, rule, family, step_control, seed)| {
            let draw = Draw::new(seed);
            let (mut config, sequences) = model::of_family(&draw, family, sizes, model::Kind::Dense, rule);
            if rule == UpdateRule::Mirror {
                config.tau = [0.0, 0.5, 0.9][draw.below(3)];
            }
            let objective = Objective { learn_alpha: false, step_control, step_gain: 1.0, ..Objective::default() };
            let weights = model::weights(&draw, &config);
            let mut trainer = model::trainer(b, &config, &objective, &weights);
            let at = ParameterLayout::new(&config).energy.ok_or("no energy")?.alpha;
            let before = weights[at].data[0];
            let report = trainer.step(b, &sequences, &model::settings(seed)).map_err(|e| e.to_string())?;
            let wanted = match report.decreased.filter(|_| step_control > 0.0) {
                None => before,
                Some(share) => {
                    let most = if config.tau > 0.0 { 1.0 / config.tau } else { f64::INFINITY };
                    (before * (share - step_control).exp()).min(most.min(100.0 * config.alpha))
                }
            };
            close_number("alpha", Mat::download(b, &trainer.weights[at]).data[0], wanted, F::TOLERANCE.model)
        });
    });
}
