//! Names of weights as they may be written in a configuration.

use super::edits::edits;

/// Names that a sentence proposes at most.
const PROPOSED: usize = 3;

/// A name as it may be written shortly: `blocks.0.attention.wq` for `transformer.layers.0.attention.wq`.
pub fn short(name: &str) -> String {
    let name = name.strip_prefix("transformer.").unwrap_or(name);
    match name.strip_prefix("layers") {
        Some(rest) if rest.is_empty() || rest.starts_with('.') => format!("blocks{rest}"),
        _ => name.to_owned(),
    }
}

/// Those nearest to `name` among `known` names, their beginnings and their parts, each in backquotes.
pub fn nearest_of<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let mut all: Vec<&str> = known.flat_map(|known| beginnings(known).chain(known.split('.'))).collect();
    all.sort_unstable();
    all.dedup();
    all.sort_by_key(|known| edits(known, name));
    all.truncate(PROPOSED);
    format!("`{}`", all.join("`, `"))
}

/// A name, and what it begins with up to each dot.
fn beginnings(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.').map(|(at, _)| &name[..at]).chain([name])
}
