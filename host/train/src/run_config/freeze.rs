//! Which weights a run leaves as they are.

use anyhow::{Result, bail};
use ebt_core::parameters::{ParameterId, ParameterInfo, ParameterLayout};

use super::names::{nearest_of, short};

/// Short names of the weights that a parameter is made of.
fn names(entry: &ParameterInfo) -> Vec<String> {
    match entry.parts.as_slice() {
        // no part of model files
        [] => vec![entry.name.replacen("block", "blocks.", 1)],
        parts => parts.iter().map(|part| short(&part.name)).collect(),
    }
}

/// Whether a name is `wanted` or lies below it.
fn is_of(name: &str, wanted: &str) -> bool {
    name.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The parameters that `wanted` names: weights as in model files, or what their names begin with up to a dot; `blocks` stands for
/// `transformer.layers`.
///
/// # Errors
///
/// A name that no weight has, with those nearest to it; a part of matrices that are stored and trained as one; all weights.
pub fn frozen(layout: &ParameterLayout, wanted: &[String]) -> Result<Vec<ParameterId>> {
    let field = "configuration field `train.freeze`";
    let wanted: Vec<String> = wanted.iter().map(|name| short(name)).collect();
    let all: Vec<Vec<String>> = layout.entries.iter().map(names).collect();
    for name in &wanted {
        if !all.iter().flatten().any(|known| is_of(known, name)) {
            let near = nearest_of(name, all.iter().flatten().map(String::as_str));
            bail!("{field}: no weight is called `{name}` or begins so; near to it are {near}");
        }
    }
    let mut found = Vec::new();
    for (id, known) in all.iter().enumerate() {
        let named = |known: &String| wanted.iter().any(|name| is_of(known, name));
        let count = known.iter().filter(|known| named(known)).count();
        if count == known.len() {
            found.push(id);
        } else if count > 0 {
            bail!("{field}: `{}` are trained as one matrix; name all of them or none", known.join("`, `"));
        }
    }
    if !found.is_empty() && found.len() == all.len() {
        bail!("{field}: nothing is left to train");
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ebt_core::config::Config;

    fn of(names: &[&str]) -> Result<Vec<String>> {
        let layout = ParameterLayout::new(&Config { vocab: 8, ..Config::default() });
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        Ok(frozen(&layout, &names)?.into_iter().map(|id| layout.entries[id].name.clone()).collect())
    }

    #[test]
    fn names_and_what_they_begin_with_are_found() {
        assert_eq!(of(&[]).unwrap(), [""; 0]);
        assert_eq!(of(&["embeddings", "alpha"]).unwrap(), ["embedding", "alpha"]);
        let block = of(&["blocks.0"]).unwrap();
        assert!(block.len() > 4 && block.iter().all(|name| name.starts_with("block0.")), "{block:?}");
        assert_eq!(of(&["transformer.layers.0"]).unwrap(), block);
        let two = ["blocks.0.feed_forward.w1.weight", "blocks.0.feed_forward.w3"];
        assert_eq!(of(&two).unwrap(), ["block0.ffn.w13"]);
    }

    #[test]
    fn what_cannot_be_frozen_is_refused() {
        let message = |names: &[&str]| of(names).unwrap_err().to_string();
        assert!(message(&["embedings"]).contains("near to it are `embeddings`"), "{}", message(&["embedings"]));
        assert!(message(&["block.0"]).contains("`blocks.0`"), "{}", message(&["block.0"]));
        // not a whole part of a name
        assert!(message(&["blocks.0.att"]).contains("no weight"));
        assert!(message(&["blocks.0.attention.wq"]).contains("`blocks.0.attention.wk.weight`"));
        let all = ["embeddings", "vocab_to_embed", "blocks", "norm", "time_embeddings", "final_layer", "alpha"];
        assert!(message(&all).contains("nothing is left"));
    }
}
