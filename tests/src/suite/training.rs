//! Whole training steps: against the reference, on a problem small enough to learn, and when refused.

use ebt_core::compute::Backend;
use ebt_core::config::{Config, ModelKind, UpdateRule};
use ebt_core::error::Error;
use ebt_core::objective::{Flow, Objective};
use ebt_core::optimizer::{Optimizer, OptimizerConfig, OptimizerKind};
use ebt_core::parameters::{FeedForwardIds, ParameterLayout};
use ebt_core::training::{Sequences, StepSettings, Trainer};
use proptest::prelude::*;

use crate::compare::{close_number, ensure};
use crate::factory::Reference64;
use crate::model::{self, Kind};
use crate::{Draw, Factory, Mat, close, for_all};

/// Loss and every parameter gradient of random models (kinds, rules, flows) equal the reference's.
pub fn loss_and_gradients_equal_the_reference<F: Factory>() {
    fn run<B: Backend>(
        b: &B,
        (config, objective, weights): (&Config, &Objective, &[Mat]),
        (sequences, initial, seed): (&Sequences, &Mat, u64),
    ) -> Result<(f64, Vec<Mat>), String> {
        let mut trainer = model::trainer(b, config, objective, weights);
        let initial = Some(initial.data.as_slice());
        let result = trainer.gradient(b, sequences, &model::settings(seed), initial, false);
        let report = result.map_err(|e| e.to_string())?.0;
        Ok((report.loss, trainer.gradients().iter().map(|g| Mat::download(b, g)).collect()))
    }
    let strategy = (model::sizes(), model::kinds(), model::rules(), any::<bool>(), model::families(), any::<u64>());
    F::with(|b| {
        Reference64::with(|r| {
            for_all(48, strategy, |(sizes, kind, rule, unrolled, family, seed)| {
                let draw = Draw::new(seed);
                let (config, sequences) = model::of_family(&draw, family, sizes, kind, rule);
                let flow = if unrolled { Flow::Unrolled } else { Flow::Detached };
                let objective = Objective { flow, alpha_jitter: 1.5, ..Objective::default() };
                let weights = model::weights(&draw, &config);
                let initial = draw.matrix(sequences.targets.len(), sizes.vocab);
                let (setup, batch) = ((&config, &objective, weights.as_slice()), (&sequences, &initial, seed));
                let (loss, grads) = run(b, setup, batch)?;
                let (want, want_grads) = run(r, setup, batch)?;
                close_number("loss", loss, want, F::TOLERANCE.model)?;
                let layout = ParameterLayout::new(&config);
                for ((e, g), w) in layout.entries.iter().zip(&grads).zip(&want_grads) {
                    close(&e.name, g, w, F::TOLERANCE.model)?;
                }
                Ok(())
            });
        })
    });
}

fn tiny(kind: ModelKind, update: UpdateRule) -> Config {
    Config { kind, update, vocab: 7, dim: 8, layers: 1, heads: 2, ffn: 8, context: 6, alpha: 10.0, ..Config::default() }
}

fn cycle(config: &Config) -> Sequences {
    let n = 2 * config.context;
    let tokens: Vec<u32> = (0..n).map(|i| (i * 3 % config.vocab) as u32).collect();
    let targets = tokens.iter().map(|&t| (t + 3) % config.vocab as u32).collect();
    Sequences { batch: 2, context: config.context, tokens, targets, ..Sequences::default() }
}

