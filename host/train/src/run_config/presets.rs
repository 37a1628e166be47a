//! Named configurations: sizes and training recipes laid over them (guide/mathematics.md section 10).

use anyhow::{Result, bail};
use ebt_core::config::{
    Conditioning, Grid, Head, Initialization, JointConfig, ModelKind, MoeConfig, Positions, RelationKind, UpdateRule,
};
use ebt_core::objective::{Flow, InitialState, LossSteps};
use ebt_core::optimizer::OptimizerKind;
use ebt_tokenizer::letters::SYMBOLS;

use super::edits::edits;
use super::{RestoreConfig, RunConfig, SudokuConfig};

/// Names of all presets, smallest first.
pub const NAMES: [&str; 14] = [
    "micro", "sample", "restore", "sudoku", "sudoku9", "seed", "4xs", "3xs", "xxs", "xs", "small", "medium", "large",
    "xl",
];

/// Names of the recipes.
pub const RECIPES: [&str; 2] = ["s1", "s2"];

/// Published sizes: name, blocks, width, heads.
const PUBLISHED: [(&str, usize, usize, usize); 8] = [
    ("4xs", 2, 128, 2),
    ("3xs", 4, 256, 4),
    ("xxs", 6, 384, 6),
    ("xs", 12, 384, 6),
    ("small", 12, 768, 12),
    ("medium", 24, 1024, 16),
    ("large", 24, 1536, 16),
    ("xl", 24, 2048, 32),
];

/// The preset `name`, which may carry a recipe (`small+s2`), or with `recipe` laid over it.
pub fn preset(name: &str, recipe: Option<&str>) -> Result<RunConfig> {
    let (size, own) = match name.split_once('+') {
        Some((size, own)) => (size, Some(own)),
        None => (name, None),
    };
    if let (Some(a), Some(b)) = (own, recipe)
        && a != b
    {
        bail!("--preset {name} and --recipe {b} name two recipes");
    }
    let published = PUBLISHED.iter().find(|p| p.0 == size);
    let mut config = match (size, published) {
        ("micro", _) => micro(),
        ("sample", _) => sample(),
        ("seed", _) => seed(),
        ("restore", _) => restore(),
        ("sudoku", _) => sudoku(),
        ("sudoku9", _) => sudoku9(),
        (_, Some(&(_, layers, dim, heads))) => self::published(layers, dim, heads),
        _ => bail!("unknown preset `{size}`; the nearest is `{}` of {}", closest(size, &NAMES), NAMES.join(", ")),
    };
    match own.or(recipe) {
        None => {}
        Some("s1") => system_1(&mut config),
        Some("s2") => system_2(&mut config),
        Some(other) => bail!("unknown recipe `{other}`: choose {}", RECIPES.join(" or ")),
    }
    Ok(config)
}

/// Defaults for a configuration file that stands alone: the vocabulary comes from the tokenizer.
pub fn neutral() -> RunConfig {
    let mut c = RunConfig::default();
    c.model.vocab = 0;
    c
}

fn closest<'a>(name: &str, among: &[&'a str]) -> &'a str {
    among.iter().copied().min_by_key(|n| edits(n, name)).unwrap_or_default()
}

/// A model for boards with a megabyte of flash: below 400 kB as int8 with a tokenizer of 1,024 tokens, and one descent step a token.
fn micro() -> RunConfig {
    let mut c = neutral();
    let m = &mut c.model;
    (m.dim, m.layers, m.heads, m.ffn, m.context, m.window) = (96, 2, 3, 312, 128, Some(64));
    (m.update, m.alpha, m.landscapes, m.tied) = (UpdateRule::Mirror, 5.0, 1, true);
    m.initialization = Initialization::AdalnIdentity;
    (c.objective.min_steps, c.objective.max_steps) = (1, 1);
    c.objective.initial = InitialState::Zeros;
    c.optimizer.alpha_rate = 1.0;
    (c.schedule.rate, c.schedule.warmup) = (3e-3, 100);
    let t = &mut c.train;
    (t.batch, t.accumulate, t.ema) = (16, 1, 0.998);
    (t.steps, t.validate_every, t.validate_tokens, t.checkpoint_every) = (20_000, 1000, 32_768, 500);
    c
}

