//! The terms of the loss beside the cross entropy. A new one is a file in `objective`, a field of its configuration, and
//! an entry here.

use alloc::vec::Vec;

use super::sweep::{Outcome, Sweep};
use crate::compute::Backend;
use crate::descent::rollout::EnergyAt;
use crate::error::Result;
use crate::objective::contrastive::Contrastive;
use crate::objective::lyapunov::Lyapunov;
use crate::objective::nce::NoiseContrastive;
use crate::objective::term::{EndTerm, Step, StepGradient, StepTerm};

/// Terms of every step.
fn of_step<'r, B: Backend + 'r>() -> [&'r dyn StepTerm<B>; 1] {
    [&Lyapunov]
}

/// Terms of the last state.
fn of_end<'r, B: Backend + 'r>() -> [&'r dyn EndTerm<B>; 2] {
    [&Contrastive, &NoiseContrastive]
}

impl<B: Backend> Sweep<'_, '_, B> {
    /// The terms of step `i` that the objective asks for; their part in the gradient of the step size has been added.
    pub(super) fn step_terms(
        &mut self,
        i: usize,
        next: &B::Array,
        at: &EnergyAt<B::Array, B::Index>,
        out: &mut Outcome<B::Array>,
    ) -> Result<Vec<StepGradient<B::Array>>> {
        let (rollout, b) = (self.rollout, self.rollout.b);
        let mut all = Vec::new();
        for term in of_step().into_iter().filter(|t| t.is_asked(rollout.objective)) {
            let (alphas, target) = (self.alphas.clone(), self.target);
            let step = Step { at, next, alphas: &alphas, target };
            let gradient = term.pull(&rollout, &step, &mut self.open(i)?);
            out.extra = b.add(&out.extra, &gradient.loss);
            if let Some(share) = &gradient.decreased {
                let share = b.scale(share, 1.0 / rollout.steps as f64);
                out.decreased = Some(out.decreased.as_ref().map_or_else(|| share.clone(), |sum| b.add(sum, &share)));
            }
            // alpha_t = r_t alpha, r_t = alpha_t / alpha
            let inner = b.sum_rows(&b.mul(&gradient.alpha, &alphas));
            self.step_size_by(&inner);
            all.push(gradient);
        }
        Ok(all)
    }

    /// The terms of the last state that the objective asks for.
    pub(super) fn end_terms(&mut self, out: &mut Outcome<B::Array>) -> Result<()> {
        let rollout = self.rollout;
        for term in of_end().into_iter().filter(|t| t.weight(rollout.objective) != 0.0) {
            let target = self.target;
            let loss = term.pull(&rollout, &out.last, target, &mut self.open(term.step(&rollout))?);
            out.extra = rollout.b.add(&out.extra, &loss);
        }
        Ok(())
    }
}
