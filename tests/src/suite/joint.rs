//! Identities of joint energies.

use ebt_core::compute::{Backend, Compute};
use ebt_core::config::{Config, JointConfig, Positions, RelationKind, UpdateRule};
use ebt_core::descent::rollout::{self, Rollout};
use ebt_core::objective::{InitialState, LossSteps, Objective};
use ebt_core::training::{NO_TARGET, Prior, Sequences};
use proptest::prelude::*;

use crate::compare::ensure;
use crate::model::{self, Kind, Sizes};
use crate::{Draw, Factory, Mat, close, for_all};

/// States and energies of a rollout from zeros, `(n,V)` and `(n,1)` of every step.
fn run<B: Backend>(b: &B, config: &Config, weights: &[Mat], problems: &Sequences, steps: usize) -> Vec<[Mat; 2]> {
    let objective =
        Objective { initial: InitialState::Zeros, min_steps: steps, max_steps: steps, ..Objective::default() };
    let trainer = model::trainer(b, config, &objective, weights);
    model::with_rollout(b, &trainer, problems, 1, |rollout: Rollout<'_, B>, _| {
        let alphas = rollout.step_sizes(&rollout.alpha().0);
        let (condition, _) = rollout::condition_of(&rollout, 0);
        let observed = rollout::observe(&rollout, &condition);
        let mut y = rollout.masked(rollout.initial());
        let step = |_| {
            let at = rollout::evaluate(&rollout, &condition, &observed, &y, false);
            y = rollout::advance(&rollout, y.clone(), &at, &alphas);
            [Mat::download(b, &b.softmax(&y)), Mat::download(b, &at.energy)]
        };
        (0..steps).map(step).collect()
    })
}

/// A random joint model and one with the same weights at other settings of positions.
fn joint(draw: &Draw, sizes: Sizes, kind: Kind, joint: JointConfig) -> (Config, Vec<Mat>) {
    let config = Config { update: UpdateRule::Mirror, ..model::config(draw, sizes, kind) };
    let config = Config { joint, ..model::joint(draw, config) };
    let weights = model::weights(draw, &config);
    (config, weights)
}

/// Rows of `m` in another order.
fn picked(m: &Mat, rows: &[usize]) -> Mat {
    Mat::new(rows.len(), m.columns, rows.iter().flat_map(|&i| m.row(i).to_vec()).collect())
}

/// Where positions are not told apart, problems in another order of positions have the same energies and answers in it.
pub fn the_order_of_positions_does_not_matter<F: Factory>() {
    F::with(|b| {
        for_all(24, (model::sizes(), any::<u64>()), |(sizes, seed)| {
            let draw = Draw::new(seed);
            let (mut config, weights) =
                joint(&draw, sizes, Kind::Dense, JointConfig { positions: Positions::None, ..JointConfig::default() });
            config.window = None;
            let problems = Sequences { starts: Vec::new(), ..model::problems(&draw, &config, sizes.batch) };
            let t = sizes.context;
            let mut order: Vec<usize> = (0..t).collect();
            (1..t).for_each(|i| order.swap(i, draw.below(i + 1)));
            let rows: Vec<usize> = (0..sizes.batch * t).map(|i| i / t * t + order[i % t]).collect();
            let words = config.set_words();
            let allowed = rows.iter().flat_map(|&i| problems.allowed[i * words..(i + 1) * words].to_vec()).collect();
            let targets = rows.iter().map(|&i| problems.targets[i]).collect();
            let moved = |&prior: &Prior| {
                let to = rows.iter().position(|&i| i == prior.at as usize);
                Prior { at: to.unwrap_or(0) as u32, ..prior }
            };
            let prior = problems.prior.iter().map(moved).collect();
            let other = Sequences { prior, ..Sequences::problems(sizes.batch, t, allowed, targets) };
            let (one, two) = (run(b, &config, &weights, &problems, 3), run(b, &config, &weights, &other, 3));
            for ([p, e], [other_p, other_e]) in one.iter().zip(&two) {
                close("energies", other_e, &picked(e, &rows), F::TOLERANCE.model)?;
                close("distributions", other_p, &picked(p, &rows), F::TOLERANCE.model)?;
            }
            Ok(())
        });
    });
}

/// A problem behind padding is the problem alone.
pub fn padding_changes_nothing<F: Factory>() {
    let kinds = prop::sample::select(&[Positions::Rotary, Positions::Learned, Positions::None][..]);
    F::with(|b| {
        for_all(24, (model::sizes(), kinds, 1..=3usize, any::<u64>()), |(sizes, positions, more, seed)| {
            let draw = Draw::new(seed);
            let longest = Sizes { context: sizes.context + more, batch: 1, ..sizes };
            let settings =
                JointConfig { positions, relations: RelationKind::Bias, distance: 2, ..JointConfig::default() };
            let (config, weights) = joint(&draw, longest, Kind::Dense, settings);
            let short = Config { context: sizes.context, ..config.clone() };
            let alone = Sequences { starts: Vec::new(), ..model::problems(&draw, &short, 1) };
            let words = config.set_words();
            let padded = Sequences {
                starts: vec![more as u32; longest.context],
                prior: alone.prior.iter().map(|&prior| Prior { at: prior.at + more as u32, ..prior }).collect(),
                ..Sequences::problems(
                    1,
                    longest.context,
                    [vec![0; more * words], alone.allowed.clone()].concat(),
                    [vec![NO_TARGET; more], alone.targets.clone()].concat(),
                )
            };
            let rows: Vec<usize> = (more..longest.context).collect();
            let one = run(b, &config, &weights, &alone, 3);
            for ([p, e], [padded_p, padded_e]) in one.iter().zip(run(b, &config, &weights, &padded, 3)) {
                close("energies", &picked(&padded_e, &rows), e, F::TOLERANCE.model)?;
                close("distributions", &picked(&padded_p, &rows), p, F::TOLERANCE.model)?;
                ensure(padded_e.data[..more].iter().all(|&e| e == 0.0), || String::from("padding has an energy"))?;
            }
            Ok(())
        });
    });
}

