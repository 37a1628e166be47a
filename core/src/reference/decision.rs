//! Routing of the reference backend.

use super::{Indices, Matrix, Real, Reference};
use crate::compute::{Route, RouteSpec};

impl<'a, E: Real> Reference<'a, E> {
    /// Scores are `gate + bias`; groups are ranked by their best score; the best `top_k` of the kept groups are chosen.
    /// Equal scores go to the lower index.
    pub(super) fn choose_experts(
        &self,
        gate: &Matrix<'a, E>,
        bias: Option<&Matrix<'a, E>>,
        spec: &RouteSpec,
    ) -> Route<Indices<'a>> {
        let RouteSpec { experts, top_k, groups, top_groups } = *spec;
        let (n, size) = (gate.rows, experts / groups);
        let slots = n * top_k;
        let score = |t: usize, e: usize| gate.at(t, e).to_f64() + bias.map_or(0.0, |b| b.at(0, e).to_f64());
        let best = |t: usize, g: usize| (g * size..(g + 1) * size).fold(f64::NEG_INFINITY, |m, e| m.max(score(t, e)));
        // x is chosen if fewer than `keep` others come before it
        let group_kept = |t: usize, g: usize| {
            let mine = best(t, g);
            let before = (0..groups).filter(|&o| best(t, o) > mine || (best(t, o) == mine && o < g)).count();
            before < top_groups
        };
        let chosen = |t: usize, e: usize| {
            if !group_kept(t, e / size) {
                return false;
            }
            let mine = score(t, e);
            let before = (0..experts)
                .filter(|&o| group_kept(t, o / size) && (score(t, o) > mine || (score(t, o) == mine && o < e)))
                .count();
            before < top_k
        };
        let route = Route {
            tokens: self.take_indices(slots),
            gates: self.take_indices(slots),
            offsets: self.take_indices(experts + 1),
            slots,
            experts,
        };
        let put = |to: &Indices<'a>, i: usize, x: usize| {
            if let Some(cell) = to.0.cells().get(i) {
                cell.set(x as u32);
            }
        };
        let mut slot = 0;
        put(&route.offsets, 0, 0);
        for e in 0..experts {
            for t in (0..n).filter(|&t| chosen(t, e)) {
                put(&route.tokens, slot, t);
                put(&route.gates, slot, t * experts + e);
                slot += 1;
            }
            put(&route.offsets, e + 1, slot);
        }
        route
    }
}
