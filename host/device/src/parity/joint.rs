//! What golden cases of joint energies hold beyond those of causal ones, and how states of problems are compared.
//!
//! Of a state or a direction only differences between the tokens of a choice matter. What is compared is the canonical form: at
//! positions with a choice the value less its mean over the tokens that are allowed, 0 everywhere else.

use anyhow::Result;
use ebt_core::compute::Backend;
use ebt_core::config::{Config, Head};
use ebt_core::descent::rollout::{self, Rollout};
use ebt_core::dual::{Dual, DualTensor};
use ebt_core::energy::{self, Prediction};
use ebt_core::training::{DeviceSequences, Trainer};
use ebt_model::TensorFile;

use super::batch;
use super::case::{Case, scalar, tensor};
use super::errors::{Outcome, download};

/// What the reference says of problems, row-major; all but the first empty where there is no energy.
#[derive(Debug, Default)]
pub struct ExpectedJoint {
    /// Lyapunov part of the loss `(1)`.
    pub lyapunov: Vec<f64>,
    /// Free energies `F = E + tau sum P log P` before every step and after the last `(S + 1, B)`.
    pub free_energies: Vec<f64>,
    /// Dissipations `sum Var_P(G + tau Y)` before every step `(S, B)`.
    pub dissipations: Vec<f64>,
    /// Entropies `-sum P log P` before every step `(S, B)`.
    pub entropies: Vec<f64>,
    /// A direction `u` and `H u` at the initial state, `H` the Hessian of the energy by `P`, each `(B, T, V)`.
    pub curvature: Option<[Vec<f64>; 2]>,
}

impl ExpectedJoint {
    /// The tensors that [`ExpectedJoint::read`] reads, with those of the batch.
    pub(super) const NAMES: &[&str] = &[
        "case.allowed",
        "case.starts",
        "case.hvp_u",
        "expect.hvp",
        "expect.lyapunov",
        "expect.free_energies",
        "expect.dissipations",
        "expect.entropies",
    ];
    /// The same of a model without an energy.
    pub(super) const NAMES_WITHOUT_ENERGY: &[&str] = &["case.allowed", "case.starts", "expect.lyapunov"];

    /// Reads a case of `steps` steps, `batch` problems and `context` positions.
    ///
    /// # Errors
    ///
    /// Tensors that are missing or misshapen.
    pub(super) fn read(file: &TensorFile, config: &Config, [steps, batch, context]: [usize; 3]) -> Result<Self> {
        let lyapunov = scalar(file, "expect.lyapunov")?;
        if config.head != Head::Energy {
            return Ok(Self { lyapunov, ..Self::default() });
        }
        let shape = [batch, context, config.vocab];
        let curvature =
            |_| -> Result<_> { Ok([tensor(file, "case.hvp_u", &shape)?, tensor(file, "expect.hvp", &shape)?]) };
        Ok(Self {
            lyapunov,
            free_energies: tensor(file, "expect.free_energies", &[steps + 1, batch])?,
            dissipations: tensor(file, "expect.dissipations", &[steps, batch])?,
            entropies: tensor(file, "expect.entropies", &[steps, batch])?,
            curvature: file.shape("case.hvp_u").map(curvature).transpose()?,
        })
    }
}

/// What a backend makes of a joint energy outside of a rollout.
#[derive(Debug, Default)]
pub(super) struct Probed {
    /// Energies after the last step `(B, T)`.
    last: Vec<f64>,
    /// `H u (B, T, V)` at the initial state; empty where the case has no direction.
    curvature: Vec<f64>,
}

/// Evaluates the energy of a case at `last (B T, V)`, and its Hessian at the initial state.
///
/// # Errors
///
/// A batch that the model does not take.
pub(super) fn probe<B: Backend>(b: &B, trainer: &Trainer<B>, case: &Case, last: &B::Array) -> Result<Probed> {
    let device = DeviceSequences::upload(b, &trainer.config, &case.sequences)?;
    let rollout = Rollout {
        b,
        model: trainer.model(),
        geometry: device.geometry(&trainer.config),
        tokens: device.tokens(),
        problems: device.problems(),
        objective: &trainer.objective,
        seed: 0,
        step: 0,
        first_row: 0,
        steps: case.objective.min_steps,
        scaling: None,
    };
    let (condition, _) = rollout::condition_of(&rollout, 0);
    let observed = rollout::observe(&rollout, &condition);
    let at_last = rollout::evaluate(&rollout, &condition, &observed, last, false);
    let mut probed = Probed { last: download(b, &[at_last.energy]), curvature: Vec::new() };
    if let Some([u, _]) = case.expected.joint.as_ref().and_then(|joint| joint.curvature.as_ref()) {
        let (n, v) = (rollout.geometry.shape.rows(), trainer.config.vocab);
        let p = rollout.distribution(&rollout.masked(b.upload_f64(n, v, &case.initial)));
        let tangent = Some(rollout.mix(&b.upload_f64(n, v, u)));
        let point = DualTensor { value: rollout.mix_distribution(&p), tangent };
        let memory = &observed.memory;
        let x = Prediction { model: rollout.model, geometry: rollout.geometry, condition: &condition, memory };
        let dual = Dual::new(b);
        let (_, saved) = energy::forward(&dual, &x, &point);
        let dp = energy::backward(&dual, &x, &saved, &rollout.present(), None);
        probed.curvature = dp.tangent.map_or_else(Vec::new, |dp| download(b, &[rollout.unmix(&dp)]));
    }
    Ok(probed)
}

