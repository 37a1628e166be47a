//! What the reverse sweep of one training gradient holds and gives back.

use alloc::vec::Vec;

use crate::compute::Backend;
use crate::descent::rollout::{EnergyAt, Rollout};
use crate::energy::{Observed, ObservedGradient};
use crate::layer::condition::{Condition, ConditionSaved};
use crate::objective::cross_entropy::StepLoss;
use crate::objective::target::Target;

/// States, directions and energies, for `ebt parity` and for researchers.
#[derive(Clone, Debug)]
pub struct Trace<T> {
    /// State after every step `(n,V)`.
    pub states: Vec<T>,
    /// Direction of every step `(n,V)`.
    pub directions: Vec<T>,
    /// Energies before every step `(n,1)`.
    pub energies: Vec<T>,
}

/// Results of one batch; losses are this batch's part of the whole, all but the balance times the outer loss scale.
#[derive(Clone, Debug)]
pub struct Outcome<T> {
    /// Cross entropy after every step `(1,1)`; zero where it was not needed.
    pub step_losses: Vec<T>,
    /// Weighted cross entropy `(1,1)`.
    pub reconstruction: T,
    /// Balance loss of all steps `(1,1)`; with [`LossSteps::Last`](crate::objective::LossSteps::Last) only the last step's part is differentiated.
    pub balance: T,
    /// Contrastive and Lyapunov terms, weighted `(1,1)`.
    pub extra: T,
    /// Share of the steps that decreased the energy sufficiently `(1,1)`, times the outer loss scale, where that was measured.
    pub decreased: Option<T>,
    /// Energies before every step `(n,1)`.
    pub energies: Vec<T>,
    /// 0, or NaN where an energy gradient left the range that its loss scale keeps it in `(1,1)`.
    pub overflow: Option<T>,
    /// Last state `(n,V)`.
    pub last: T,
    /// Tokens per expert `(1,E)` of the last step, by block.
    pub load: Vec<Option<T>>,
    /// Asked for by the caller.
    pub trace: Option<Trace<T>>,
}

impl<T: Clone> Outcome<T> {
    /// Nothing yet of a rollout of `steps` steps from `initial (n,V)`.
    pub(crate) fn new<B: Backend<Array = T>>(b: &B, steps: usize, initial: &T, trace: bool) -> Self {
        let zero = b.fill(1, 1, 0.0);
        Self {
            step_losses: alloc::vec![zero.clone(); steps],
            reconstruction: zero.clone(),
            balance: zero.clone(),
            extra: zero,
            decreased: None,
            energies: Vec::new(),
            overflow: None,
            last: initial.clone(),
            load: Vec::new(),
            trace: trace.then(|| Trace { states: Vec::new(), directions: Vec::new(), energies: Vec::new() }),
        }
    }

    /// Takes the weighted cross entropies `(n,1)` of all positions after step `i` into account.
    pub(crate) fn record_loss<B: Backend<Array = T>>(&mut self, b: &B, i: usize, loss: &StepLoss<T>, rows: &T) {
        let (sum, unweighted) = loss.totals(b, rows);
        self.step_losses[i] = unweighted;
        if loss.counts() {
            self.reconstruction = b.add(&self.reconstruction, &sum);
        }
    }
}

/// A landscape's condition vectors `(1,D)`, with their gradients.
pub(super) struct LandscapeState<T> {
    pub(super) condition: Condition<T>,
    /// For their backward pass; none in a model without AdaLN.
    pub(super) saved: Option<ConditionSaved<T>>,
    pub(super) gradient: Condition<T>,
}

/// An observed stream, with the gradients that predictions left on it.
pub(super) struct ObservedState<T, I> {
    pub(super) observed: Observed<T, I>,
    pub(super) gradient: ObservedGradient<T>,
    /// Whether a prediction has left a gradient on it.
    pub(super) has_gradient: bool,
}

/// What the reverse sweep needs of a step.
pub(super) struct Kept<T, I> {
    /// Number of the step.
    pub(super) i: usize,
    /// State before the step `(n,V)`, where the step is to be evaluated again.
    pub(super) y: Option<T>,
    /// State after it `(n,V)`.
    pub(super) next: T,
    /// Its evaluation, where that was kept.
    pub(super) at: Option<EnergyAt<T, I>>,
}

/// One training gradient in progress.
pub(super) struct Sweep<'a, 'g, B: Backend> {
    pub(super) rollout: Rollout<'a, B>,
    pub(super) target: Target<'a, B::Array, B::Index>,
    /// Weight gradients in layout order.
    pub(super) grads: &'g mut [B::Array],
    /// What the sweep has of every landscape; none where no step has asked for it.
    pub(super) landscapes: Vec<Option<LandscapeState<B::Array>>>,
    /// The observed streams, by [`Rollout::observed_key`]; none where no step has asked for it.
    pub(super) streams: Vec<Option<ObservedState<B::Array, B::Index>>>,
    /// Gradients of the gains `(1,D)` of an observed stream without condition vectors of its own.
    pub(super) observed_condition: Option<Condition<B::Array>>,
    /// The learned step size `(1,1)`, and its slope: 0 where it rests on its lower limit.
    pub(super) alpha: B::Array,
    pub(super) alpha_slope: B::Array,
    /// Step size of every position `(n,1)`.
    pub(super) alphas: B::Array,
    /// The same over the inner loss scale.
    pub(super) moves: B::Array,
}
