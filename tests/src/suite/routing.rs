//! Expert choice: group limits, bias, ties.

use ebt_core::compute::{Backend, Compute, RouteSpec};
use proptest::prelude::*;

use crate::case::HostRoute;
use crate::compare::ensure;
use crate::{Draw, Factory, Mat, for_all};

/// The choice from its definition: the best groups by their best expert, then the best experts; ties go low.
fn choose(gate: &Mat, bias: Option<&Mat>, spec: &RouteSpec) -> HostRoute {
    let size = spec.experts / spec.groups;
    let mut pairs = Vec::new();
    for t in 0..gate.rows {
        let score: Vec<f64> = (0..spec.experts).map(|e| gate.row(t)[e] + bias.map_or(0.0, |b| b.data[e])).collect();
        let best = |g: usize| score[g * size..(g + 1) * size].iter().fold(f64::NEG_INFINITY, |m, &x| m.max(x));
        let mut groups: Vec<usize> = (0..spec.groups).collect();
        groups.sort_by(|&a, &b| best(b).total_cmp(&best(a)));
        groups.truncate(spec.top_groups);
        let mut experts: Vec<usize> = (0..spec.experts).filter(|e| groups.contains(&(e / size))).collect();
        experts.sort_by(|&a, &b| score[b].total_cmp(&score[a]));
        pairs.extend(experts.iter().take(spec.top_k).map(|&e| (e, t)));
    }
    HostRoute::sorted(pairs, spec.experts)
}

/// Chosen experts, their order and their offsets are those of the definition, with ties and without.
pub fn experts_are_chosen_as_the_reference_chooses<F: Factory>() {
    let strategy = (1..=30usize, 1..=4usize, 1..=4usize, any::<bool>(), any::<bool>(), any::<u64>());
    F::with(|b| {
        for_all(64, strategy, |(rows, groups, size, biased, ties, seed)| {
            let draw = Draw::new(seed);
            let top_groups = 1 + draw.below(groups);
            let spec =
                RouteSpec { experts: groups * size, top_k: 1 + draw.below(top_groups * size), groups, top_groups };
            let values = |r: usize| if ties { draw.coarse(r, spec.experts, 2) } else { draw.matrix(r, spec.experts) };
            let gate = values(rows);
            // coarse values with a coarse bias have exact sums: ties stay ties
            let bias = biased.then(|| draw.coarse(1, spec.experts, 2));
            let bias_there = bias.as_ref().map(|m| m.upload(b));
            let got = b.route(&gate.upload(b), bias_there.as_ref(), &spec);
            let want = choose(&gate, bias.as_ref(), &spec);
            ensure((got.slots, got.experts) == (want.slots(), spec.experts), || format!("{spec:?}: sizes"))?;
            for (name, got, want) in [
                ("tokens", &got.tokens, &want.tokens),
                ("gates", &got.gates, &want.gates),
                ("offsets", &got.offsets, &want.offsets),
            ] {
                let mut found = vec![7; want.len()];
                b.download_index(got, &mut found);
                ensure(&found == want, || format!("{spec:?}: {name} {found:?} instead of {want:?}"))?;
            }
            b.status().map_err(|e| e.to_string())
        });
    });
}
