//! `k` micro-batches of `b` sequences give the gradient of one batch of `k b`: noise and jitter are keyed by the row of
//! the whole batch.

use ebt_core::compute::Backend;
use ebt_core::objective::{Flow, InitialState, Objective};
use ebt_core::training::StepReport;
use proptest::prelude::*;

use crate::compare::close_number;
use crate::model;
use crate::{Draw, Factory, Mat, close, for_all};

/// Everything a step reports, and all gradients, whatever the size of a micro-batch.
pub fn micro_batches_add_up_to_the_batch<F: Factory>() {
    let strategy =
        (model::sizes(), model::kinds(), model::rules(), model::families(), 2..=5usize, 1..=3usize, any::<u64>());
    F::with(|b| {
        for_all(32, strategy, |(mut sizes, kind, rule, family, batch, micro, seed)| {
            sizes.batch = batch;
            let draw = Draw::new(seed);
            let (mut config, sequences) = model::of_family(&draw, family, sizes, kind, rule);
            if let Some(moe) = &mut config.moe {
                // a balance over the batch is by definition a different loss for smaller batches
                moe.seq_aux = true;
            }
            let objective = Objective {
                flow: if draw.one_in(2) { Flow::Unrolled } else { Flow::Detached },
                langevin: 0.25,
                alpha_jitter: 2.0,
                lyapunov: 0.5,
                step_control: 0.5,
                initial: [InitialState::Noise, InitialState::Mixed][draw.below(2)],
                lyapunov_c: 2.0,
                contrastive: 0.5,
                nce: 0.5,
                noise_tokens: 2,
                ..Objective::default()
            };
            let weights = model::weights(&draw, &config);
            let run = |micro_batch: usize| -> Result<(StepReport, Vec<Mat>), String> {
                let mut trainer = model::trainer(b, &config, &objective, &weights);
                let settings = ebt_core::training::StepSettings { micro_batch, ..model::settings(seed) };
                let (report, _) = trainer.gradient(b, &sequences, &settings, None, false).map_err(|e| e.to_string())?;
                Ok((report, trainer.gradients().iter().map(|g| Mat::download(b, g)).collect()))
            };
            let ((whole, want), (parts, got)) = (run(batch)?, run(micro)?);
            let tolerance = 0.1 * F::TOLERANCE.model;
            for (name, g, w) in [
                ("loss", parts.loss, whole.loss),
                ("balance", parts.balance, whole.balance),
                ("extra", parts.extra, whole.extra),
                ("decreased", parts.decreased.unwrap_or(0.0), whole.decreased.unwrap_or(0.0)),
            ] {
                close_number(name, g, w, tolerance)?;
            }
            let row = |v: &[f64]| Mat::new(1, v.len(), v.to_vec());
            close("energies", &row(&parts.energies), &row(&whole.energies), tolerance)?;
            close("step losses", &row(&parts.step_losses), &row(&whole.step_losses), tolerance)?;
            for (g, w) in parts.load.iter().zip(&whole.load) {
                close("load", &row(g), &row(w), 0.0)?;
            }
            let layout = ebt_core::parameters::ParameterLayout::new(&config);
            for ((e, g), w) in layout.entries.iter().zip(&got).zip(&want) {
                close(&e.name, g, w, tolerance)?;
            }
            b.status().map_err(|e| e.to_string())
        });
    });
}