/// Thirty steps on one batch take a third off the loss: every update rule, both flows, the baseline.
pub fn a_tiny_problem_is_learned<F: Factory>() {
    F::with(|b| {
        let learn = |config: Config, flow: Flow, kind: OptimizerKind| {
            let what = format!("{:?} {:?} {flow:?} {kind:?}", config.kind, config.update);
            let objective = Objective { flow, learn_alpha: false, ..Objective::default() };
            let sequences = cycle(&config);
            let optimizer = OptimizerConfig { kind, ..OptimizerConfig::default() };
            let mut trainer = Trainer::new(b, config, objective, optimizer, 11).expect("a valid model");
            let mut losses = Vec::new();
            for step in 0..30 {
                let settings = StepSettings { seed: 5, step, rate: 0.03, micro_batch: 2, ema_decay: 0.9, part: None };
                losses.push(trainer.step(b, &sequences, &settings).expect("a step").loss);
            }
            let (start, end) = (losses[0], losses[27..].iter().sum::<f64>() / 3.0);
            assert!(end < 0.67 * start, "{what}: from {start} to {end}");
        };
        for &(.., rule) in UpdateRule::ALL {
            learn(tiny(ModelKind::Ebt, rule), Flow::Detached, OptimizerKind::AdamW);
        }
        learn(tiny(ModelKind::Ebt, UpdateRule::Mirror), Flow::Unrolled, OptimizerKind::AdamW);
        learn(tiny(ModelKind::Transformer, UpdateRule::Probability), Flow::Detached, OptimizerKind::AdamW);
        learn(tiny(ModelKind::Ebt, UpdateRule::Mirror), Flow::Detached, OptimizerKind::Muon);
        learn(tiny(ModelKind::Transformer, UpdateRule::Probability), Flow::Detached, OptimizerKind::Muon);
    });
}

/// A loss that is not finite, or a token outside the vocabulary, is an error, and the weights are those of before.
pub fn a_refused_step_leaves_the_weights<F: Factory>() {
    F::with(|b| {
        let config = tiny(ModelKind::Ebt, UpdateRule::Probability);
        let good = cycle(&config);
        let draw = Draw::new(3);
        let mut weights = model::weights(&draw, &config);
        let settings = StepSettings { seed: 5, step: 0, rate: 0.02, micro_batch: 1, ema_decay: 0.9, part: None };
        for (broken, kind) in
            [false, true].into_iter().flat_map(|b| [OptimizerKind::AdamW, OptimizerKind::Muon].map(|k| (b, k)))
        {
            let mut sequences = good.clone();
            if broken {
                let id = weights.len() - 2;
                weights[id].data[0] = f64::NAN;
            } else {
                sequences.tokens[3] = 7;
            }
            let mut trainer = model::trainer(b, &config, &Objective::default(), &weights);
            trainer.optimizer_config.kind = kind;
            // an overflow of a loss scale skips steps until no smaller scale is left
            let mut tries = 0..if b.needs_loss_scale() && broken { 99 } else { 1 };
            let error = tries
                .find_map(|_| match trainer.step(b, &sequences, &settings) {
                    Ok(report) => {
                        assert!(report.skipped && trainer.optimizer.updates == 0, "{report:?}");
                        None
                    }
                    Err(error) => Some(error),
                })
                .expect("a refusal");
            let expected =
                if broken { matches!(error, Error::NonFinite { .. }) } else { matches!(error, Error::Token { .. }) };
            assert!(expected, "{error:?}");
            for (w, before) in trainer.weights.iter().zip(&weights) {
                let same = Mat::download(b, w).data.iter().zip(&before.data).all(|(a, b)| a == b || b.is_nan());
                assert!(same, "a weight changed");
            }
            let moments = trainer.optimizer.first.iter().chain(&trainer.optimizer.second);
            assert!(moments.flat_map(|m| Mat::download(b, m).data).all(|x| x == 0.0), "a moment changed");
        }
    });
}

/// Auxiliary-loss-free balancing moves every routing bias by its rate against the load error of its expert, the gradient
/// never moves it; the average of the weights warms up from a tenth.
pub fn routing_biases_follow_the_load_and_averages_warm_up<F: Factory>() {
    F::with(|b| {
        for_all(16, (model::sizes(), any::<u64>()), |(sizes, seed)| {
            let draw = Draw::new(seed);
            let mut config = model::config(&draw, sizes, Kind::Experts);
            let first = config.moe.as_mut().map_or(0, |m| {
                m.bias_rate = 0.25;
                m.first_dense
            });
            let weights = model::weights(&draw, &config);
            let mut trainer = model::trainer(b, &config, &Objective::default(), &weights);
            let sequences = model::sequences(&draw, sizes);
            let report = trainer.step(b, &sequences, &model::settings(seed)).map_err(|e| e.to_string())?;
            let layout = ParameterLayout::new(&config);
            for (block, load) in layout.blocks[first..].iter().zip(&report.load) {
                let FeedForwardIds::Mixture { bias, .. } = block.feed_forward else { return Err("no experts".into()) };
                let mean = load.iter().sum::<f64>() / load.len() as f64;
                let nudge = |l: &f64| if *l == mean { 0.0 } else { 0.25 * (mean - l).signum() };
                let want = Mat::new(1, load.len(), load.iter().map(nudge).collect());
                close("routing bias", &Mat::download(b, &trainer.weights[bias]), &want, F::TOLERANCE.value)?;
            }
            for ((old, new), average) in weights.iter().zip(&trainer.weights).zip(&trainer.average.weights) {
                let new = Mat::download(b, new);
                // keep = min(0.9, 1 / 10)
                let want = old.plus(0.9, &new.plus(-1.0, old));
                close("average", &Mat::download(b, average), &want, 3.0 * F::TOLERANCE.value)?;
            }
            Ok(())
        });
    });
}