/// A small model that learns within two minutes on two CPU cores.
fn sample() -> RunConfig {
    let mut c = neutral();
    let m = &mut c.model;
    (m.dim, m.layers, m.heads, m.ffn, m.context) = (128, 2, 4, 512, 64);
    (m.update, m.alpha, m.landscapes, m.last_token) = (UpdateRule::Mirror, 5.0, 1, true);
    m.initialization = Initialization::AdalnIdentity;
    (c.objective.min_steps, c.objective.max_steps) = (1, 1);
    c.objective.initial = InitialState::Zeros;
    (c.optimizer.kind, c.optimizer.alpha_rate, c.optimizer.adaln_rate) = (OptimizerKind::Muon, 1.0, 0.1);
    // an embedding moves by 0.4 of its deviation a step
    (c.start.embedding, c.optimizer.embedding_rate) = (Some(1.0), 50.0);
    (c.schedule.rate, c.schedule.warmup) = (8e-3, 20);
    let t = &mut c.train;
    (t.batch, t.accumulate, t.ema) = (16, 1, 0.99);
    (t.steps, t.minutes) = (800, Some(2.0));
    (t.validate_every, t.validate_tokens, t.checkpoint_every) = (100, 4096, 100);
    c
}

/// One pass over letters that restores text typed without Turkish letters, with a table of words, below a megabyte as int8.
fn restore() -> RunConfig {
    let mut c = neutral();
    let m = &mut c.model;
    (m.kind, m.condition, m.landscapes) = (ModelKind::Joint, Conditioning::None, 1);
    (m.vocab, m.dim, m.layers, m.heads, m.ffn, m.context) = (SYMBOLS, 128, 4, 4, 320, 128);
    (m.update, m.alpha, m.tau) = (UpdateRule::Mirror, 1.0, 1.0);
    m.joint = JointConfig { relations: RelationKind::Bias, distance: 16, ..JointConfig::default() };
    m.head = Head::Logits;
    c.restore = Some(RestoreConfig { words: 202_500, ..RestoreConfig::default() });
    let o = &mut c.objective;
    (o.min_steps, o.max_steps, o.initial, o.learn_alpha) = (1, 1, InitialState::Zeros, false);
    (c.optimizer.beta2, c.optimizer.weight_decay, c.optimizer.alpha_rate) = (0.98, 0.01, 1.0);
    (c.schedule.rate, c.schedule.warmup, c.schedule.min_scale) = (3e-3, 100, 30.0);
    let t = &mut c.train;
    (t.batch, t.accumulate, t.ema) = (32, 1, 0.999);
    (t.steps, t.validate_every, t.validate_tokens, t.checkpoint_every) = (20_000, 1000, 32_768, 1000);
    c
}

/// A joint energy of 43,000 parameters that solves boards of 6 x 6 after two minutes on two CPU cores.
fn sudoku() -> RunConfig {
    let mut c = neutral();
    let m = &mut c.model;
    (m.kind, m.condition, m.landscapes) = (ModelKind::Joint, Conditioning::None, 1);
    (m.vocab, m.dim, m.layers, m.heads, m.ffn, m.context) = (6, 64, 1, 4, 128, 36);
    // replacement: a step of whole length on E + sum P log P
    (m.update, m.alpha, m.tau) = (UpdateRule::Mirror, 1.0, 1.0);
    m.joint = JointConfig {
        positions: Positions::Grid,
        relations: RelationKind::Bias,
        grid: Some(Grid { rows: 6, columns: 6, box_rows: 2, box_columns: 3 }),
        distance: 0,
    };
    c.sudoku = Some(SudokuConfig::default());
    let o = &mut c.objective;
    (o.min_steps, o.max_steps, o.curriculum, o.curriculum_steps) = (2, 6, 800, 3);
    (o.flow, o.loss) = (Flow::Unrolled, LossSteps::Linear);
    (o.initial, o.sigma0, o.learn_alpha) = (InitialState::Mixed, 1.0, false);
    (c.optimizer.beta2, c.optimizer.weight_decay, c.optimizer.alpha_rate) = (0.98, 0.01, 1.0);
    (c.schedule.rate, c.schedule.warmup, c.schedule.min_scale) = (3e-3, 30, 30.0);
    let t = &mut c.train;
    (t.batch, t.accumulate, t.ema) = (32, 1, 0.99);
    (t.steps, t.minutes) = (2800, Some(2.0));
    (t.validate_every, t.validate_tokens, t.checkpoint_every) = (400, 3600, 400);
    c
}

/// The same for boards of 9 x 9, as far as an hour takes it.
fn sudoku9() -> RunConfig {
    let mut c = sudoku();
    let m = &mut c.model;
    (m.vocab, m.dim, m.layers, m.ffn, m.context) = (9, 96, 2, 192, 81);
    m.joint.grid = Some(Grid { rows: 9, columns: 9, box_rows: 3, box_columns: 3 });
    c.sudoku = Some(SudokuConfig { givens: [26, 40], harder: [24, 26], tests: 500 });
    (c.objective.min_steps, c.objective.max_steps) = (2, 8);
    let t = &mut c.train;
    (t.batch, t.accumulate, t.ema) = (32, 1, 0.999);
    (t.steps, t.minutes) = (8500, Some(60.0));
    (t.validate_every, t.validate_tokens, t.checkpoint_every) = (1000, 8100, 1000);
    c
}

