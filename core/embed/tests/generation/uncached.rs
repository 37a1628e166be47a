//! The model as training computes it, in double precision.

use ebt_core::compute::{Backend, Compute};
use ebt_core::config::ModelKind;
use ebt_core::descent::rollout::{self, Rollout};
use ebt_core::dual::{Dual, DualTensor};
use ebt_core::energy::{self, Prediction};
use ebt_core::layer::{Geometry, Model};
use ebt_core::parameters::ParameterLayout;
use ebt_core::random::{Purpose, Stream};
use ebt_core::reference::{Arena, Reference};
use ebt_core::training::{DeviceSequences, NO_TARGET, Sequences};
use ebt_core::transformer;

use crate::model::Case;

fn sequences(case: &Case) -> Sequences {
    let context = case.tokens.len();
    Sequences {
        batch: 1,
        context,
        tokens: case.tokens.clone(),
        targets: vec![NO_TARGET; context],
        ..Sequences::default()
    }
}

fn arena() -> Arena<f64> {
    Arena::new(1 << 22, 1 << 16)
}

fn download<B: Backend>(b: &B, a: &B::Array) -> Vec<f64> {
    let (rows, columns) = b.shape(a);
    let mut out = vec![0.0; rows * columns];
    b.download_f64(a, &mut out);
    b.status().unwrap();
    out
}

/// Runs `body` on a rollout of the case.
fn with_rollout<R>(case: &Case, seed: u64, body: impl FnOnce(&Rollout<'_, Reference<'_, f64>>) -> R) -> R {
    let memory = arena();
    let b = &Reference::new(&memory);
    let layout = ParameterLayout::new(&case.config);
    let entries = layout.entries.iter().zip(&case.weights);
    let weights: Vec<_> = entries.map(|(e, w)| b.upload(e.rows, e.columns, w)).collect();
    let model = Model { config: &case.config, layout: &layout, weights: &weights };
    let device = DeviceSequences::upload(b, &case.config, &sequences(case)).unwrap();
    let geometry: Geometry<'_, _> = device.geometry(&case.config);
    let objective = &case.objective;
    let tokens = device.tokens();
    body(&Rollout {
        b,
        model,
        geometry,
        tokens,
        problems: None,
        objective,
        seed,
        step: 0,
        first_row: 0,
        steps: case.steps,
        scaling: None,
    })
}

/// Logits after the last step and energies before every step, at every position.
pub struct Uncached {
    vocab: usize,
    logits: Vec<f64>,
    energies: Vec<Vec<f64>>,
}

impl Uncached {
    pub fn run(case: &Case, seed: u64) -> Self {
        with_rollout(case, seed, |rollout| {
            let (b, vocab) = (rollout.b, case.config.vocab);
            if case.config.kind == ModelKind::Transformer {
                let logits = transformer::forward(b, rollout.model, rollout.geometry, rollout.tokens).0;
                return Self { vocab, logits: download(b, &logits), energies: Vec::new() };
            }
            let alphas = rollout.step_sizes(&rollout.alpha().0);
            let (mut y, mut energies) = (rollout.initial(), Vec::new());
            for i in 0..case.steps {
                let (condition, _) = rollout::condition_of(rollout, rollout.landscape(i));
                let observed = rollout::observe(rollout, &condition);
                let at = rollout::evaluate(rollout, &condition, &observed, &y, false);
                energies.push(download(b, &at.energy));
                y = rollout::advance(rollout, y, &at, &alphas);
            }
            Self { vocab, logits: download(b, &y), energies }
        })
    }

    pub fn energies(&self, position: usize) -> Vec<f64> {
        self.energies.iter().map(|e| e[position]).collect()
    }

    pub fn logits(&self, position: usize) -> &[f64] {
        &self.logits[position * self.vocab..][..self.vocab]
    }

    pub fn loss(&self, position: usize, token: u32) -> f64 {
        let y = self.logits(position);
        let top = y.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        y.iter().map(|x| (x - top).exp()).sum::<f64>().ln() + top - y[token as usize]
    }
}

/// Energy, gradient and Hessian-vector product of the last position.
pub struct Curvature {
    pub p: Vec<f64>,
    pub u: Vec<f64>,
    pub energy: f64,
    pub g: Vec<f64>,
    pub hu: Vec<f64>,
}

/// At a random distribution, along a random direction.
pub fn curvature(case: &Case, landscape: usize, seed: u64) -> Curvature {
    with_rollout(case, seed, |rollout| {
        let (b, v, last) = (rollout.b, case.config.vocab, case.tokens.len() - 1);
        let stream = Stream::new(seed, 7, Purpose::Test);
        let weights: Vec<f64> = (0..v as u64).map(|i| stream.normal(i).exp()).collect();
        let p: Vec<f64> = weights.iter().map(|w| f64::from((w / weights.iter().sum::<f64>()) as f32)).collect();
        let u: Vec<f64> = (0..v as u64).map(|i| f64::from(stream.normal(1000 + i) as f32)).collect();
        let everywhere = |row: &[f64]| {
            b.upload(case.tokens.len(), v, &row.iter().map(|&x| x as f32).collect::<Vec<_>>().repeat(case.tokens.len()))
        };
        let (condition, _) = rollout::condition_of(rollout, landscape);
        let observed = rollout::observe(rollout, &condition);
        let x = Prediction {
            model: rollout.model,
            geometry: rollout.geometry,
            condition: &condition,
            memory: &observed.memory,
        };
        let d = Dual::new(b);
        let point = DualTensor { value: rollout.mix(&everywhere(&p)), tangent: Some(rollout.mix(&everywhere(&u))) };
        let (energy, saved) = energy::forward(&d, &x, &point);
        let ones = b.fill(case.tokens.len(), 1, 1.0);
        let dp = energy::backward(&d, &x, &saved, &ones, None);
        let of_last = |a: Vec<f64>| a[last * v..][..v].to_vec();
        Curvature {
            energy: download(b, &energy.value)[last],
            g: of_last(download(b, &rollout.unmix(&dp.value))),
            hu: of_last(download(b, &rollout.unmix(&dp.tangent.unwrap()))),
            p,
            u,
        }
    })
}
