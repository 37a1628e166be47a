//! Random models and batches: sizes come from the strategy, everything else from the seed.

use ebt_core::compute::Backend;
use ebt_core::config::{
    Conditioning, Config, Grid, Head, JointConfig, ModelKind, MoeConfig, Positions, RelationKind, UpdateRule,
};
use ebt_core::descent::rollout::Rollout;
use ebt_core::objective::Objective;
use ebt_core::optimizer::OptimizerConfig;
use ebt_core::parameters::{ParameterLayout, Role};
use ebt_core::training::{DeviceSequences, NO_TARGET, Prior, Sequences, StepSettings, Trainer};
use proptest::prelude::*;

use crate::{Draw, Mat};

/// Sizes of a random model.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Sequences of a batch, at least 1.
    pub batch: usize,
    /// Positions of a sequence, at least 1; the model's context is as long.
    pub context: usize,
    /// Number of blocks, at least 1; with two or more, the first may stay dense among mixtures.
    pub layers: usize,
    /// Number of landscapes, at least 1; more descent steps than these stay on the last.
    pub landscapes: usize,
    /// Number of tokens; all token ids are below it, and so are targets other than `NO_TARGET`.
    pub vocab: usize,
}

/// Feed-forward of a random model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One SwiGLU a block.
    Dense,
    /// Mixtures of experts.
    Experts,
}

/// Random sizes of at most 3 sequences of 5 positions, 2 blocks, 3 landscapes and 8 tokens.
pub fn sizes() -> impl Strategy<Value = Sizes> {
    (1..=3usize, 1..=5usize, 1..=2usize, 1..=3usize, 3..=8usize)
        .prop_map(|(batch, context, layers, landscapes, vocab)| Sizes { batch, context, layers, landscapes, vocab })
}

/// Dense or with experts.
pub fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Dense), Just(Kind::Experts)]
}

/// The configuration made joint: any positions and relations, with and without AdaLN, an entropy where the rule takes one.
pub fn joint(draw: &Draw, mut config: Config) -> Config {
    config.kind = ModelKind::Joint;
    (config.tied, config.last_token) = (false, false);
    config.condition = if draw.one_in(2) { Conditioning::None } else { Conditioning::All };
    if config.update == UpdateRule::Mirror {
        config.tau = [0.0, 0.4, 1.0 / config.alpha][draw.below(3)];
    }
    let grid =
        (config.context == 4 && draw.one_in(2)).then_some(Grid { rows: 2, columns: 2, box_rows: 1, box_columns: 2 });
    let positions = [Positions::Rotary, Positions::Learned, Positions::None];
    let relations = [RelationKind::None, RelationKind::Bias];
    config.joint = JointConfig {
        positions: if grid.is_some() { Positions::Grid } else { positions[draw.below(3)] },
        relations: if grid.is_some() && draw.one_in(3) { RelationKind::Mask } else { relations[draw.below(2)] },
        distance: if grid.is_some() { 0 } else { 1 + draw.below(4) },
        grid,
    };
    config
}

/// The configuration made joint, with a head of logits: one that has no energy.
pub fn looped(draw: &Draw, config: Config) -> Config {
    Config { head: Head::Logits, condition: Conditioning::All, tau: 0.0, ..joint(draw, config) }
}

/// Problems of a joint model: given, restricted and free positions, some without a target, sometimes behind padding.
pub fn problems(draw: &Draw, config: &Config, batch: usize) -> Sequences {
    let (n, words) = (batch * config.context, config.set_words());
    let padded = config.joint.grid.is_none() && config.moe.is_none();
    let start = |_| if padded && draw.one_in(2) { draw.below(config.context) as u32 } else { 0 };
    let starts: Vec<u32> = (0..batch).map(start).flat_map(|s| vec![s; config.context]).collect();
    let targets = draw.indices(n, config.vocab);
    let mut allowed = vec![0u32; n * words];
    for (set, &target) in allowed.chunks_exact_mut(words).zip(&targets) {
        let share = draw.below(3);
        for token in 0..config.vocab {
            if token == target as usize || share == 2 || (share == 1 && draw.one_in(2)) {
                set[token / 32] |= 1 << (token % 32);
            }
        }
    }
    let last = n - 1;
    // the last position is unknown and has a target
    allowed[last * words..].fill(0);
    (0..config.vocab).for_each(|token| allowed[last * words + token / 32] |= 1 << (token % 32));
    let learned = |(i, target): (usize, u32)| {
        let padding = i % config.context < starts[i] as usize;
        let given = allowed[i * words..(i + 1) * words].iter().map(|word| word.count_ones()).sum::<u32>() == 1;
        if padding || given || (i != last && draw.one_in(4)) { NO_TARGET } else { target }
    };
    let likely = |&(i, _): &(usize, u32)| i % config.context >= starts[i] as usize && draw.one_in(3);
    let prior: Vec<Prior> = if draw.one_in(2) {
        let of = |(at, token)| Prior { at: at as u32, token, logit: 2.0 * draw.normal() as f32 };
        targets.iter().copied().enumerate().filter(likely).map(of).collect()
    } else {
        Vec::new()
    };
    let targets = targets.into_iter().enumerate().map(learned).collect();
    Sequences { starts, prior, ..Sequences::problems(batch, config.context, allowed, targets) }
}

/// What a random model is beside its feed-forward and rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Two streams, an energy a position.
    Causal,
    /// The baseline.
    Baseline,
    /// One energy a problem.
    Joint,
    /// The loop beside it.
    Looped,
}

/// Every family.
pub fn families() -> impl Strategy<Value = Family> {
    prop::sample::select(&[Family::Causal, Family::Baseline, Family::Joint, Family::Looped][..])
}

