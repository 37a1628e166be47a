//! Lyapunov loss on the training trajectory (guide/mathematics.md section 6): `mean relu(E_{i+1} - E_i + c alpha D_i)^2`,
//! both energies on the landscape of step `i`, the next one at `softmax(Y_{i+1})` without noise.
//!
//! Dissipation: `D = Var_P(G)` for mirror, `|J G|^2` for logit; for probability `alpha D = <G, P - P'>`, minus the
//! directional derivative along the actual move. With `q = 2 weight relu(.) / positions`, the gradient has four parts:
//! `q dE_{i+1}` (weights, and the next state through `J`), `-q dE_i` (weights, and `P_i`), and through `D` a direction
//! `w = q c d(alpha D)/dG` for the second-order pass, with `q c d(alpha D)/dP` on the state and `q c D` on alpha.

use super::rollout::{Evaluated, Scene};
use crate::compute::Backend;
use crate::config::UpdateRule;
use crate::energy::{self, Observed, Prediction, PredictionSink};
use crate::layer::condition::Condition;

/// What the term of a step depends on.
#[derive(Debug)]
pub struct Term<'a, B: Backend> {
    /// The rollout.
    pub scene: Scene<'a, B>,
    /// Observed stream of the step's landscape.
    pub observed: &'a Observed<B::Array, B::Index>,
    /// Condition vectors of the step's landscape.
    pub condition: &'a Condition<B::Array>,
    /// The step's evaluation.
    pub at: &'a Evaluated<B::Array, B::Index>,
    /// Next state.
    pub next: &'a B::Array,
    /// Step sizes `(n,1)`.
    pub alphas: &'a B::Array,
    /// Targets: positions without one do not count.
    pub targets: &'a B::Index,
    /// Weight of a position in the loss `(1,1)`.
    pub weight: &'a B::Array,
}

/// Value and derivatives of a term; weight gradients have gone to the sink.
#[derive(Clone, Debug)]
pub struct Pulled<T> {
    /// Weighted loss `(1,1)`.
    pub loss: T,
    /// On the next state `Y_{i+1} (n,V)`.
    pub next: T,
    /// On `P_i (n,V)`, beside what the second-order pass gives.
    pub p: T,
    /// Direction `w (n,V)` to add to that of the second-order pass.
    pub direction: T,
    /// On every position's step size `(n,1)`.
    pub alpha: T,
}

/// `alpha D (n,1)` and its derivatives by `G`, `P`, `P'` (the last for probability only).
fn dissipation<B: Backend>(t: &Term<'_, B>, g: &B::Array, p: &B::Array, next: &B::Array) -> [B::Array; 4] {
    let b = t.scene.b;
    let dot = |x: &B::Array, y: &B::Array| b.sum_columns(&b.mul(x, y));
    let zero = b.fill(1, 1, 0.0);
    match t.scene.model.config.update {
        UpdateRule::Probability => {
            let back = b.add(p, &b.scale(next, -1.0));
            [dot(g, &back), back, g.clone(), b.scale(g, -1.0)]
        }
        UpdateRule::Mirror => {
            // D = <P, G^2> - <P,G>^2, dD/dG = 2 J G, dD/dP = G^2 - 2 <P,G> G
            let jg = b.softmax_backward(p, g);
            let mean = dot(p, g);
            let by_p = b.add(&b.mul(g, g), &b.scale(&b.mul(g, &mean), -2.0));
            let by_g = b.scale(&jg, 2.0);
            [b.mul(&dot(&jg, g), t.alphas), b.mul(&by_g, t.alphas), b.mul(&by_p, t.alphas), zero]
        }
        UpdateRule::Logit => {
            // z = J G = P (G - m), D = |z|^2, dD/dG = 2 J z, dD/dP = 2 (z (G - m) - G <z,P>)
            let z = b.softmax_backward(p, g);
            let m = b.scale(&dot(p, g), -1.0);
            let centred = b.add(g, &m);
            let by_p = b.add(&b.mul(&z, &centred), &b.scale(&b.mul(g, &dot(&z, p)), -1.0));
            let by_g = b.scale(&b.softmax_backward(p, &z), 2.0);
            [b.mul(&dot(&z, &z), t.alphas), b.mul(&by_g, t.alphas), b.mul(&b.scale(&by_p, 2.0), t.alphas), zero]
        }
    }
}

/// The term of one step.
pub fn term<B: Backend>(
    t: &Term<'_, B>,
    grads: &mut [B::Array],
    dcondition: &mut Condition<B::Array>,
    dmemory: &mut [B::Array],
) -> Pulled<B::Array> {
    let (b, scene) = (t.scene.b, t.scene);
    let (weight, c) = (scene.objective.lyapunov / scene.steps as f64, scene.objective.lyapunov_c);
    let p = &t.at.p.dense(b);
    let p_next = b.softmax(t.next);
    let g = scene.unscaled(scene.unmix(&t.at.dp));
    let [fall, by_g, by_p, by_next] = dissipation(t, &g, p, &p_next);
    let x =
        Prediction { model: scene.model, geometry: scene.geometry, condition: t.condition, memory: &t.observed.memory };
    let (after, saved_after) = energy::forward(b, &x, &scene.mix(&p_next));
    let rise = b.add(&b.add(&after, &b.scale(&t.at.energy, -1.0)), &b.scale(&fall, c));
    let present = b.sum_columns(&b.one_hot(t.targets, scene.model.config.vocab));
    let hinge = b.mul(&b.mul(&rise, &b.step(&rise)), &present);
    let loss = b.mul(&b.scale(&b.sum_rows(&b.mul(&hinge, &hinge)), weight), t.weight);
    let q = b.mul(&b.scale(&hinge, 2.0 * weight), t.weight);
    let minus_q = b.scale(&q, -1.0);
    let mut pull = |saved: &energy::PredictionSaved<B::Array, B::Index>, point: &B::Array, de: &B::Array| {
        let sink =
            PredictionSink { grads: &mut *grads, condition: &mut *dcondition, memory: &mut *dmemory, balance: &[] };
        let dp = energy::backward(b, &x, saved, de, Some(sink));
        b.collect_product(&mut grads[scene.model.layout.vocabulary], 0, point, &dp);
        scene.unmix(&dp)
    };
    let on_next = pull(&saved_after, &p_next, &q);
    drop(saved_after);
    let (_, saved) = energy::forward(b, &x, &t.at.mixed);
    let on_p = pull(&saved, p, &minus_q);
    let qc = b.scale(&q, c);
    let on_next = match scene.model.config.update {
        UpdateRule::Probability => b.add(&on_next, &b.mul(&by_next, &qc)),
        UpdateRule::Mirror | UpdateRule::Logit => on_next,
    };
    let alpha = match scene.model.config.update {
        UpdateRule::Probability => b.scale(&qc, 0.0),
        UpdateRule::Mirror | UpdateRule::Logit => b.mul(&b.mul(&fall, &qc), &b.recip(t.alphas)),
    };
    Pulled {
        loss,
        next: b.softmax_backward(&p_next, &on_next),
        p: b.add(&on_p, &b.mul(&by_p, &qc)),
        direction: b.mul(&by_g, &qc),
        alpha,
    }
}
