//! What an update rule is asked for.
//!
//! In all of it `Y (n,V)` is the state with its noise, `P = softmax(Y) (n,V)`, `G = dE/dP (n,V)`, and `alpha (n,1)` the
//! step size of every position.

use core::fmt::Debug;

use crate::compute::Backend;

/// What a move starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `P`: the next state's logits are probabilities, moved.
    Distribution,
    /// `Y`: the move is added to the logits of the state, noise included.
    State,
}

/// One step, as the reverse sweep sees it.
pub struct PulledMove<'a, A> {
    /// The distribution `P (n,V)` at which the step evaluated the energy.
    pub p: &'a A,
    /// Cotangent `v (n,V)` on the next state.
    pub v: &'a A,
    /// `-alpha v (n,V)`: the cotangent on the direction that the step followed.
    pub raw: &'a A,
    /// `H u (n,V)` for `u` the cotangent on `G` (see [`Rule::adjoint`]), `H` the Hessian of the energy with respect to
    /// `P`; none where `G` is a constant.
    pub hu: Option<A>,
    /// Computes `G (n,V)`.
    pub gradient: &'a dyn Fn() -> A,
}

/// Where the dissipation of a step is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Speed<'a, A> {
    /// The distribution `P (n,V)` before the step.
    pub p: &'a A,
    /// The gradient `G (n,V)` of the summed energies at `P`.
    pub g: &'a A,
    /// `P' = softmax(Y') (n,V)` of the next state.
    pub next: &'a A,
    /// The step size `alpha (n,1)` of every position, its jitter factor included.
    pub alpha: &'a A,
}

/// `alpha D (n,1)`, the fall of the energy that a step promises to first order, with its derivatives.
#[derive(Clone, Debug)]
pub struct Dissipation<A> {
    /// `alpha D (n,1)`.
    pub fall: A,
    /// By `G (n,V)`.
    pub by_g: A,
    /// By `P (n,V)`.
    pub by_p: A,
    /// By `P' (n,V)`, where the fall is measured along the actual move; else the fall is proportional to `alpha`.
    pub by_next: Option<A>,
}

/// A way for a state to move, `Y' = origin - alpha direction(P, G)`, and the derivatives of that move.
pub trait Rule<B: Backend>: Debug {
    /// What the move starts from.
    fn origin(&self) -> Origin;

    /// Whether the direction is `G` itself, so that a state can move without a matrix `(n,V)` beside it, see
    /// [`Backend::descend`].
    fn follows_gradient(&self) -> bool {
        true
    }

    /// The direction `(n,V)` that is followed where the gradient is `g`.
    fn direction(&self, _b: &B, _p: &B::Array, g: B::Array) -> B::Array {
        g
    }

    /// The adjoint of [`Rule::direction`] in `g`: the cotangent `u (n,V)` on `G` from `raw (n,V)` on the direction.
    fn adjoint(&self, _b: &B, _p: &B::Array, raw: &B::Array) -> B::Array {
        raw.clone()
    }

    /// The next state `(n,V)` from `(Y, P)` along `direction (n,V)`.
    fn advance(&self, b: &B, (y, p): (&B::Array, &B::Array), alpha: &B::Array, direction: &B::Array) -> B::Array {
        let from = match self.origin() {
            Origin::Distribution => p,
            Origin::State => y,
        };
        b.axpy(from.clone(), &b.scale(alpha, -1.0), direction)
    }

    /// The cotangent `(n,V)` on the state before the step.
    fn pull_back(&self, b: &B, step: PulledMove<'_, B::Array>) -> B::Array;

    /// What the step promises, see [`Dissipation`].
    fn dissipation(&self, b: &B, at: Speed<'_, B::Array>) -> Dissipation<B::Array>;
}