/// The choices of a case, and what its states and directions say of them.
#[derive(Debug)]
pub(super) struct Choices {
    vocab: usize,
    context: usize,
    tokens: Vec<Vec<usize>>,
}

impl Choices {
    pub(super) fn of(case: &Case) -> Self {
        let (vocab, context) = (case.config.vocab, case.sequences.context);
        Self { vocab, context, tokens: batch::choices(&case.sequences, vocab) }
    }

    /// Values `(.., B, T, V)` in canonical form.
    pub(super) fn canonical(&self, values: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; values.len()];
        let rows = values.chunks_exact(self.vocab).zip(out.chunks_exact_mut(self.vocab));
        for ((row, out), tokens) in rows.zip(self.tokens.iter().cycle()) {
            let mean = tokens.iter().map(|&token| row[token]).sum::<f64>() / tokens.len() as f64;
            tokens.iter().for_each(|&token| out[token] = row[token] - mean);
        }
        out
    }

    /// Sums `(.., B)` of numbers of positions `(.., B, T)`.
    fn by_problem(&self, positions: impl Iterator<Item = f64>) -> Vec<f64> {
        let all: Vec<f64> = positions.collect();
        all.chunks_exact(self.context).map(|problem| problem.iter().sum()).collect()
    }

    /// What `measure` says of the probabilities and log probabilities of every choice and of the same tokens of `values`,
    /// summed over every problem; states and values are `(.., B, T, V)`.
    fn measure(&self, states: &[f64], values: &[f64], measure: impl Fn(&[[f64; 3]]) -> f64) -> Vec<f64> {
        let rows = states.chunks_exact(self.vocab).zip(values.chunks_exact(self.vocab));
        self.by_problem(rows.zip(self.tokens.iter().cycle()).map(|((state, values), tokens)| {
            let most = tokens.iter().map(|&token| state[token]).fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = tokens.iter().map(|&token| (state[token] - most).exp()).sum();
            let of = |&token: &usize| {
                let log = state[token] - most - sum.ln();
                [log.exp(), log, values[token]]
            };
            measure(&tokens.iter().map(of).collect::<Vec<_>>())
        }))
    }

    fn entropies(&self, states: &[f64]) -> Vec<f64> {
        self.measure(states, states, |choice| -choice.iter().map(|[p, log, _]| p * log).sum::<f64>())
    }

    fn variances(&self, states: &[f64], values: &[f64]) -> Vec<f64> {
        self.measure(states, values, |choice| {
            let mean: f64 = choice.iter().map(|[p, _, x]| p * x).sum();
            choice.iter().map(|[p, _, x]| p * (x - mean) * (x - mean)).sum()
        })
    }
}

/// Quantities `(name, ours, theirs)` of a case of problems whose names are not those of every case. The states of `outcome` are
/// those after every step.
pub(super) fn quantities<'a>(
    case: &'a Case,
    theirs: &'a ExpectedJoint,
    outcome: &Outcome,
) -> Vec<(&'static str, Vec<f64>, Vec<f64>)> {
    let choices = Choices::of(case);
    let mut all = vec![
        ("lyapunov", vec![outcome.report.extra], theirs.lyapunov.clone()),
        ("states", choices.canonical(&outcome.states), choices.canonical(&case.expected.states)),
    ];
    let Some(probed) = &outcome.probed else { return all };
    let before = [&case.initial, &outcome.states[..outcome.states.len() - case.initial.len()]].concat();
    let visited = [&case.initial[..], &outcome.states].concat();
    let tau = case.config.tau;
    let gradients: Vec<f64> = outcome.directions.iter().zip(&before).map(|(d, y)| d - tau * y).collect();
    let energies = outcome.energies.iter().chain(&probed.last).copied();
    let entropies = choices.entropies(&visited);
    let free = choices.by_problem(energies).iter().zip(&entropies).map(|(e, h)| e - tau * h).collect();
    all.extend([
        ("energies", outcome.energies.clone(), case.expected.energies.clone()),
        ("gradients", choices.canonical(&gradients), choices.canonical(&case.expected.gradients)),
        ("free_energies", free, theirs.free_energies.clone()),
        ("dissipations", choices.variances(&before, &outcome.directions), theirs.dissipations.clone()),
        ("entropies", entropies[..entropies.len() - case.sequences.batch].to_vec(), theirs.entropies.clone()),
    ]);
    if let Some([_, hu]) = &theirs.curvature {
        all.push(("hvp", choices.canonical(&probed.curvature), choices.canonical(hu)));
    }
    all
}
