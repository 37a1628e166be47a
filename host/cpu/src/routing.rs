//! Choice of experts, sorted by expert.

use ebt_core::compute::RouteSpec;

use super::kernel::element::Element;

/// A routing decision on the host.
#[derive(Debug, Default)]
pub(super) struct Choice {
    pub tokens: Vec<u32>,
    pub gates: Vec<u32>,
    pub offsets: Vec<u32>,
}

/// The `keep` largest of `scores` by (score, lower index first), as a mask; NaN counts as least.
fn largest(scores: &[f64], allowed: impl Fn(usize) -> bool, keep: usize, order: &mut Vec<usize>, mask: &mut [bool]) {
    order.clear();
    order.extend((0..scores.len()).filter(|&i| allowed(i)));
    let rank = |x: f64| if x.is_nan() { f64::NEG_INFINITY } else { x };
    order.sort_by(|&a, &b| rank(scores[b]).total_cmp(&rank(scores[a])).then(a.cmp(&b)));
    mask.fill(false);
    for &i in order.iter().take(keep) {
        mask[i] = true;
    }
}

/// Experts of every row of `gate (n, E)`, see [`RouteSpec`].
pub(super) fn choose<E: Element>(gate: &[E], bias: Option<&[E]>, spec: &RouteSpec) -> Choice {
    let RouteSpec { experts, top_k, groups, top_groups } = *spec;
    let (n, size) = (gate.len() / experts, experts / groups);
    let mut scores = vec![0.0; experts];
    let mut best = vec![0.0; groups];
    let (mut kept, mut chosen) = (vec![true; groups], vec![false; experts]);
    let mut order = Vec::with_capacity(experts);
    let mut by_expert: Vec<Vec<u32>> = vec![Vec::with_capacity(n * top_k / experts + 1); experts];
    for (t, row) in gate.chunks_exact(experts).enumerate() {
        for (e, (s, g)) in scores.iter_mut().zip(row).enumerate() {
            *s = g.to_f64() + bias.and_then(|b| b.get(e)).map_or(0.0, |b| b.to_f64());
        }
        if groups > 1 {
            for (b, s) in best.iter_mut().zip(scores.chunks_exact(size)) {
                *b = s.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            }
            largest(&best, |_| true, top_groups, &mut order, &mut kept);
        }
        largest(&scores, |e| kept[e / size], top_k, &mut order, &mut chosen);
        for (e, _) in chosen.iter().enumerate().filter(|(_, c)| **c) {
            by_expert[e].push(t as u32);
        }
    }
    let mut out = Choice { offsets: vec![0], ..Choice::default() };
    for (e, tokens) in by_expert.iter().enumerate() {
        out.tokens.extend(tokens);
        out.gates.extend(tokens.iter().map(|&t| t * experts as u32 + e as u32));
        out.offsets.push(out.tokens.len() as u32);
    }
    out
}
