//! A configuration from the shapes of a file that carries none.

use anyhow::{Result, bail};
use ebt_core::config::{Config, ModelKind, MoeConfig, UpdateRule};

use crate::tensor_file::TensorFile;

/// What cannot be inferred from shapes.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// Query heads `H`.
    pub heads: Option<usize>,
    /// Routed experts of a token.
    pub top_k: Option<usize>,
    /// Longest context `T`.
    pub context: Option<usize>,
    /// Sliding window in positions.
    pub window: Option<usize>,
    /// Update rule of the descent; the default rule if `None`.
    pub update: Option<UpdateRule>,
}

/// The configuration of a file: everything that its shapes determine, and `hints` for the rest.
///
/// # Errors
///
/// A file without the tensors that matter, shapes that contradict each other or the hints, and a hint that is
/// needed and missing; the message names the flag.
pub fn infer(file: &TensorFile, hints: &Hints) -> Result<Config> {
    let default = Config::default();
    let [vocab, dim] = matrix(file, "embeddings.weight")?;
    let layer = |i: usize, name: &str| format!("transformer.layers.{i}.{name}.weight");
    let has = |name: &str| file.shape(name).is_some();
    let layers = (0..).take_while(|&i| has(&layer(i, "attention.wq"))).count();
    if layers == 0 {
        bail!("{} holds no tensor {}", file.path().display(), layer(0, "attention.wq"));
    }
    let [queries, _] = matrix(file, &layer(0, "attention.wq"))?;
    let [keys, _] = matrix(file, &layer(0, "attention.wk"))?;
    let Some(heads) = hints.heads else {
        bail!(
            "{} carries no configuration, and its shapes do not tell the number of heads: \
             give --heads N (it divides {queries}) or --config FILE",
            file.path().display()
        );
    };
    if heads == 0 || queries % heads != 0 {
        bail!("--heads {heads} does not divide the {queries} rows of {}", layer(0, "attention.wq"));
    }
    let head_dim = queries / heads;
    if keys == 0 || keys % head_dim != 0 {
        bail!("--heads {heads} gives heads {head_dim} wide, which does not divide the {keys} rows of attention.wk");
    }
    let dense = (0..layers).take_while(|&i| has(&layer(i, "feed_forward.w1"))).count();
    let moe = if dense < layers { Some(experts(file, hints, dense)?) } else { None };
    let ffn = match (dense, &moe) {
        (0, Some(moe)) => moe.hidden,
        _ => matrix(file, &layer(0, "feed_forward.w1"))?[0],
    };
    let ebt = has("transformer.time_embeddings.weight");
    let landscapes = if ebt { matrix(file, "transformer.time_embeddings.weight")?[0] } else { default.landscapes };
    let alpha =
        if has("alpha") { file.values("alpha")?.first().copied().unwrap_or(default.alpha) } else { default.alpha };
    Ok(Config {
        kind: if ebt { ModelKind::Ebt } else { ModelKind::Transformer },
        vocab,
        dim,
        layers,
        heads,
        kv_heads: Some(keys / head_dim).filter(|&k| k != heads),
        head_dim: Some(head_dim).filter(|&d| d != dim / heads),
        ffn,
        context: hints.context.unwrap_or(256),
        window: hints.window,
        landscapes,
        tied: !has(if ebt { "vocab_to_embed.weight" } else { "output.weight" }),
        update: hints.update.unwrap_or(default.update),
        alpha: if alpha > 0.0 { alpha } else { default.alpha },
        moe,
        ..default
    })
}

fn experts(file: &TensorFile, hints: &Hints, first_dense: usize) -> Result<MoeConfig> {
    let at = |name: &str| format!("transformer.layers.{first_dense}.feed_forward.{name}.weight");
    let [n_routed, _] = matrix(file, &at("gate"))?;
    let [hidden, _] = matrix(file, &at("experts.0.w1"))?;
    let shared = at("shared_experts.w1");
    let n_shared = match file.shape(&shared) {
        Some(_) => matrix(file, &shared)?[0] / hidden.max(1),
        None => 0,
    };
    let Some(top_k) = hints.top_k else {
        bail!(
            "{} has {n_routed} experts, and its shapes do not tell how many a token is sent to: \
             give --top-k K or --config FILE",
            file.path().display()
        );
    };
    Ok(MoeConfig { n_routed, n_shared, top_k, hidden, first_dense, ..MoeConfig::default() })
}

fn matrix(file: &TensorFile, name: &str) -> Result<[usize; 2]> {
    match file.shape(name) {
        Some(&[rows, columns]) => Ok([rows, columns]),
        Some(shape) => bail!("tensor {name} of {} is {shape:?}; a matrix is needed", file.path().display()),
        None => bail!("{} holds no tensor {name}", file.path().display()),
    }
}