/// Tokens that are not allowed have the probability 0 after every step, and a given position its token.
pub fn sets_are_kept<F: Factory>() {
    F::with(|b| {
        for_all(24, (model::sizes(), model::kinds(), any::<u64>()), |(sizes, kind, seed)| {
            let draw = Draw::new(seed);
            let config = Config { update: UpdateRule::Mirror, ..model::config(&draw, sizes, kind) };
            let config = model::joint(&draw, config);
            let problems = model::problems(&draw, &config, sizes.batch);
            let padding = |i: usize| (i % sizes.context) < problems.starts[i] as usize;
            for [p, _] in run(b, &config, &model::weights(&draw, &config), &problems, 4) {
                for i in (0..p.rows).filter(|&i| !padding(i)) {
                    let set = problems.allowed[i * config.set_words()];
                    let outside = (0..config.vocab).filter(|v| set >> v & 1 == 0);
                    ensure(outside.clone().all(|v| p.row(i)[v] == 0.0), || format!("row {i}: {:?}", p.row(i)))?;
                    ensure(set.count_ones() > 1 || p.row(i)[set.trailing_zeros() as usize] == 1.0, || {
                        format!("row {i} is given: {:?}", p.row(i))
                    })?;
                }
            }
            Ok(())
        });
    });
}

/// Where `alpha tau = 1` a step replaces the state by `-alpha G`, relative to the prior, whatever it was.
pub fn a_whole_step_replaces_the_state<F: Factory>() {
    F::with(|b| {
        for_all(16, (model::sizes(), model::kinds(), any::<u64>()), |(sizes, kind, seed)| {
            let draw = Draw::new(seed);
            let config = Config { update: UpdateRule::Mirror, ..model::config(&draw, sizes, kind) };
            let config = Config { alpha: 2.0, tau: 0.5, ..model::joint(&draw, config) };
            let problems = model::problems(&draw, &config, sizes.batch);
            let trainer = model::trainer(b, &config, &Objective::default(), &model::weights(&draw, &config));
            model::with_rollout(b, &trainer, &problems, seed, |rollout, _| {
                let (condition, _) = rollout::condition_of(&rollout, 0);
                let observed = rollout::observe(&rollout, &condition);
                let y = rollout.masked(draw.matrix(problems.targets.len(), sizes.vocab).upload(b));
                let at = rollout::evaluate(&rollout, &condition, &observed, &y, false);
                let alphas = rollout.step_sizes(&rollout.alpha().0);
                let next = rollout.within(&rollout::advance(&rollout, y, &at, &alphas));
                let gradient = rollout.unmix(&at.dp);
                let within = rollout.problems.map(|problems| b.mul(&gradient, problems.allowed));
                let want = b.scale(&within.unwrap_or(gradient), -2.0);
                close("the state", &Mat::download(b, &next), &Mat::download(b, &want), F::TOLERANCE.model)
            })
        });
    });
}

/// A few boards of four cells whose unknown cell follows from the others are learned.
pub fn a_tiny_joint_problem_is_learned<F: Factory>() {
    F::with(|b| {
        let config = Config {
            kind: ebt_core::config::ModelKind::Joint,
            condition: ebt_core::config::Conditioning::None,
            vocab: 4,
            dim: 8,
            layers: 1,
            heads: 2,
            ffn: 8,
            context: 4,
            update: UpdateRule::Mirror,
            alpha: 1.0,
            tau: 1.0,
            joint: JointConfig { positions: Positions::Learned, ..JointConfig::default() },
            ..Config::default()
        };
        let objective = Objective {
            min_steps: 1,
            max_steps: 3,
            loss: LossSteps::Linear,
            initial: InitialState::Mixed,
            learn_alpha: false,
            ..Objective::default()
        };
        // position i holds (first + i) mod 4; the first is given, the second restricted
        let one = |first: u32| {
            let token = |i: u32| (first + i) % 4;
            let sets = [1 << token(0), 1 << token(1) | 1 << token(3), 15, 15];
            (sets, [NO_TARGET, token(1), token(2), token(3)])
        };
        let (allowed, targets): (Vec<_>, Vec<_>) = (0..4).map(one).unzip();
        let problems = Sequences::problems(4, 4, allowed.concat(), targets.concat());
        let draw = Draw::new(3);
        let mut trainer = model::trainer(b, &config, &objective, &model::weights(&draw, &config));
        let loss = |trainer: &mut ebt_core::training::Trainer<_>, step| {
            let settings = ebt_core::training::StepSettings { step, rate: 0.02, ..model::settings(1) };
            trainer.step(b, &problems, &settings).expect("a step").loss
        };
        let mean = |trainer: &mut _, steps: std::ops::Range<u32>| {
            let count = f64::from(steps.end - steps.start);
            steps.map(|step| loss(trainer, step)).sum::<f64>() / count
        };
        let first = mean(&mut trainer, 0..10);
        mean(&mut trainer, 10..290);
        let last = mean(&mut trainer, 290..300);
        assert!(last < 0.4 * first, "loss {first} became {last}");
    });
}
