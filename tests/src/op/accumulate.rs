//! The gradient sink: under `Dual` it adds only the tangent of what is named.

use ebt_core::compute::Compute;

use crate::Draw;
use crate::case::{Args, Case, HostRoute, Operation};

/// Gradient sinks; `slots[0]` is the slot. The norm's sink is with the norm.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "named after the methods of Compute")]
pub enum Accumulate {
    Accumulate,
    Product(usize),
    Grouped,
    Dot,
    Scatter,
}

impl Operation for Accumulate {
    fn run<C: Compute>(&self, c: &C, x: &mut Args<C>) -> Vec<C::Tensor> {
        let (t, slot) = (&x.t, &mut x.slots[0]);
        match *self {
            Self::Accumulate => c.accumulate(slot, &t[0]),
            Self::Product(start) => c.accumulate_product(slot, start, &t[0], &t[1]),
            Self::Grouped => c.accumulate_grouped(slot, &t[0], &t[1], x.route.as_ref().expect("a route")),
            Self::Dot => c.accumulate_dot(slot, &t[0], &t[1]),
            Self::Scatter => c.accumulate_scatter(slot, &x.i[0], &t[0]),
        }
        vec![]
    }
}

/// All sinks: `m` rows, `k` inputs, `n` outputs.
pub fn cases(draw: &Draw, m: usize, k: usize, n: usize) -> Vec<Case<Accumulate>> {
    let a = |rows, columns| draw.matrix(rows, columns);
    let start = draw.below(3);
    let rows = 1 + draw.below(2 * m);
    let experts = 1 + draw.below(5);
    let route = HostRoute::draw(draw, m, experts, 1 + draw.below(experts));
    let slots = route.slots();
    vec![
        Case::new(Accumulate::Accumulate, vec![a(m, k)]).slots(vec![a(m, k)]),
        Case::new(Accumulate::Product(0), vec![a(m, n), a(m, k)]).slots(vec![a(n, k)]),
        Case::new(Accumulate::Product(start), vec![a(m, n), a(m, k)]).slots(vec![a(start + n + draw.below(3), k)]),
        Case::new(Accumulate::Grouped, vec![a(slots, n), a(slots, k)]).slots(vec![a(experts * n, k)]).route(&route),
        Case::new(Accumulate::Dot, vec![a(m, k), a(m, k)]).slots(vec![a(1, k)]),
        Case::new(Accumulate::Scatter, vec![a(m, k)]).slots(vec![a(rows, k)]).indices(vec![draw.indices(m, rows)]),
    ]
}
