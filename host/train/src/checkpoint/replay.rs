//! The replay buffer as tensors.

use anyhow::{Result, bail};
use ebt_core::descent::replay_buffer::{ReplayBuffer, ReplayEntry};
use ebt_model::write::{Tensor, Values};
use ebt_model::{Dtype, TensorFile};

use crate::run_config::RunConfig;

/// What the names of the replay buffer begin with.
pub(super) const REPLAY: &str = "replay.";

/// The names of the parts of remembered sequence `i`.
fn replay_names(i: usize) -> [String; 4] {
    ["tokens", "targets", "starts", "state"].map(|part| format!("{REPLAY}{i}.{part}"))
}

pub(super) fn replay_tensors(i: usize, memory: &ReplayEntry, vocab: usize) -> Result<Vec<Tensor<'_>>> {
    let n = memory.tokens.len();
    let starts = memory.starts.is_empty() || memory.starts.len() == n;
    if memory.targets.len() != n || memory.state.len() != n * vocab || !starts {
        bail!("remembered sequence {i} of the state does not fit the model");
    }
    let [tokens, targets, from, state] = replay_names(i);
    let mut all = Vec::new();
    for (name, words) in [(tokens, &memory.tokens), (targets, &memory.targets), (from, &memory.starts)] {
        if !words.is_empty() {
            all.push(Tensor { name, shape: vec![words.len()], values: Values::Words(words) });
        }
    }
    let values = Values::Floats { values: &memory.state, transposed: None, dtype: Dtype::F32 };
    all.push(Tensor { name: state, shape: vec![n, vocab], values });
    Ok(all)
}

pub(super) fn read_replay(file: &TensorFile, config: &RunConfig) -> Result<ReplayBuffer> {
    let (path, capacity) = (file.path().display(), config.objective.replay);
    let mut replay = ReplayBuffer::new(capacity);
    let mut left = file.names().filter(|name| name.starts_with(REPLAY)).count();
    while left > 0 {
        let i = replay.len();
        if i == capacity {
            bail!(
                "{path} holds more than the {capacity} remembered sequences of its configuration, or other tensors `{REPLAY}*`"
            );
        }
        let [tokens, targets, starts, state] = replay_names(i);
        let Some(&[n]) = file.shape(&tokens) else {
            bail!("{path} lacks remembered sequence {i}: there is no tensor {tokens} of one dimension");
        };
        let visible = file.shape(&starts).is_some();
        for (name, shape) in [(&targets, &[n][..]), (&state, &[n, config.model.vocab])]
            .into_iter()
            .chain(visible.then_some((&starts, &[n][..])))
        {
            match file.shape(name) {
                Some(found) if found == shape => {}
                Some(found) => bail!("tensor {name} of {path} is {found:?} instead of {shape:?}"),
                None => bail!("{path} lacks remembered sequence {i}: there is no tensor {name}"),
            }
        }
        let memory = ReplayEntry {
            tokens: file.words(&tokens)?,
            targets: file.words(&targets)?,
            starts: if visible { file.words(&starts)? } else { Vec::new() },
            state: file.numbers(&state)?.iter().map(|x| x as f32).collect(),
        };
        left = left.saturating_sub(3 + usize::from(visible));
        replay.insert((0, 0, 0), 0, memory);
    }
    Ok(replay)
}