/// The token embedding, AdaLN and `alpha` learn at their own multiples of the rate, and nothing else does.
pub fn parts_learn_at_rates_of_their_own<F: Factory>() {
    F::with(|b| {
        for_all(16, (model::sizes(), model::kinds(), any::<u64>(), any::<bool>()), |(sizes, kind, seed, muon)| {
            let draw = Draw::new(seed);
            let config = model::config(&draw, sizes, kind);
            let (weights, sequences) = (model::weights(&draw, &config), model::sequences(&draw, sizes));
            let changes = |[embedding_rate, adaln_rate, alpha_rate]: [f64; 3]| {
                let mut trainer = model::trainer(b, &config, &Objective::default(), &weights);
                let kind = if muon { OptimizerKind::Muon } else { OptimizerKind::AdamW };
                let own =
                    OptimizerConfig { kind, embedding_rate, adaln_rate, alpha_rate, ..OptimizerConfig::default() };
                trainer.optimizer_config = own;
                let settings = StepSettings { rate: 0.125, ..model::settings(seed) };
                trainer.step(b, &sequences, &settings).map_err(|e| e.to_string())?;
                let after = trainer.weights.iter().map(|w| Mat::download(b, w));
                Ok::<Vec<Mat>, String>(after.zip(&weights).map(|(new, old)| new.plus(-1.0, old)).collect())
            };
            let (plain, own) = (changes([1.0; 3])?, changes([0.5, 0.25, 0.75])?);
            let layout = ParameterLayout::new(&config);
            let alpha = layout.energy.as_ref().map(|energy| energy.alpha);
            for (id, (entry, (plain, own))) in layout.entries.iter().zip(plain.iter().zip(&own)).enumerate() {
                let adaln = entry.name == "time" || entry.name.contains("modulation");
                let factor = match id {
                    _ if id == layout.embedding => 0.5,
                    _ if Some(id) == alpha => 0.75,
                    _ if adaln => 0.25,
                    _ => 1.0,
                };
                let want = Mat::new(entry.rows, entry.columns, plain.data.iter().map(|x| factor * x).collect());
                close(&entry.name, own, &want, 3.0 * F::TOLERANCE.value)?;
            }
            Ok(())
        });
    });
}

