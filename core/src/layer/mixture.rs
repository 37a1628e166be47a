//! DeepSeek-V2 mixture of experts (arXiv 2405.04434, section 2.2):
//! `y = sum_shared FFN(x) + sum over chosen i of g_i FFN_i(x)`, `g = softmax(W_gate x)`.
//!
//! Tokens are sorted by expert and every expert multiplies its own rows; none is dropped. The choice is a constant of
//! differentiation. The balance loss belongs to the outer objective: its gradient enters as `balance`, the gradient
//! with respect to the gates, through [`Compute::inject`] and so never reaches the inner gradient.

use super::feed_forward::{SwigluSaved, swiglu, swiglu_backward};
use crate::compute::{Compute, Route};
use crate::config::MoeConfig;
use crate::parameters::{ParameterId, SwigluIds};

/// Added to the sum of kept gates before dividing by it.
const TOPK_EPS: f64 = 1e-20;

/// Parameters of a mixture, see [`crate::parameters::FeedForwardIds`].
#[derive(Clone, Copy, Debug)]
pub struct MixtureIds {
    /// Gate `(E,D)`.
    pub gate: ParameterId,
    /// Routing bias `(1,E)`.
    pub bias: ParameterId,
    /// Experts.
    pub experts: SwigluIds,
    /// Shared experts.
    pub shared: Option<SwigluIds>,
}

/// A routing decision with its gates.
#[derive(Clone, Debug)]
pub struct GateSaved<T, I> {
    /// `softmax(W_gate x) (n,E)`.
    pub gate: T,
    /// Who goes where.
    pub route: Route<I>,
}

/// Activations of a mixture.
#[derive(Clone, Debug)]
pub struct MixtureSaved<T, I> {
    /// Gates and routing.
    pub gate: GateSaved<T, I>,
    chosen: T,
    inverse: Option<T>,
    weight: T,
    xs: T,
    experts: SwigluSaved<T>,
    ys: T,
    shared: Option<SwigluSaved<T>>,
}

/// Gates and routing alone.
pub fn gate<C: Compute>(
    c: &C,
    weights: &[C::Leaf],
    ids: MixtureIds,
    moe: &MoeConfig,
    x: &C::Tensor,
) -> GateSaved<C::Tensor, C::Index> {
    let gate = c.softmax(&c.scores(x, &weights[ids.gate]));
    let bias = (moe.bias_rate > 0.0).then(|| &weights[ids.bias]);
    let route = c.route(&gate, bias, &moe.route());
    GateSaved { gate, route }
}

/// `dx` through the gates from `dgate (n,E)`.
pub fn gate_backward<C: Compute>(
    c: &C,
    weights: &[C::Leaf],
    ids: MixtureIds,
    x: &C::Tensor,
    saved: &GateSaved<C::Tensor, C::Index>,
    dgate: &C::Tensor,
    balance: Option<&C::Leaf>,
    grads: Option<&mut [C::Leaf]>,
) -> C::Tensor {
    let dlogits = match balance {
        Some(balance) => c.softmax_backward(&saved.gate, &c.inject(dgate, balance)),
        None => c.softmax_backward(&saved.gate, dgate),
    };
    if let Some(grads) = grads {
        c.collect_product(&mut grads[ids.gate], 0, &dlogits, x);
    }
    c.linear_adjoint(&dlogits, &weights[ids.gate])
}