/// A random model of a family with this rule, and a batch for it.
pub fn of_family(draw: &Draw, family: Family, sizes: Sizes, kind: Kind, rule: UpdateRule) -> (Config, Sequences) {
    let config = Config { update: rule, ..config(draw, sizes, kind) };
    match family {
        Family::Causal => (config, sequences(draw, sizes)),
        Family::Baseline => (Config { kind: ModelKind::Transformer, ..config }, sequences(draw, sizes)),
        Family::Joint | Family::Looped => {
            let config = if family == Family::Joint { joint(draw, config) } else { looped(draw, config) };
            let problems = problems(draw, &config, sizes.batch);
            (config, problems)
        }
    }
}

/// Any update rule.
pub fn rules() -> impl Strategy<Value = UpdateRule> {
    prop::sample::select(UpdateRule::ALL).prop_map(|(.., rule)| rule)
}

/// A configuration: grouped queries, windows, odd widths, tied or not, either conditioning.
pub fn config(draw: &Draw, sizes: Sizes, kind: Kind) -> Config {
    let kv_heads = 1 + draw.below(2);
    let moe = (kind == Kind::Experts).then(|| {
        let (groups, size) = (1 + draw.below(2), 1 + draw.below(3));
        let top_groups = 1 + draw.below(groups);
        MoeConfig {
            n_routed: groups * size,
            n_shared: draw.below(2),
            top_k: 1 + draw.below(top_groups * size),
            hidden: 1 + draw.below(4),
            norm_topk: draw.one_in(2),
            scale: 1.25,
            n_group: groups,
            topk_group: top_groups,
            seq_aux: draw.one_in(2),
            aux_coeff: 0.5,
            first_dense: if sizes.layers > 1 { draw.below(2) } else { 0 },
            bias_rate: 0.0,
        }
    });
    Config {
        kind: ModelKind::Ebt,
        vocab: sizes.vocab,
        dim: 3 + draw.below(4),
        layers: sizes.layers,
        heads: kv_heads * (1 + draw.below(2)),
        kv_heads: Some(kv_heads),
        head_dim: Some(2 + 2 * draw.below(2)),
        ffn: 1 + draw.below(6),
        context: sizes.context,
        window: if draw.one_in(2) { None } else { Some(1 + draw.below(sizes.context + 2)) },
        landscapes: sizes.landscapes,
        tied: draw.one_in(3),
        last_token: draw.one_in(2),
        // differences need a network that is not steep where a candidate's mix is small
        eps: 0.02,
        alpha: 1.5,
        condition: if draw.one_in(3) { Conditioning::Predictions } else { Conditioning::All },
        moe,
        ..Config::default()
    }
}

/// Weights in layout order: initial values with noise on everything, so that no gradient is zero by symmetry.
pub fn weights(draw: &Draw, config: &Config) -> Vec<Mat> {
    let layout = ParameterLayout::new(config);
    let one = |(id, e): (usize, &ebt_core::parameters::ParameterInfo)| {
        let initial = e.initial(id, draw.below(1 << 20) as u64);
        let spread = match e.role {
            Role::Matrix | Role::Vector => 0.2,
            Role::StepSize | Role::State => 0.0,
        };
        let value = |i| f64::from((initial(i) + spread * draw.normal()) as f32);
        Mat::new(e.rows, e.columns, (0..e.len()).map(value).collect())
    };
    layout.entries.iter().enumerate().map(one).collect()
}

/// A batch, sometimes with document starts and with positions that have no target (never all of them).
pub fn sequences(draw: &Draw, sizes: Sizes) -> Sequences {
    let n = sizes.batch * sizes.context;
    let mut targets = draw.indices(n, sizes.vocab);
    if n > 1 && draw.one_in(2) {
        targets[draw.below(n)] = NO_TARGET;
    }
    let starts = if draw.one_in(3) { crate::op::band::starts(draw, sizes.batch, sizes.context) } else { Vec::new() };
    let tokens = draw.indices(n, sizes.vocab);
    Sequences { batch: sizes.batch, context: sizes.context, tokens, targets, starts, ..Sequences::default() }
}

/// Step settings with everything in one micro-batch.
pub fn settings(seed: u64) -> StepSettings {
    StepSettings { seed, step: 3, rate: 0.01, micro_batch: usize::MAX, ema_decay: 0.9, part: None }
}

/// A trainer with these weights.
pub fn trainer<B: Backend>(b: &B, config: &Config, objective: &Objective, weights: &[Mat]) -> Trainer<B> {
    let up = weights.iter().map(|w| w.upload(b)).collect();
    Trainer::with_weights(b, config.clone(), objective.clone(), OptimizerConfig::default(), up)
        .expect("a drawn model is valid")
}

/// Passes to `run` the rollout of the trainer's model on `sequences`, and the sequences on the device.
pub fn with_rollout<B: Backend, R>(
    b: &B,
    trainer: &Trainer<B>,
    sequences: &Sequences,
    seed: u64,
    run: impl FnOnce(Rollout<'_, B>, &DeviceSequences<B>) -> R,
) -> R {
    let device = DeviceSequences::upload(b, &trainer.config, sequences).expect("a drawn batch is valid");
    let settings = settings(seed);
    let rollout = Rollout {
        b,
        model: trainer.model(),
        geometry: device.geometry(&trainer.config),
        tokens: device.tokens(),
        problems: device.problems(),
        objective: &trainer.objective,
        seed,
        step: settings.step,
        first_row: 0,
        steps: trainer.objective.steps(seed, settings.step),
        scaling: None,
    };
    run(rollout, &device)
}
