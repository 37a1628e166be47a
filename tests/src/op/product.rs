//! Matrix products and products by expert, of tensors and of constant weights.

use ebt_core::compute::{Compute, Layout};

use crate::Draw;
use crate::case::{Args, Case, HostRoute, Operation};

/// Products of `t[0]` with a tensor `t[1]` or a constant `l[0]`; those by expert read the route.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "named after the methods of Compute")]
pub enum Product {
    Matmul(Layout),
    Grouped(Layout),
    Linear,
    LinearAdjoint,
    GroupedLinear,
    GroupedLinearAdjoint,
}

impl Operation for Product {
    fn run<C: Compute>(&self, c: &C, x: &mut Args<C>) -> Vec<C::Tensor> {
        let t = &x.t;
        vec![match *self {
            Self::Matmul(layout) => c.matmul(&t[0], &t[1], layout),
            Self::Grouped(layout) => c.grouped(&t[0], &t[1], x.routing(), layout),
            Self::Linear => c.linear(&t[0], &x.l[0]),
            Self::LinearAdjoint => c.linear_adjoint(&t[0], &x.l[0]),
            Self::GroupedLinear => c.grouped_linear(&t[0], &x.l[0], x.routing()),
            Self::GroupedLinearAdjoint => c.grouped_linear_adjoint(&t[0], &x.l[0], x.routing()),
        }]
    }
}

/// Products `(m, k) by (k, n)` in all layouts, and by expert.
pub fn cases(draw: &Draw, m: usize, k: usize, n: usize) -> Vec<Case<Product>> {
    use Product::*;
    let a = |rows, columns| draw.matrix(rows, columns);
    let mut all = vec![
        Case::new(Matmul(Layout::NN), vec![a(m, k), a(k, n)]),
        Case::new(Matmul(Layout::NT), vec![a(m, k), a(n, k)]),
        Case::new(Matmul(Layout::TN), vec![a(k, m), a(k, n)]),
        Case::new(Linear, vec![a(m, k)]).leaves(vec![a(n, k)]),
        Case::new(LinearAdjoint, vec![a(m, n)]).leaves(vec![a(n, k)]),
    ];
    let experts = 1 + draw.below(5);
    let route = HostRoute::draw(draw, m, experts, 1 + draw.below(experts));
    let slots = route.slots();
    all.extend([
        Case::new(Grouped(Layout::NT), vec![a(slots, k), a(experts * n, k)]).route(&route),
        Case::new(Grouped(Layout::NN), vec![a(slots, n), a(experts * n, k)]).route(&route),
        Case::new(Grouped(Layout::TN), vec![a(slots, n), a(slots, k)]).route(&route),
        Case::new(GroupedLinear, vec![a(slots, k)]).leaves(vec![a(experts * n, k)]).route(&route),
        Case::new(GroupedLinearAdjoint, vec![a(slots, n)]).leaves(vec![a(experts * n, k)]).route(&route),
    ]);
    all
}
