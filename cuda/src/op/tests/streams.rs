//! Norm, gated unit, rotation, softmax, cross entropy.

use ebt_core::compute::{Backend, Compute, Rotary};

use super::{Bench, in_all_precisions};
use crate::Kind;

#[test]
#[ignore = "needs a device or a stand-in"]
fn norms_follow_their_definition() {
    in_all_precisions(|b| {
        for _ in 0..12 {
            let (n, m) = (b.size(), [b.size(), 520][usize::from(b.below(6) == 0)]);
            norm(b, n, m);
        }
    });
}

fn norm(b: &Bench<'_, '_>, n: usize, m: usize) {
    let (c, r, eps) = (&b.cuda, b.reference, if m > 3 { 1e-5 } else { 0.25 });
    let x = b.draw(n, m, c.stream_kind(), [0.3, 1.5]);
    let [xt, dy, dyt] = std::array::from_fn(|_| b.stream(n, m));
    let (w, shift, mut slot, mut other) = (b.float(1, m), b.float(1, m), b.float(1, m), b.float(1, m));
    let shift = (b.below(2) == 0).then_some(shift);
    let (y, scale) = c.norm(&x.device, &w.device, shift.as_ref().map(|s| &s.device), eps);
    let (ey, es) = r.norm(&x.exact, &w.exact, shift.as_ref().map(|s| &s.exact), eps);
    b.activation("norm", &y, &ey);
    b.statistic("scale", &scale, &es);
    let dx = c.norm_backward(&x.device, &w.device, &scale, &dy.device);
    b.activation("norm backward", &dx, &r.norm_backward(&x.exact, &w.exact, &es, &dy.exact));
    let (yt, st) = c.norm_tangent(&x.device, &xt.device, &w.device, &scale);
    let (eyt, est) = r.norm_tangent(&x.exact, &xt.exact, &w.exact, &es);
    b.activation("norm tangent", &yt, &eyt);
    b.statistic("tangent of the scale", &st, &est);
    let (dev, exact) = ([&scale, &st], [&es, &est]);
    let found = c.norm_backward_tangent([&x.device, &xt.device], &w.device, dev, [&dy.device, &dyt.device]);
    let want = r.norm_backward_tangent([&x.exact, &xt.exact], &w.exact, exact, [&dy.exact, &dyt.exact]);
    b.activation("norm backward tangent", &found, &want);
    c.accumulate_norm(&mut slot.device, Some(&mut other.device), &x.device, &scale, &dy.device);
    r.accumulate_norm(&mut slot.exact, Some(&mut other.exact), &x.exact, &es, &dy.exact);
    b.statistic("gain", &slot.device, &slot.exact);
    b.statistic("shift", &other.device, &other.exact);
}

#[test]
#[ignore = "needs a device or a stand-in"]
fn gated_units_and_modulations_follow_their_definition() {
    in_all_precisions(|b| {
        let (c, r) = (&b.cuda, b.reference);
        for _ in 0..12 {
            let (n, f) = (b.size(), b.size());
            let [u, ut] = std::array::from_fn(|_| b.stream(n, 2 * f));
            let [dy, dyt] = std::array::from_fn(|_| b.stream(n, f));
            b.activation("unit", &c.swiglu(&u.device), &r.swiglu(&u.exact));
            let found = c.swiglu_backward(&u.device, &dy.device);
            b.activation("unit backward", &found, &r.swiglu_backward(&u.exact, &dy.exact));
            let found = c.swiglu_tangent(&u.device, &ut.device);
            b.activation("unit tangent", &found, &r.swiglu_tangent(&u.exact, &ut.exact));
            let found = c.swiglu_backward_tangent([&u.device, &ut.device], [&dy.device, &dyt.device]);
            let want = r.swiglu_backward_tangent([&u.exact, &ut.exact], [&dy.exact, &dyt.exact]);
            b.activation("unit backward tangent", &found, &want);
            let a = b.float(1, f);
            b.activation("modulation", &c.modulate(&dy.device, &a.device), &r.modulate(&dy.exact, &a.exact));
            for a in [Some(&a), None] {
                let found = c.gate_residual(&dy.device, a.map(|a| &a.device), &dyt.device);
                let want = r.gate_residual(&dy.exact, a.map(|a| &a.exact), &dyt.exact);
                b.activation("residual", &found, &want);
            }
        }
    });
}

#[test]
#[ignore = "needs a device or a stand-in"]
fn rotations_follow_their_definition() {
    in_all_precisions(|b| {
        for _ in 0..12 {
            let (heads, head_dim, rest) = (1 + b.below(3), [2, 6, 8, 16, 42][b.below(5)], [0, 3, 8][b.below(3)]);
            let (context, offset) = (1 + b.below(9), [0, 1, 999_900][b.below(3)]);
            let spec = Rotary { context, heads, head_dim, theta: 10_000.0, offset };
            let x = b.stream(context * (1 + b.below(3)), heads * head_dim + rest);
            for inverse in [false, true] {
                let found = b.cuda.rotary(&x.device, &spec, inverse);
                b.activation("rotation", &found, &b.reference.rotary(&x.exact, &spec, inverse));
            }
        }
    });
}

#[test]
#[ignore = "needs a device or a stand-in"]
fn softmax_and_cross_entropy_follow_their_definition() {
    in_all_precisions(|b| {
        let (c, r) = (&b.cuda, b.reference);
        for round in 0..12 {
            let (n, m) = if b.below(6) == 0 { (3, 1030) } else { (b.size(), b.size()) };
            let spread = [1.0, 60.0][round % 2];
            let y = b.draw(n, m, Kind::F32, [-spread, spread]);
            let [dp, pt, dpt] = std::array::from_fn(|_| b.float(n, m));
            let (p, ep) = (c.softmax(&y.device), r.softmax(&y.exact));
            b.statistic("softmax", &p, &ep);
            let found = c.softmax_backward(&p, &dp.device);
            b.statistic("softmax backward", &found, &r.softmax_backward(&ep, &dp.exact));
            let found = c.softmax_backward_tangent([&p, &pt.device], [&dp.device, &dpt.device]);
            let want = r.softmax_backward_tangent([&ep, &pt.exact], [&dp.exact, &dpt.exact]);
            b.statistic("softmax backward tangent", &found, &want);
            let top = r.max_columns(&y.exact);
            let shifted = r.add(&y.exact, &r.scale(&top, -1.0));
            let lse = r.add(&r.ln(&r.sum_columns(&r.exp(&shifted))), &top);
            b.statistic("log-sum-exp", &c.log_sum_exp(&y.device), &lse);
            let (targets, weight) = (b.targets(n, m), b.float(n, 1));
            let (loss, dy) = c.cross_entropy(&y.device, &b.index(&targets), &weight.device);
            let (el, ed) = r.cross_entropy(&y.exact, &r.index(&targets), &weight.exact);
            b.statistic("loss", &loss, &el);
            b.statistic("cotangent of logits", &dy, &ed);
        }
    });
}
