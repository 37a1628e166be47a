//! Random joint models with problems, and what double precision makes of them.

use ebt_core::compute::Compute;
use ebt_core::config::{Conditioning, Config, Grid, JointConfig, ModelKind, Positions, RelationKind, UpdateRule};
use ebt_core::descent::{recurrence, rollout};
use ebt_core::random::{Purpose, Stream};
use proptest::prelude::*;

use crate::model::{Case, mixtures};
use crate::uncached::{download, probe, with_rollout};

impl Case {
    /// Whether `token` is allowed in `cell`.
    pub fn allows(&self, cell: usize, token: usize) -> bool {
        self.allowed[cell * self.config.set_words() + token / 32] >> (token % 32) & 1 == 1
    }

    /// Whether a cell has one allowed token.
    pub fn given(&self, cell: usize) -> bool {
        (0..self.config.vocab).filter(|&token| self.allows(cell, token)).count() == 1
    }

    /// The cells that are not.
    pub fn unknown(&self) -> Vec<usize> {
        (0..self.tokens.len()).filter(|&cell| !self.given(cell)).collect()
    }

    /// The case with a problem of which its tokens are one answer: given, restricted and free cells, the last one free.
    pub fn with_problem(mut self, seed: u64) -> Self {
        let stream = Stream::new(seed, 2, Purpose::Test);
        let (words, vocab, cells) = (self.config.set_words(), self.config.vocab, self.tokens.len());
        self.allowed = vec![0; words * cells];
        for (cell, set) in self.allowed.chunks_exact_mut(words).enumerate() {
            let kind = if cell + 1 == cells { 2 } else { stream.below(cell as u64, 3) };
            for token in 0..vocab {
                let drawn = stream.below((1000 + cell * vocab + token) as u64, 2) == 0;
                if token == self.tokens[cell] as usize || kind == 2 || (kind == 1 && drawn) {
                    set[token / 32] |= 1 << (token % 32);
                }
            }
        }
        if stream.below(100_000, 2) == 0 {
            let logit = |cell: usize| (stream.normal(20_000 + cell as u64) * 2.0) as f32;
            self.prior =
                (self.tokens.clone(), (0..cells).map(|cell| if cell % 3 == 1 { 0.0 } else { logit(cell) }).collect());
        }
        self
    }

    /// The logit of the token that is held likely in a cell, and its place in a state.
    pub fn likely(&self, cell: usize) -> Option<(usize, f64)> {
        let (&token, &logit) = self.prior.0.get(cell).zip(self.prior.1.get(cell))?;
        Some((cell * self.config.vocab + token as usize, f64::from(logit)))
    }

    /// A model of nine cells.
    pub fn grid() -> Self {
        let grid = Some(Grid { rows: 2, columns: 4, box_rows: 2, box_columns: 2 });
        let joint = JointConfig { positions: Positions::Grid, relations: RelationKind::Bias, grid, distance: 0 };
        let config = Config {
            kind: ModelKind::Joint,
            condition: Conditioning::None,
            vocab: 5,
            dim: 8,
            heads: 2,
            ffn: 8,
            context: 8,
            update: UpdateRule::Mirror,
            alpha: 2.0,
            tau: 0.5,
            joint,
            ..Config::default()
        };
        Self::new(config, 5, 8).with_problem(5)
    }
}

/// Sizes of all kinds: positions and relations of every kind, windows, mixtures, with and without AdaLN, sets of several words.
pub fn joint_cases() -> impl Strategy<Value = Case> {
    let sizes = (3..40usize, 3..12usize, 1..3usize, 1..3usize, 1..3usize, 1..4usize, 3..10usize);
    let kinds = (prop::option::of(1..7usize), 1..3usize, any::<[bool; 2]>(), 0..UpdateRule::ALL.len(), mixtures());
    let joint = (0..4usize, 0..3usize, 1..4usize, (1..3usize, 1..3usize, 1..3usize, 1..3usize), 0..3usize);
    (sizes, kinds, joint, any::<u64>()).prop_map(|(sizes, kinds, joint, seed)| {
        let (vocab, dim, layers, keys, group, pairs, ffn) = sizes;
        let (window, landscapes, [modulated, entropy], rule, moe) = kinds;
        let (positions, relations, distance, (box_rows, box_columns, down, across), shorter) = joint;
        let positions = [Positions::Rotary, Positions::Learned, Positions::None, Positions::Grid][positions];
        let (rows, columns) = (box_rows * down, box_columns * across);
        let grid = (positions == Positions::Grid).then_some(Grid { rows, columns, box_rows, box_columns });
        let relations = [RelationKind::None, RelationKind::Bias, RelationKind::Mask][relations];
        let relations = if grid.is_none() && relations == RelationKind::Mask { RelationKind::Bias } else { relations };
        let update = UpdateRule::ALL[rule].2;
        let config = Config {
            kind: ModelKind::Joint,
            vocab,
            dim,
            layers,
            heads: keys * group,
            kv_heads: Some(keys),
            head_dim: Some(2 * pairs),
            ffn,
            context: if grid.is_some() { rows * columns } else { 7 },
            window,
            landscapes,
            update,
            tau: if update == UpdateRule::Mirror && entropy { 0.7 } else { 0.0 },
            alpha: 0.5,
            condition: if modulated { Conditioning::All } else { Conditioning::None },
            moe,
            joint: JointConfig { positions, relations, grid, distance },
            ..Config::default()
        };
        let cells = if grid.is_some() { config.context } else { config.context - shorter };
        Case::new(config, seed, cells).with_problem(seed)
    })
}

