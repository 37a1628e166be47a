//! DeepSeek-V2 mixture of experts (arXiv 2405.04434, section 2.2):
//! `y = sum_shared FFN(x) + sum over chosen i of g_i FFN_i(x)`, `g = softmax(W_gate x)`.
//!
//! Tokens are sorted by expert and every expert multiplies its own rows; none is dropped. The choice is a constant of
//! differentiation. The balance loss belongs to the outer objective: its gradient enters as `balance`, the gradient
//! with respect to the gates, through [`Compute::inject`] and so never reaches the inner gradient.

use super::linear;
use super::swiglu::{self, SwigluSaved};
use crate::compute::{Compute, Route};
use crate::config::MoeConfig;
use crate::layer::weights::{Mixture, Weight};

/// Added to the sum of kept gates before dividing by it.
const TOPK_EPS: f64 = 1e-20;

/// A routing decision with its gates.
#[derive(Clone, Debug)]
pub struct GateSaved<T, I> {
    /// `softmax(W_gate x) (n,E)`.
    pub gate: T,
    /// Which rows go to which expert: `n top_k` slots, sorted by expert.
    pub route: Route<I>,
}

/// Activations of a mixture.
#[derive(Clone, Debug)]
pub struct MixtureSaved<T, I> {
    /// Gates and routing.
    pub gate: GateSaved<T, I>,
    /// Gate of every slot `(slots,1)`.
    chosen: T,
    /// One over the sum of a token's chosen gates `(n,1)`, where they are renormalised.
    inverse: Option<T>,
    /// Weight of every slot in its token's output `(slots,1)`.
    weight: T,
    /// Inputs of the slots `(slots,D)`.
    xs: T,
    experts: SwigluSaved<T>,
    /// Outputs of the slots before weighting `(slots,D)`.
    ys: T,
    shared: Option<SwigluSaved<T>>,
}

/// Gates `softmax(W_gate x) (n,E)` of `x (n,D)`, and the routing that they decide.
pub fn gate<C: Compute>(
    c: &C,
    w: Mixture<Weight<'_, C::Leaf>>,
    moe: &MoeConfig,
    x: &C::Tensor,
) -> GateSaved<C::Tensor, C::Index> {
    let gate = c.softmax(&linear::wide_forward(c, w.gate, x));
    let bias = (moe.bias_rate > 0.0).then_some(w.bias.value);
    let route = c.route(&gate, bias, &moe.route());
    GateSaved { gate, route }
}

/// `dx (n,D)` through the gates from `dgate (n,E)`; `balance (n,E)` is the outer objective's part of that gradient.
pub fn gate_backward<C: Compute>(
    c: &C,
    w: Mixture<Weight<'_, C::Leaf>>,
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
    linear::backward(c, w.gate, x, &dlogits, grads)
}

/// `y (n,D)` of the normed hidden state `x (n,D)`, with what the backward pass needs.
pub fn forward<C: Compute>(
    c: &C,
    w: Mixture<Weight<'_, C::Leaf>>,
    moe: &MoeConfig,
    x: &C::Tensor,
) -> (C::Tensor, MixtureSaved<C::Tensor, C::Index>) {
    let (n, _) = c.shape(x);
    let gate = gate(c, w, moe, x);
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
    let u = linear::grouped_forward(c, w.experts.w13, &xs, route);
    let act = c.swiglu(&u);
    let ys = linear::grouped_forward(c, w.experts.w2, &act, route);
    let mut y = c.scatter_rows(&c.mul(&ys, &weight), &route.tokens, n);
    let shared = w.shared.map(|w| {
        let (z, saved) = swiglu::forward(c, w, x);
        y = c.add(&y, &z);
        saved
    });
    (y, MixtureSaved { gate, chosen, inverse, weight, xs, experts: SwigluSaved { u, act }, ys, shared })
}

/// `dx (n,D)` of [`forward`] from `dy (n,D)`; `balance (n,E)` is the outer objective's gradient with respect to the gates.
/// With `grads` (layout order), weight gradients are added to theirs.
pub fn backward<C: Compute>(
    c: &C,
    w: Mixture<Weight<'_, C::Leaf>>,
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
    let (up, down) = (w.experts.w13, w.experts.w2);
    let dact = linear::grouped_backward(c, down, &saved.experts.act, &dys, route, grads.as_deref_mut());
    let du = c.swiglu_backward(&saved.experts.u, &dact);
    let dxs = linear::grouped_backward(c, up, &saved.xs, &du, route, grads.as_deref_mut());
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
    let through_gate = gate_backward(c, w, x, &saved.gate, &dgate, balance, grads.as_deref_mut());
    dx = c.add(&dx, &through_gate);
    if let (Some(w), Some(saved)) = (w.shared, &saved.shared) {
        dx = c.add(&dx, &swiglu::backward(c, w, x, saved, dy, grads));
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
