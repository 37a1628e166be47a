//! The keys a configuration may have, and the nearest one to a misspelt.

use ebt_model::fields;
use toml::Value;

use super::edits::edits;
use super::{LoraConfig, RestoreConfig, RunConfig, SudokuConfig};

pub use ebt_model::fields::join;

/// A configuration in which every optional key is present.
fn complete() -> RunConfig {
    let mut c = RunConfig { model: fields::complete_config(), ..RunConfig::default() };
    c.train.minutes = Some(1.0);
    c.train.threads = Some(1);
    c.train.patience = Some(1);
    c.data.tokenizer = Some("tokenizer.json".into());
    c.sudoku = Some(SudokuConfig::default());
    c.restore = Some(RestoreConfig::default());
    c.lora = Some(LoraConfig::default());
    c.start.embedding = Some(1.0);
    c
}

/// Dotted names of all keys, sections included.
pub fn known() -> Vec<String> {
    fields::names(&complete(), "")
}

/// Whether the value of a key is a whole number; there is no key with one below 0.
pub fn is_whole(name: &str) -> bool {
    let Ok(all) = Value::try_from(complete()) else { return false };
    name.split('.').try_fold(&all, |value, part| value.get(part)).is_some_and(Value::is_integer)
}

/// Keys that may be left out or unset with `none`.
pub const OPTIONAL: [&str; 13] = [
    "model.kv_heads",
    "model.head_dim",
    "model.window",
    "model.moe",
    "model.joint.grid",
    "sudoku",
    "restore",
    "lora",
    "start.embedding",
    "train.minutes",
    "train.threads",
    "train.patience",
    "data.tokenizer",
];

/// The known key nearest to `name`: by its last part, keys of the same section first.
pub fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    let (section, last) = name.rsplit_once('.').unwrap_or(("", name));
    let distance = |key: &str| {
        let (at, part) = key.rsplit_once('.').unwrap_or(("", key));
        let wrong = 2 * edits(part, last);
        match (at == section, wrong) {
            (true, _) => wrong,
            (false, 0) => 1,
            (false, _) => wrong + 1 + edits(at, section),
        }
    };
    known.iter().map(String::as_str).min_by_key(|key| distance(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_the_one_meant() {
        let known = known();
        for (wrong, right) in [
            ("model.layer", "model.layers"),
            ("optimizer.weight_deca", "optimizer.weight_decay"),
            ("objective.max_step", "objective.max_steps"),
            ("modell", "model"),
            ("train.rate", "schedule.rate"),
            ("model.moe.topk", "model.moe.top_k"),
        ] {
            assert_eq!(nearest(wrong, &known), Some(right), "{wrong}");
        }
    }

    #[test]
    fn whole_numbers_are_known_by_their_keys() {
        for name in ["train.threads", "schedule.warmup", "model.moe.top_k", "train.seed", "model.window"] {
            assert!(is_whole(name), "{name}");
        }
        assert!(["train.minutes", "model", "model.kind", "data.tokenizer", "x.y"].iter().all(|name| !is_whole(name)));
    }

    #[test]
    fn optional_keys_are_known() {
        let known = known();
        assert!(OPTIONAL.iter().all(|key| known.iter().any(|k| k == key)));
        assert_eq!(edits("kitten", "sitting"), 3);
    }
}
