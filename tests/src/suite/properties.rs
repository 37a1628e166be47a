//! Identities of the model.

use ebt_core::compute::Compute;
use ebt_core::config::{Conditioning, Initialization, UpdateRule};
use ebt_core::descent::rollout;
use ebt_core::objective::{InitialState, Objective};
use ebt_core::parameters::{FeedForwardIds, ParameterLayout};
use proptest::prelude::*;

use crate::compare::{close_number, ensure};
use crate::model::{self, Kind};
use crate::{Draw, Factory, Mat, close, for_all, oracle, same_bits};

/// A window that holds the sequence and the prediction after it is full attention, to the bit.
pub fn a_wide_window_is_full_attention<F: Factory>() {
    F::with(|b| {
        for_all(24, (model::sizes(), model::kinds(), 0..=3usize, any::<u64>()), |(sizes, kind, more, seed)| {
            let draw = Draw::new(seed);
            let mut config = model::config(&draw, sizes, kind);
            let (weights, sequences) = (model::weights(&draw, &config), model::sequences(&draw, sizes));
            let initial = draw.matrix(sequences.tokens.len(), sizes.vocab);
            let mut energies = |window: Option<usize>| {
                config.window = window;
                let trainer = model::trainer(b, &config, &Objective::default(), &weights);
                model::with_rollout(b, &trainer, &sequences, seed, |rollout, _| {
                    oracle::loss(rollout, &sequences.targets, &initial, None).energies
                })
            };
            let (full, wide) = (energies(None), energies(Some(sizes.context + 1 + more)));
            full.iter().zip(&wide).try_for_each(|(f, w)| same_bits("energies", w, f))
        });
    });
}

/// With AdaLN-zero every block is the identity: with its head the energy is 0 everywhere and no state moves; with a
/// head of its own it is `head . rms(P W_v)`, or `head . rms(P W_v + Emb[x])` where predictions begin with the last token, whatever else was
/// observed.
pub fn adaln_zero_blocks_are_the_identity<F: Factory>() {
    F::with(|b| {
        for_all(24, (model::sizes(), model::kinds(), any::<u64>()), |(sizes, kind, seed)| {
            let draw = Draw::new(seed);
            let mut config = model::config(&draw, sizes, kind);
            config.initialization = Initialization::AdalnZero;
            config.condition = Conditioning::All;
            config.update = UpdateRule::Mirror;
            let layout = ParameterLayout::new(&config);
            let start = |(id, e): (usize, &ebt_core::parameters::ParameterInfo)| {
                let value = e.initial(id, seed);
                Mat::new(e.rows, e.columns, (0..e.len()).map(|i| f64::from(value(i) as f32)).collect())
            };
            let mut weights: Vec<Mat> = layout.entries.iter().enumerate().map(start).collect();
            let sequences = model::sequences(&draw, sizes);
            let initial = draw.matrix(sequences.tokens.len(), sizes.vocab);
            let run = |weights: &[Mat]| {
                let trainer = model::trainer(b, &config, &Objective::default(), weights);
                model::with_rollout(b, &trainer, &sequences, seed, |rollout, _| {
                    oracle::loss(rollout, &sequences.targets, &initial, None)
                })
            };
            let still = run(&weights);
            for e in &still.energies {
                ensure(e.data.iter().all(|&x| x == 0.0), || format!("energies {:?}", e.data))?;
            }
            same_bits("the last state", still.trajectory.last.as_ref().expect("a state"), &initial)?;
            let head = draw.matrix(1, config.dim);
            weights[layout.energy.expect("an energy model").head] = head.clone();
            let energies = &run(&weights).energies[0];
            let (vocabulary, embedding) = (&weights[layout.vocabulary], &weights[layout.embedding]);
            let last = |i: usize, d: usize| match config.last_token {
                true => embedding.row(sequences.tokens[i] as usize)[d],
                false => 0.0,
            };
            let p = Mat::download(b, &b.softmax(&initial.upload(b)));
            let expected = (0..initial.rows).map(|i| {
                let mix = |d| last(i, d) + (0..sizes.vocab).map(|v| p.row(i)[v] * vocabulary.row(v)[d]).sum::<f64>();
                let x: Vec<f64> = (0..config.dim).map(mix).collect();
                let square = x.iter().map(|x| x * x).sum::<f64>() / config.dim as f64;
                (0..config.dim).map(|d| head.data[d] * x[d]).sum::<f64>() / (square + config.eps).sqrt()
            });
            let expected = Mat::new(initial.rows, 1, expected.collect());
            close("energies", energies, &expected, 10.0 * F::TOLERANCE.value)
        });
    });
}

/// Uniform gates are in balance: every block with experts has a balance loss of exactly `aux_coeff`, per
/// sequence or over the batch.
pub fn uniform_gates_owe_exactly_the_coefficient<F: Factory>() {
    F::with(|b| {
        for_all(24, (model::sizes(), any::<u64>()), |(sizes, seed)| {
            let draw = Draw::new(seed);
            let config = model::config(&draw, sizes, Kind::Experts);
            let mut weights = model::weights(&draw, &config);
            let mut blocks = 0;
            for block in &ParameterLayout::new(&config).blocks {
                if let FeedForwardIds::Mixture { gate, .. } = block.feed_forward {
                    weights[gate] = Mat::zeros(weights[gate].rows, weights[gate].columns);
                    blocks += 1;
                }
            }
            let mut trainer = model::trainer(b, &config, &Objective::default(), &weights);
            let sequences = model::sequences(&draw, sizes);
            let result = trainer.gradient(b, &sequences, &model::settings(seed), None, false);
            let report = result.map_err(|e| e.to_string())?.0;
            close_number("balance", report.balance, 0.5 * f64::from(blocks), 10.0 * F::TOLERANCE.value)
        });
    });
}

/// With `condition = predictions` the observed keys and values are the same on every landscape; with `all` they are not.
pub fn an_unconditioned_observed_stream_serves_every_landscape<F: Factory>() {
    F::with(|b| {
        for_all(24, (model::sizes(), model::kinds(), any::<bool>(), any::<u64>()), |(mut sizes, kind, all, seed)| {
            sizes.landscapes = 2;
            let draw = Draw::new(seed);
            let mut config = model::config(&draw, sizes, kind);
            config.condition = if all { Conditioning::All } else { Conditioning::Predictions };
            let objective = Objective { initial: InitialState::Zeros, ..Objective::default() };
            let trainer = model::trainer(b, &config, &objective, &model::weights(&draw, &config));
            let sequences = model::sequences(&draw, sizes);
            model::with_rollout(b, &trainer, &sequences, seed, |rollout, _| {
                let memory = |s| {
                    let (condition, _) = rollout::condition_of(&rollout, s);
                    rollout::observe(&rollout, &condition)
                        .memory
                        .iter()
                        .map(|m| Mat::download(b, m))
                        .collect::<Vec<_>>()
                };
                ensure((memory(0) != memory(1)) == all, || format!("conditioning all = {all}"))
            })
        });
    });
}
