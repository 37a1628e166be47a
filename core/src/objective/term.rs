//! A term of the loss beside the cross entropy: what it is given, and what it gives back.

use core::fmt::Debug;

use super::Objective;
use super::target::Target;
use crate::compute::Backend;
use crate::descent::rollout::{EnergyAt, Rollout};
use crate::energy::{self, Prediction, PredictionSaved, PredictionSink};
use crate::layer::condition::Condition;

/// The energy on one landscape, with where the gradients of what is evaluated there go.
#[derive(Debug)]
pub struct EnergyWithSink<'a, B: Backend> {
    /// The model, its observed keys and values, and the condition of the landscape: all of `E` but the candidate.
    pub x: Prediction<'a, B::Array, B::Index>,
    /// Weight gradients in layout order.
    pub grads: &'a mut [B::Array],
    /// Gradients of the landscape's condition vectors, each `(1,D)`.
    pub condition: &'a mut Condition<B::Array>,
    /// Gradients of the observed keys and values `(n, 2 K d)`, by block.
    pub memory: &'a mut [B::Array],
}

impl<B: Backend> EnergyWithSink<'_, B> {
    /// The sink of one backward pass; `balance` holds the outer gradients on the gates `(n,E)`, by block.
    pub fn sink<'s>(&'s mut self, balance: &'s [Option<B::Array>]) -> PredictionSink<'s, B::Array> {
        PredictionSink { grads: self.grads, condition: self.condition, memory: self.memory, balance }
    }

    /// Pulls `de (n,1)` back from the energies of `point (n,V)`: all weight gradients are added, that of the vocabulary
    /// matrix `W_v` (in `p = point W_v`) included. Returns `dp (n,D)`.
    pub fn pull(
        &mut self,
        b: &B,
        saved: &PredictionSaved<B::Array, B::Index>,
        point: &B::Array,
        de: &B::Array,
    ) -> B::Array {
        let x = self.x;
        let dp = energy::backward(b, &x, saved, de, Some(self.sink(&[])));
        b.accumulate_product(&mut self.grads[x.model.layout.vocabulary], 0, point, &dp);
        dp
    }
}

/// One step of a rollout.
#[derive(Debug)]
pub struct Step<'a, B: Backend> {
    /// The evaluation of the energy that the step followed.
    pub at: &'a EnergyAt<B::Array, B::Index>,
    /// Next state `(n,V)`.
    pub next: &'a B::Array,
    /// Step sizes `(n,1)`.
    pub alphas: &'a B::Array,
    /// Targets: positions without one do not count.
    pub target: Target<'a, B::Array, B::Index>,
}

/// Value and derivatives of a term of one step; weight gradients have gone to the sink.
#[derive(Clone, Debug)]
pub struct StepGradient<T> {
    /// Weighted loss `(1,1)`.
    pub loss: T,
    /// On the next state `Y_{i+1} (n,V)`.
    pub next: T,
    /// On `P_i (n,V)`, beside what the second-order pass gives.
    pub p: T,
    /// On `Y_i (n,V)` itself, where an entropy is a part of what is descended.
    pub state: Option<T>,
    /// Direction `w (n,V)` to add to that of the second-order pass: the derivative by `G_i`.
    pub direction: T,
    /// On every position's step size `(n,1)`.
    pub alpha: T,
    /// Share of the energies that decreased sufficiently `(1,1)`, times the outer loss scale, where that was measured.
    pub decreased: Option<T>,
}

/// A term of every step that is differentiated.
pub trait StepTerm<B: Backend>: Debug {
    /// Whether it is asked for.
    fn is_asked(&self, objective: &Objective) -> bool;

    /// The term of one step on its landscape's energy.
    fn pull(
        &self,
        rollout: &Rollout<'_, B>,
        step: &Step<'_, B>,
        energy: &mut EnergyWithSink<'_, B>,
    ) -> StepGradient<B::Array>;
}

/// A term of the last state, which it takes as a constant.
pub trait EndTerm<B: Backend>: Debug {
    /// Its weight; at 0 it is not asked for.
    fn weight(&self, objective: &Objective) -> f64;

    /// The step whose landscape it is on: the last.
    fn step(&self, rollout: &Rollout<'_, B>) -> usize {
        rollout.steps - 1
    }

    /// The weighted loss `(1,1)` of the last state `(n,V)` on that step's energy.
    fn pull(
        &self,
        rollout: &Rollout<'_, B>,
        last: &B::Array,
        target: Target<'_, B::Array, B::Index>,
        energy: &mut EnergyWithSink<'_, B>,
    ) -> B::Array;
}

/// Candidates `(n,V)`: `point` at the rows with a target, which `has (n,1)` marks. The energy of a joint model is that of all rows
/// together, and the others, given ones among them, are as in `own`.
pub fn at_targets<B: Backend>(rollout: &Rollout<'_, B>, point: B::Array, own: &B::Array, has: &B::Array) -> B::Array {
    let b = rollout.b;
    match rollout.problems {
        Some(_) => {
            let without = b.offset(&b.scale(has, -1.0), 1.0);
            b.add(&b.mul(&point, has), &b.mul(own, &without))
        }
        None => point,
    }
}

/// `ln(1 + e^z)`, which overflows for no `z`: `max(z, 0) - ln sigmoid(|z|)`.
pub fn softplus<B: Backend>(b: &B, z: &B::Array) -> B::Array {
    let positive = b.mul(z, &b.heaviside(z));
    let magnitude = b.add(&b.scale(&positive, 2.0), &b.scale(z, -1.0));
    b.add(&positive, &b.scale(&b.ln(&b.sigmoid(&magnitude)), -1.0))
}