/// The whole mixture.
pub fn forward<C: Compute>(
    c: &C,
    weights: &[C::Leaf],
    ids: MixtureIds,
    moe: &MoeConfig,
    x: &C::Tensor,
) -> (C::Tensor, MixtureSaved<C::Tensor, C::Index>) {
    let (n, _) = c.shape(x);
    let gate = gate(c, weights, ids, moe, x);
    let route = &gate.route;
    let flat = c.reshape(&gate.gate, n * moe.n_routed, 1);
    let chosen = c.gather_rows(&flat, &route.gates);
    let inverse = (moe.norm_topk && moe.top_k > 1).then(|| {
        let sum = c.scatter_rows(&chosen, &route.tokens, n);
        c.recip(&c.offset(&sum, TOPK_EPS))
    });
    let kept = match &inverse {
        Some(inverse) => c.mul(&chosen, &c.gather_rows(inverse, &route.tokens)),
        None => chosen.clone(),
    };
    let weight = c.scale(&kept, moe.scale);
    let xs = c.gather_rows(x, &route.tokens);
    let u = c.grouped_linear(&xs, &weights[ids.experts.w13], route);
    let act = c.swiglu(&u);
    let ys = c.grouped_linear(&act, &weights[ids.experts.w2], route);
    let mut y = c.scatter_rows(&c.mul(&ys, &weight), &route.tokens, n);
    let shared = ids.shared.map(|ids| {
        let (z, saved) = swiglu(c, weights, ids, x);
        y = c.add(&y, &z);
        saved
    });
    (y, MixtureSaved { gate, chosen, inverse, weight, xs, experts: SwigluSaved { u, act }, ys, shared })
}

/// `dx` of [`forward`].
pub fn backward<C: Compute>(
    c: &C,
    weights: &[C::Leaf],
    ids: MixtureIds,
    moe: &MoeConfig,
    x: &C::Tensor,
    saved: &MixtureSaved<C::Tensor, C::Index>,
    dy: &C::Tensor,
    balance: Option<&C::Leaf>,
    mut grads: Option<&mut [C::Leaf]>,
) -> C::Tensor {
    let (n, _) = c.shape(x);
    let route = &saved.gate.route;
    // y[t] = sum over slots of t of weight * ys
    let dslots = c.gather_rows(dy, &route.tokens);
    let dweight = c.sum_columns(&c.mul(&dslots, &saved.ys));
    let dys = c.mul(&dslots, &saved.weight);
    // experts
    let dact = c.grouped_linear_adjoint(&dys, &weights[ids.experts.w2], route);
    let du = c.swiglu_backward(&saved.experts.u, &dact);
    if let Some(grads) = grads.as_deref_mut() {
        c.collect_grouped(&mut grads[ids.experts.w2], &dys, &saved.experts.act, route);
        c.collect_grouped(&mut grads[ids.experts.w13], &du, &saved.xs, route);
    }
    let dxs = c.grouped_linear_adjoint(&du, &weights[ids.experts.w13], route);
    let mut dx = c.scatter_rows(&dxs, &route.tokens, n);
    // weight = scale * chosen * inverse, inverse = 1 / (sum of chosen + eps)
    let dkept = c.scale(&dweight, moe.scale);
    let dchosen = match &saved.inverse {
        None => dkept,
        Some(inverse) => {
            let dinverse = c.scatter_rows(&c.mul(&dkept, &saved.chosen), &route.tokens, n);
            let dsum = c.scale(&c.mul(&c.mul(inverse, inverse), &dinverse), -1.0);
            let direct = c.mul(&dkept, &c.gather_rows(inverse, &route.tokens));
            c.add(&direct, &c.gather_rows(&dsum, &route.tokens))
        }
    };
    let dgate = c.reshape(&c.scatter_rows(&dchosen, &route.gates, n * moe.n_routed), n, moe.n_routed);
    let through_gate = gate_backward(c, weights, ids, x, &saved.gate, &dgate, balance, grads.as_deref_mut());
    dx = c.add(&dx, &through_gate);
    if let (Some(ids), Some(saved)) = (ids.shared, &saved.shared) {
        dx = c.add(&dx, &swiglu_backward(c, weights, ids, x, saved, dy, grads));
    }
    dx
}

/// Tokens sent to each expert, by balance group: `(groups, E)`.
pub fn load<C: Compute>(c: &C, saved: &GateSaved<C::Tensor, C::Index>, groups: &C::Index, count: usize) -> C::Tensor {
    let (n, experts) = c.shape(&saved.gate);
    let ones = c.fill(saved.route.slots, 1, 1.0);
    let hot = c.reshape(&c.scatter_rows(&ones, &saved.route.gates, n * experts), n, experts);
    c.scatter_rows(&hot, groups, count)
}
