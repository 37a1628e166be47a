//! Choice of experts.

use ebt_core::compute::{Route, RouteSpec};
use ebt_core::error::Error;

use super::shape::{require_fit, word};
use super::sort::{self, Digit};
use crate::launch::{Kernel, args};
use crate::{Cuda, Index, Kind, Matrix};

/// Threads of the choosing and placing kernels.
const THREADS: usize = 256;
/// Most experts that kernels choose from.
const MOST_EXPERTS: usize = 1024;

impl Cuda {
    /// Chooses `top_k` experts for every row of `gate (n,E)`; the backend fails if there are more than 1024 experts.
    pub(crate) fn route(&self, gate: &Matrix, bias: Option<&Matrix>, spec: &RouteSpec) -> Route<Index> {
        let &RouteSpec { experts, top_k, groups, top_groups } = spec;
        let (gate, bias) = (self.float(gate), bias.map(|b| self.float(b)));
        let slots = gate.rows * top_k;
        let route = Route {
            tokens: self.take_index(slots),
            gates: self.take_index(slots),
            offsets: self.take_index(experts + 1),
            slots,
            experts,
        };
        let fits = gate.columns == experts && bias.as_ref().is_none_or(|b| b.len() == experts);
        if !require_fit(self, "gates", fits, &[(gate.rows, gate.columns), (1, experts)]) {
            return route;
        }
        let whole = groups > 0 && experts.is_multiple_of(groups) && (1..=MOST_EXPERTS).contains(&experts);
        if !whole || top_k == 0 || top_k > top_groups.min(groups) * (experts / groups) {
            let message = format!(
                "{top_k} of {experts} experts in {top_groups} of {groups} groups: groups must be equal and hold \
                 what is chosen, and at most {MOST_EXPERTS} experts are supported"
            );
            self.fail(Error::Shape { what: "a routing".into(), message });
            return route;
        }
        // entries of the flattened gates are counted in 32 bits
        word(self, "gates", gate.len());
        let [n, e, k, g, kept] = [gate.rows, experts, top_k, groups, top_groups].map(|x| word(self, "a routing", x));
        let (name, lanes) = match experts {
            ..=32 => ("route_choose_4", 4),
            33..=64 => ("route_choose_8", 8),
            65..=256 => ("route_choose_32", 32),
            _ => ("route_choose_all", 32),
        };
        let chosen = self.take_index(slots);
        let choose = Kernel { family: "route", name, kind: Kind::F32 };
        let blocks = gate.rows.div_ceil(THREADS / lanes);
        self.launch(choose, blocks, THREADS as u32, 0, args![&chosen, &gate, bias.as_ref(), n, e, k, g, kept]);
        let counts = sort::count(self, &chosen, Digit { limit: e, shift: 0, mask: u32::MAX, buckets: experts });
        let Route { tokens, gates, offsets, .. } = &route;
        let [items, chunk] = [slots, counts.chunk].map(|x| word(self, "slots", x));
        let place_args = args![tokens, gates, offsets, &counts.before, &counts.totals, &chosen, items, k, e, chunk];
        let bytes = sort::place_bytes(experts);
        self.launch(sort::kernel("sort_route"), counts.chunks, THREADS as u32, bytes, place_args);
        route
    }
}