/// What is frozen keeps weights, averages and moments to the bit, whatever moves the rest, routing biases and the step size included;
/// the rest moves, and the norm of the gradient is that of the rest.
pub fn frozen_parameters_keep_their_bits<F: Factory>() {
    fn all<B: Backend>(b: &B, trainer: &Trainer<B>, id: usize) -> [Vec<f64>; 4] {
        let Optimizer { first, second, .. } = &trainer.optimizer;
        [&trainer.weights, &trainer.average.weights, first, second].map(|list| Mat::download(b, &list[id]).data)
    }
    F::with(|b| {
        for_all(8, (model::sizes(), any::<u64>(), any::<bool>()), |(sizes, seed, muon)| {
            let draw = Draw::new(seed);
            let mut config = model::config(&draw, sizes, Kind::Experts);
            config.moe.iter_mut().for_each(|moe| moe.bias_rate = 0.25);
            let weights = model::weights(&draw, &config);
            let mut trainer = model::trainer(b, &config, &Objective::default(), &weights);
            trainer.optimizer_config.kind = if muon { OptimizerKind::Muon } else { OptimizerKind::AdamW };
            trainer.frozen = (0..weights.len()).filter(|id| seed >> (id % 64) & 1 == 1).collect();
            let before: Vec<_> = (0..weights.len()).map(|id| all(b, &trainer, id)).collect();
            let sequences = model::sequences(&draw, sizes);
            let (mut norm, mut scale) = (0.0, 1.0);
            for step in 0..2 {
                let settings = StepSettings { step, rate: 1e-2, ..model::settings(seed) };
                let report = trainer.step(b, &sequences, &settings).map_err(|e| e.to_string())?;
                // gradients are left as large as the loss was scaled
                scale = report.loss_scale.map_or(1.0, |scale| scale.outer.factor);
                norm = report.gradient_norm;
            }
            let mut squares = 0.0;
            for (id, before) in before.iter().enumerate() {
                let after = all(b, &trainer, id);
                if trainer.frozen.contains(&id) {
                    ensure(after == *before, || format!("{} changed", trainer.layout.entries[id].name))?;
                    continue;
                }
                let square: f64 = Mat::download(b, &trainer.gradients()[id]).data.iter().map(|x| x * x).sum();
                ensure(square < 1e-12 || after[0] != before[0], || format!("parameter {id} stands still"))?;
                squares += square;
            }
            close_number("norm of what is trained", norm, squares.sqrt() / scale, F::TOLERANCE.model)
        });
    });
}

/// The buffer fills with last states; once full, its share of a batch continues from it, and goes back to its slot.
pub fn rollouts_continue_from_the_replay_buffer<F: Factory>() {
    F::with(|b| {
        for_all(8, (2..=4usize, 1..=4usize, any::<u64>()), |(batch, micro_batch, seed)| {
            let config = tiny(ModelKind::Ebt, UpdateRule::Mirror);
            let objective = Objective { replay: batch, replay_share: 0.5, ..Objective::default() };
            let draw = Draw::new(seed);
            let weights = model::weights(&draw, &config);
            let sizes = model::Sizes { batch, context: 6, layers: 1, landscapes: 2, vocab: 7 };
            let mut trainer = model::trainer(b, &config, &objective, &weights);
            let mut whole = model::trainer(b, &config, &objective, &weights);
            for step in 0..3u32 {
                let sequences = model::sequences(&draw, sizes);
                let at = |micro_batch| StepSettings { seed, step, rate: 0.0, micro_batch, ema_decay: 0.9, part: None };
                let before = trainer.replay[0].clone();
                let report = trainer.step(b, &sequences, &at(micro_batch)).map_err(|e| e.to_string())?;
                let other = whole.step(b, &sequences, &at(batch)).map_err(|e| e.to_string())?;
                close_number("loss by micro-batches", report.loss, other.loss, F::TOLERANCE.model)?;
                ensure(trainer.replay[0].len() == batch, || format!("{} remembered", trainer.replay[0].len()))?;
                let wanted = before.wanted(batch, 0.5);
                ensure(wanted == if step == 0 { 0 } else { batch / 2 }, || format!("{wanted} wanted at {step}"))?;
                for slot in before.choose((seed, step, 0), wanted) {
                    let (old, new) = (before.get(slot), trainer.replay[0].get(slot));
                    let (Some(old), Some(new)) = (old, new) else { return Err(format!("slot {slot} is gone")) };
                    // a fresh sequence may have taken the slot afterwards
                    let fresh = (0..batch - wanted).any(|i| sequences.slice(i, 1).tokens == new.tokens);
                    ensure(fresh || new.tokens == old.tokens, || format!("slot {slot} holds other tokens"))?;
                    ensure(new.state != old.state, || format!("slot {slot} did not move"))?;
                }
                for slot in 0..batch {
                    let (a, o) = (trainer.replay[0].get(slot), whole.replay[0].get(slot));
                    let state = |m: Option<&ebt_core::descent::replay_buffer::ReplayEntry>| {
                        let m = m.expect("a full buffer");
                        Mat::new(1, m.state.len(), m.state.iter().map(|&x| f64::from(x)).collect())
                    };
                    close("states by micro-batches", &state(a), &state(o), F::TOLERANCE.model.max(1e-6))?;
                }
            }
            Ok(())
        });
    });
}