/// What becomes of a problem: `F` before every step, states `(cells, V)` after the last, and what they end as.
pub struct Solved {
    pub free: Vec<f64>,
    /// Probabilities, 0 where a token is not allowed.
    pub p: Vec<f64>,
    /// Logits of the allowed tokens of unknown cells, less their mean.
    pub centred: Vec<f64>,
    /// Energy, `F`, entropy and residual.
    pub end: Vec<f64>,
}

/// The allowed tokens of unknown cells of a state `(cells, V)`, cell by cell, less their mean in each.
pub fn centred(case: &Case, y: &[f64]) -> Vec<f64> {
    let mut all = Vec::new();
    for cell in case.unknown() {
        let row = (0..case.config.vocab).filter(|&v| case.allows(cell, v)).map(|v| y[cell * case.config.vocab + v]);
        let row: Vec<f64> = row.collect();
        let mean = row.iter().sum::<f64>() / row.len() as f64;
        all.extend(row.iter().map(|y| y - mean));
    }
    all
}

/// The state of a loop of logits after the last step, as [`centred`].
pub fn looped(case: &Case, seed: u64) -> Vec<f64> {
    with_rollout(case, seed, |rollout| {
        let base = recurrence::base(rollout);
        let start = rollout.masked(rollout.initial());
        let end = (0..case.steps).fold(start, |y, _| recurrence::advance(rollout, &base, &y));
        centred(case, &download(rollout.b, &end))
    })
}

pub fn solve(case: &Case, seed: u64) -> Solved {
    with_rollout(case, seed, |rollout| {
        let (b, v, tau) = (rollout.b, case.config.vocab, case.config.tau);
        let entropy = |p: &[f64]| {
            let cells = case.unknown().into_iter().flat_map(|cell| p[cell * v..(cell + 1) * v].to_vec());
            let own = cells.filter(|&p| p > 0.0).map(|p| -p * p.ln()).sum::<f64>();
            let likely = case.unknown().into_iter().filter_map(|cell| case.likely(cell));
            own + likely.map(|(at, logit)| p[at] * logit).sum::<f64>()
        };
        let alphas = rollout.step_sizes(&rollout.alpha().0);
        let (mut y, mut free) = (rollout.masked(rollout.initial()), Vec::new());
        for i in 0..=case.steps {
            let last = i == case.steps;
            let (condition, _) = rollout::condition_of(rollout, rollout.landscape(i - usize::from(last)));
            let observed = rollout::observe(rollout, &condition);
            let at = rollout::evaluate(rollout, &condition, &observed, &y, false);
            let p = download(b, &b.softmax(&y));
            let energy = download(b, &at.energy).iter().sum::<f64>();
            let now = energy - tau * entropy(&p);
            if !last {
                free.push(now);
                y = rollout.masked(rollout::advance(rollout, y, &at, &alphas));
                continue;
            }
            let (mut g, y) = (download(b, &rollout.unmix(&at.dp)), download(b, &y));
            (0..case.tokens.len()).filter_map(|cell| case.likely(cell)).for_each(|(at, logit)| g[at] -= tau * logit);
            let mut dissipation = 0.0;
            for cell in case.unknown() {
                let row = (cell * v..(cell + 1) * v).filter(|i| case.allows(cell, i % v));
                let row: Vec<(f64, f64)> = row.map(|i| (p[i], g[i] + tau * y[i])).collect();
                let mean: f64 = row.iter().map(|(p, g)| p * g).sum();
                dissipation += row.iter().map(|(p, g)| p * (g - mean).powi(2)).sum::<f64>();
            }
            let end = vec![energy, now, entropy(&p), dissipation.sqrt()];
            return Solved { free, p, centred: centred(case, &y), end };
        }
        unreachable!("the last evaluation returns")
    })
}

/// The point that energies are probed at, along a direction that is 0 in given cells, with what is found there.
pub struct Probed {
    pub p: Vec<f64>,
    pub u: Vec<f64>,
    pub energy: f64,
    pub g: Vec<f64>,
    pub hu: Vec<f64>,
}

pub fn probed(case: &Case, landscape: usize, seed: u64) -> Probed {
    with_rollout(case, seed, |rollout| {
        let v = case.config.vocab;
        let stream = Stream::new(seed, 7, Purpose::Test);
        let (mut p, mut u) = (vec![0.0; case.tokens.len() * v], vec![0.0; case.tokens.len() * v]);
        for cell in 0..case.tokens.len() {
            let tokens: Vec<usize> = (0..v).filter(|&token| case.allows(cell, token)).map(|t| cell * v + t).collect();
            let weight = |&i: &usize| stream.normal(i as u64).exp();
            let sum: f64 = tokens.iter().map(weight).sum();
            tokens.iter().for_each(|i| p[*i] = f64::from((weight(i) / sum) as f32));
            if tokens.len() > 1 {
                (cell * v..(cell + 1) * v).for_each(|i| u[i] = f64::from(stream.normal(10_000 + i as u64) as f32));
            }
        }
        let [energies, g, hu] = probe(rollout, landscape, &p, &u);
        let unknown = case.unknown();
        let of_unknown = |a: Vec<f64>| unknown.iter().flat_map(|cell| a[cell * v..(cell + 1) * v].to_vec()).collect();
        Probed { p, u, energy: energies.iter().sum(), g: of_unknown(g), hu: of_unknown(hu) }
    })
}
