//! Log probabilities of tokens.

use super::engine::Engine;

/// A token and what is said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// The token as a string.
    pub token: String,
    /// Its log probability, in nats; none where nothing comes before it.
    pub log_probability: Option<f64>,
    /// The likeliest tokens with theirs, and the token itself; empty where none are wanted.
    pub alternatives: Vec<(String, f64)>,
}

impl Score {
    /// That of a token which nothing comes before.
    pub fn of_first(engine: &Engine, id: u32) -> Self {
        Self { token: engine.label(id), log_probability: None, alternatives: Vec::new() }
    }

    /// That of the token `id` by the `logits (V)` of its place: of the model's own distribution, before temperature and filters.
    pub fn of(engine: &Engine, logits: &[f32], id: u32, alternatives: usize) -> Self {
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits.iter().map(|x| f64::from(x - largest).exp()).sum();
        let at = |x: f32| f64::from(x) - f64::from(largest) - sum.ln();
        let own = logits.get(id as usize).copied().map_or(f64::NEG_INFINITY, at);
        let mut list: Vec<(String, f64)> =
            largest_of(logits, alternatives).map(|(id, x)| (engine.label(id), at(x))).collect();
        let token = engine.label(id);
        if alternatives > 0 && list.iter().all(|(other, _)| *other != token) {
            list.push((token.clone(), own));
        }
        Self { token, log_probability: Some(own), alternatives: list }
    }
}

/// The `count` largest logits and their ids, largest first; among equals the lower id.
fn largest_of(logits: &[f32], count: usize) -> impl Iterator<Item = (u32, f32)> {
    let mut best: Vec<(u32, f32)> = Vec::with_capacity(count + 1);
    for (id, &x) in (0u32..).zip(logits) {
        if best.len() == count && best.last().is_none_or(|(_, least)| x <= *least) {
            continue;
        }
        let place = best.partition_point(|(_, other)| *other >= x);
        best.insert(place, (id, x));
        best.truncate(count);
    }
    best.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn the_largest_are_those_of_a_sorted_list(
            logits in proptest::collection::vec((-4i8..4).prop_map(f32::from), 0..40),
            count in 0usize..24,
        ) {
            let mut all: Vec<(u32, f32)> = (0u32..).zip(logits.iter().copied()).collect();
            all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            all.truncate(count);
            prop_assert_eq!(largest_of(&logits, count).collect::<Vec<_>>(), all);
        }
    }
}
