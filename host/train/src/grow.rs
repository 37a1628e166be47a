//! Models that grow: more blocks, or wider feed-forwards, with the energies that they had.
//!
//! What is added writes nothing to the residual stream at first: `wo` and `w2` of a new block are zero, and so are the columns of `w2` for
//! new hidden units. Everything else that is new is drawn as a model of that size is. So what a model computes is kept, and gradients
//! reach what is new (function-preserving growth: Chen, Goodfellow and Shlens, arXiv 1511.05641).

use std::collections::HashMap;
use std::mem::take;

use anyhow::{Result, bail};
use ebt_core::parameters::{FeedForwardIds, ParameterId, ParameterInfo, ParameterLayout};

/// The weights of a model of layout `own`, as one of layout `to` has them, whose new parts are drawn with `seed`.
///
/// # Errors
///
/// A layout that differs in more than further blocks and wider dense feed-forwards; the sentence names the parameter.
pub fn grown(
    own: &ParameterLayout,
    mut weights: Vec<Vec<f32>>,
    to: &ParameterLayout,
    seed: u64,
) -> Result<Vec<Vec<f32>>> {
    let mut left: HashMap<&str, ParameterId> = own.entries.iter().enumerate().map(|(id, e)| (&*e.name, id)).collect();
    let outputs: Vec<ParameterId> = to.outputs().collect();
    let mut all = Vec::with_capacity(to.entries.len());
    for (id, entry) in to.entries.iter().enumerate() {
        let drawn = || match outputs.contains(&id) {
            true => vec![0.0; entry.len()],
            false => (0..entry.len()).map(entry.initial(id, seed)).map(|value| value as f32).collect(),
        };
        all.push(match left.remove(&*entry.name) {
            Some(old) if has_shape(&own.entries[old], entry) => take(&mut weights[old]),
            Some(old) if widens(to, id, &own.entries[old]) => widened(&own.entries[old], &weights[old], entry, drawn()),
            None if in_block(to, id).is_some_and(|block| block >= own.blocks.len()) => drawn(),
            old => {
                bail!("{} where {} is asked for", described(old.map(|old| &own.entries[old])), described(Some(entry)))
            }
        });
    }
    // of what is not asked for, the first in order
    match left.into_values().min() {
        Some(old) => bail!("{} where nothing is asked for", described(Some(&own.entries[old]))),
        None => Ok(all),
    }
}

fn described(entry: Option<&ParameterInfo>) -> String {
    entry.map_or_else(|| String::from("nothing"), |e| format!("{} of {} x {}", e.name, e.rows, e.columns))
}

fn has_shape(own: &ParameterInfo, to: &ParameterInfo) -> bool {
    (own.rows, own.columns) == (to.rows, to.columns)
}

/// The block that a parameter is part of.
fn in_block(layout: &ParameterLayout, id: ParameterId) -> Option<usize> {
    // blocks lie one after the other, each from its `qkv` on, and the final norm behind them
    let after = layout.blocks.iter().take_while(|block| block.qkv <= id).count();
    (id < layout.norm).then_some(after).and_then(|after| after.checked_sub(1))
}

/// Whether a parameter is one of a dense feed-forward with more hidden units than `own`.
fn widens(to: &ParameterLayout, id: ParameterId, own: &ParameterInfo) -> bool {
    let entry = &to.entries[id];
    to.blocks.iter().any(|block| match block.feed_forward {
        FeedForwardIds::Dense(ids) if id == ids.w13 => own.columns == entry.columns && own.rows < entry.rows,
        FeedForwardIds::Dense(ids) if id == ids.w2 => own.rows == entry.rows && own.columns < entry.columns,
        _ => false,
    })
}

