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
use ebt_core::training::{DeviceSequences, NO_TARGET, Prior, Sequences};
use ebt_core::transformer;

use crate::model::Case;

fn sequences(case: &Case) -> Sequences {
    let context = case.tokens.len();
    if case.config.kind == ModelKind::Joint {
        let likely = case.prior.0.iter().zip(&case.prior.1).enumerate();
        let prior = likely.map(|(at, (&token, &logit))| Prior { at: at as u32, token, logit }).collect();
        let problems = Sequences::problems(1, context, case.allowed.clone(), vec![NO_TARGET; context]);
        return Sequences { prior, ..problems };
    }
    Sequences {
        batch: 1,
        context,
        tokens: case.tokens.clone(),
        targets: vec![NO_TARGET; context],
        ..Sequences::default()
    }
}

/// Room for a case; that of a long one takes a while to be cleared.
fn arena(case: &Case) -> Arena<f64> {
    let long = case.tokens.len() > 32;
    Arena::new(if long { 1 << 22 } else { 1 << 19 }, 1 << 16)
}

pub fn download<B: Backend>(b: &B, a: &B::Array) -> Vec<f64> {
    let (rows, columns) = b.shape(a);
    let mut out = vec![0.0; rows * columns];
    b.download_f64(a, &mut out);
    b.status().unwrap();
    out
}

/// Runs `body` on a rollout of the case.
pub fn with_rollout<R>(case: &Case, seed: u64, body: impl FnOnce(&Rollout<'_, Reference<'_, f64>>) -> R) -> R {
    let memory = arena(case);
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
        problems: device.problems(),
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

/// Energies `(n,1)`, gradients and Hessian-vector products `(n,V)` at `p (n,V)` along `u (n,V)`.
pub fn probe(rollout: &Rollout<'_, Reference<'_, f64>>, landscape: usize, p: &[f64], u: &[f64]) -> [Vec<f64>; 3] {
    let (b, v) = (rollout.b, rollout.model.config.vocab);
    let n = p.len() / v;
    let upload = |x: &[f64]| b.upload(n, v, &x.iter().map(|&x| x as f32).collect::<Vec<_>>());
    let (condition, _) = rollout::condition_of(rollout, landscape);
    let observed = rollout::observe(rollout, &condition);
    let (model, geometry) = (rollout.model, rollout.geometry);
    let x = Prediction { model, geometry, condition: &condition, memory: &observed.memory };
    let d = Dual::new(b);
    let point = DualTensor { value: rollout.mix(&upload(p)), tangent: Some(rollout.mix(&upload(u))) };
    let (energy, saved) = energy::forward(&d, &x, &point);
    let dp = energy::backward(&d, &x, &saved, &b.fill(n, 1, 1.0), None);
    let unmixed = |a: &_| download(b, &rollout.unmix(a));
    [download(b, &energy.value), unmixed(&dp.value), unmixed(&dp.tangent.unwrap())]
}

/// At a random distribution, along a random direction.
pub fn curvature(case: &Case, landscape: usize, seed: u64) -> Curvature {
    with_rollout(case, seed, |rollout| {
        let (v, last) = (case.config.vocab, case.tokens.len() - 1);
        let stream = Stream::new(seed, 7, Purpose::Test);
        let weights: Vec<f64> = (0..v as u64).map(|i| stream.normal(i).exp()).collect();
        let p: Vec<f64> = weights.iter().map(|w| f64::from((w / weights.iter().sum::<f64>()) as f32)).collect();
        let u: Vec<f64> = (0..v as u64).map(|i| f64::from(stream.normal(1000 + i) as f32)).collect();
        let everywhere = |row: &[f64]| row.repeat(case.tokens.len());
        let [energies, g, hu] = probe(rollout, landscape, &everywhere(&p), &everywhere(&u));
        let of_last = |a: Vec<f64>| a[last * v..][..v].to_vec();
        Curvature { energy: energies[last], g: of_last(g), hu: of_last(hu), p, u }
    })
}