/// The shape of the project this one grew from, with its controlled step size and Lyapunov loss, on a free energy.
fn seed() -> RunConfig {
    let mut c = published(6, 256, 6);
    let m = &mut c.model;
    (m.head_dim, m.landscapes) = (Some(42), 3);
    // replacement, the largest step that the entropy allows
    (m.update, m.alpha, m.tau) = (UpdateRule::Mirror, 5.0, 0.2);
    m.moe = Some(MoeConfig { n_routed: 32, n_shared: 0, top_k: 1, hidden: 256, ..MoeConfig::default() });
    let o = &mut c.objective;
    (o.min_steps, o.max_steps) = (3, 3);
    (o.step_control, o.lyapunov) = (0.99, 1.0);
    (o.replay, o.replay_share) = (64, 0.5);
    // shifts that are drawn send all tokens to one expert
    m.initialization = Initialization::AdalnIdentity;
    (c.schedule.rate, c.optimizer.alpha_rate) = (1e-3, 1.0);
    (c.train.batch, c.train.accumulate, c.train.ema) = (2, 4, 0.999);
    c
}

/// A published size with the System-1 recipe.
fn published(layers: usize, dim: usize, heads: usize) -> RunConfig {
    let mut c = neutral();
    let m = &mut c.model;
    (m.layers, m.dim, m.heads, m.ffn, m.context) = (layers, dim, heads, 4 * dim, 256);
    (c.schedule.rate, c.schedule.warmup) = (1.2e-3, 1000);
    let t = &mut c.train;
    // 64 sequences a step, in micro-batches that fit a small machine
    (t.batch, t.accumulate) = (8, 8);
    (t.steps, t.validate_every, t.checkpoint_every) = (100_000, 1000, 1000);
    system_1(&mut c);
    c
}

/// System 1: two steps on two landscapes, gradient stopped at every state.
fn system_1(c: &mut RunConfig) {
    let m = &mut c.model;
    (m.update, m.alpha, m.tau, m.landscapes) = (UpdateRule::Probability, 500.0, 0.0, 2);
    c.optimizer.alpha_rate = 1500.0;
    let o = &mut c.objective;
    (o.step_control, o.lyapunov) = (0.0, 0.0);
    (o.min_steps, o.max_steps) = (2, 2);
    (o.flow, o.loss) = (Flow::Detached, LossSteps::Mean);
    (o.initial, o.sigma0) = (InitialState::Noise, 1.0);
    (o.learn_alpha, o.alpha_jitter, o.langevin) = (true, 1.0, 0.0);
    o.replay = 0;
}

/// System 2: two or three steps on one landscape, unrolled, with noise and a replay buffer.
fn system_2(c: &mut RunConfig) {
    let m = &mut c.model;
    (m.update, m.alpha, m.tau, m.landscapes) = (UpdateRule::Probability, 5.0, 0.0, 1);
    let o = &mut c.objective;
    (o.step_control, o.lyapunov) = (0.0, 0.0);
    (o.min_steps, o.max_steps) = (2, 3);
    (o.flow, o.loss) = (Flow::Unrolled, LossSteps::Last);
    (o.initial, o.sigma0) = (InitialState::Noise, 1.0);
    (o.learn_alpha, o.alpha_jitter, o.langevin) = (false, 2.0, 3.0);
    (o.replay, o.replay_share) = (192, 0.5);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_with_every_recipe_is_valid() {
        for name in NAMES {
            for recipe in [None, Some("s1"), Some("s2")] {
                let mut c = preset(name, recipe).unwrap();
                if c.model.vocab == 0 {
                    c.fit_vocabulary(4096).unwrap();
                }
                c.validate().unwrap_or_else(|e| panic!("{name} {recipe:?}: {e}"));
            }
        }
    }

    #[test]
    fn a_recipe_may_be_part_of_the_name() {
        assert_eq!(preset("small+s2", None).unwrap(), preset("small", Some("s2")).unwrap());
        assert!(preset("small+s1", Some("s2")).unwrap_err().to_string().contains("two recipes"));
        assert!(preset("smal", None).unwrap_err().to_string().contains("`small`"));
        assert!(preset("small+s3", None).unwrap_err().to_string().contains("s1 or s2"));
    }
}