/// The parts of `own` at the top left of those of `to`.
fn widened(own: &ParameterInfo, weights: &[f32], to: &ParameterInfo, mut values: Vec<f32>) -> Vec<f32> {
    for (old, new) in own.parts.iter().zip(&to.parts) {
        for row in 0..old.rows {
            let (from, at) = ((old.start + row) * own.columns, (new.start + row) * to.columns);
            values[at..at + own.columns].copy_from_slice(&weights[from..from + own.columns]);
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use ebt_core::config::{Config, ModelKind, MoeConfig};

    use super::*;

    fn sized(layers: usize, ffn: usize) -> Config {
        Config { vocab: 8, dim: 4, heads: 2, context: 4, layers, ffn, ..Config::default() }
    }

    fn grow(own: &Config, to: &Config) -> Result<Vec<Vec<f32>>> {
        let (own, to) = (ParameterLayout::new(own), ParameterLayout::new(to));
        let weights =
            own.entries.iter().enumerate().map(|(id, e)| (0..e.len()).map(|i| (id * 1000 + i) as f32).collect());
        grown(&own, weights.collect(), &to, 0)
    }

    #[test]
    fn what_is_new_writes_nothing_and_the_rest_stays() {
        let weights = grow(&sized(1, 3), &sized(2, 5)).unwrap();
        let (own, to) = (ParameterLayout::new(&sized(1, 3)), ParameterLayout::new(&sized(2, 5)));
        let id = |layout: &ParameterLayout, name: &str| layout.entries.iter().position(|e| e.name == name).unwrap();
        let of = |name: &str| &weights[id(&to, name)];
        let row = |name: &str, row: usize, columns: usize| {
            let first = id(&own, name) * 1000 + row * columns;
            (first..first + columns).map(|value| value as f32)
        };
        for name in ["embedding", "vocabulary", "block0.qkv", "block0.wo", "norm", "head", "alpha"] {
            assert!(of(name).iter().copied().eq(row(name, 0, of(name).len())), "{name}");
        }
        // w1 and w3 lie one below the other
        for (at, old) in [(0, 0), (1, 1), (2, 2), (5, 3), (6, 4), (7, 5)] {
            assert!(
                of("block0.ffn.w13")[4 * at..4 * at + 4].iter().copied().eq(row("block0.ffn.w13", old, 4)),
                "row {at}"
            );
        }
        for (i, line) in of("block0.ffn.w2").chunks_exact(5).enumerate() {
            assert!(line.iter().copied().eq(row("block0.ffn.w2", i, 3).chain([0.0; 2])), "row {i}");
        }
        for name in ["block1.wo", "block1.ffn.w2"] {
            assert!(of(name).iter().all(|&x| x == 0.0), "{name}");
        }
        for name in ["block1.qkv", "block1.ffn.w13"] {
            assert!(of(name).iter().all(|&x| x != 0.0 && x.abs() < 5.0), "{name}");
        }
    }

    #[test]
    fn other_changes_are_refused_by_name() {
        let own = sized(2, 4);
        let mixture = Some(MoeConfig { n_routed: 2, hidden: 4, first_dense: 0, ..MoeConfig::default() });
        for (to, words) in [
            (Config { layers: 1, ..own.clone() }, "block1.qkv of 12 x 4 where nothing"),
            (Config { ffn: 3, ..own.clone() }, "block0.ffn.w13 of 8 x 4 where block0.ffn.w13 of 6 x 4"),
            (Config { dim: 8, ..own.clone() }, "embedding of 8 x 4 where embedding of 8 x 8"),
            (Config { vocab: 9, ..own.clone() }, "embedding of 8 x 4 where embedding of 9 x 4"),
            (Config { tied: true, layers: 3, ..own.clone() }, "vocabulary of 8 x 4 where nothing"),
            (Config { moe: mixture, ..own.clone() }, "nothing where block"),
            (Config { kind: ModelKind::Transformer, layers: 3, ..own.clone() }, "where"),
        ] {
            let error = grow(&own, &to).unwrap_err().to_string();
            assert!(error.contains(words), "{words}: {error}");
        }
    }
}
