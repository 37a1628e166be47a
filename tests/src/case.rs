//! One call of one operation with its data, independent of the backend and of the level of differentiation.

use std::fmt::Debug;

use ebt_core::compute::{Backend, Compute, Route};

use crate::{Draw, Mat};

/// An operation, or a short sequence that the contract ties together (an attention and its backward pass).
pub trait Operation: Clone + Debug {
    /// Runs it and returns its results; gradients are collected in `x.slots`.
    fn run<C: Compute>(&self, c: &C, x: &mut Args<C>) -> Vec<C::Tensor>;
    /// Whether its results are constants of differentiation, or depend on the level (no differences are taken then).
    fn constant(&self) -> bool {
        false
    }
}

/// Arguments on a backend, at some level.
#[derive(Debug)]
pub struct Args<C: Compute> {
    /// What may carry tangents.
    pub t: Vec<C::Tensor>,
    /// Matrices without tangents, such as weights, in the order in which the operation reads them.
    pub l: Vec<C::Leaf>,
    /// Row numbers, targets or document starts, in the order in which the operation reads them.
    pub i: Vec<C::Index>,
    /// Where gradients are collected.
    pub slots: Vec<C::Leaf>,
    /// Which rows go to which expert; `None` for operations that do not work by expert.
    pub route: Option<Route<C::Index>>,
}

impl<C: Compute> Args<C> {
    /// The routing of a case that has one.
    pub fn routing(&self) -> &Route<C::Index> {
        self.route.as_ref().expect("a case with a route")
    }
}

/// A routing decision on the tests' side.
#[derive(Clone, Debug)]
pub struct HostRoute {
    /// Token of every slot.
    pub tokens: Vec<u32>,
    /// Gate of every slot.
    pub gates: Vec<u32>,
    /// First slot of every expert, and the end.
    pub offsets: Vec<u32>,
    /// Number of experts, at least 1; some may have no slot.
    pub experts: usize,
}

impl HostRoute {
    /// `top_k` distinct experts for every token, at random; some experts may get nothing.
    pub fn draw(draw: &Draw, tokens: usize, experts: usize, top_k: usize) -> Self {
        let mut pairs = Vec::new();
        for t in 0..tokens {
            let mut free: Vec<usize> = (0..experts).collect();
            pairs.extend((0..top_k).map(|_| (free.swap_remove(draw.below(free.len())), t)));
        }
        Self::sorted(pairs, experts)
    }

    /// From `(expert, token)` pairs.
    pub fn sorted(mut pairs: Vec<(usize, usize)>, experts: usize) -> Self {
        pairs.sort_unstable();
        let before = |e: usize| pairs.iter().filter(|p| p.0 < e).count() as u32;
        Self {
            tokens: pairs.iter().map(|p| p.1 as u32).collect(),
            gates: pairs.iter().map(|p| (p.1 * experts + p.0) as u32).collect(),
            offsets: (0..=experts).map(before).collect(),
            experts,
        }
    }

    /// Number of (token, expert) pairs, which is `tokens * top_k` for a drawn route.
    pub fn slots(&self) -> usize {
        self.tokens.len()
    }

    /// Uploads to a backend.
    pub fn upload<B: Backend>(&self, b: &B) -> Route<B::Index> {
        Route {
            tokens: b.index(&self.tokens),
            gates: b.index(&self.gates),
            offsets: b.index(&self.offsets),
            slots: self.slots(),
            experts: self.experts,
        }
    }
}

/// An operation with its data.
#[derive(Clone, Debug)]
pub struct Case<O> {
    /// What is run.
    pub op: O,
    /// What may carry tangents.
    pub tensors: Vec<Mat>,
    /// Matrices without tangents, such as weights; they become [`Args::l`] in the same order.
    pub leaves: Vec<Mat>,
    /// Row numbers, targets or document starts; they become [`Args::i`] in the same order.
    pub indices: Vec<Vec<u32>>,
    /// Contents of the gradient slots before the call.
    pub slots: Vec<Mat>,
    /// Which rows go to which expert; `None` for operations that do not work by expert.
    pub route: Option<HostRoute>,
}

impl<O: Operation> Case<O> {
    /// A case of tensors alone.
    pub fn new(op: O, tensors: Vec<Mat>) -> Self {
        Self { op, tensors, leaves: Vec::new(), indices: Vec::new(), slots: Vec::new(), route: None }
    }
    /// The same case with these matrices without tangents instead of its own.
    pub fn leaves(self, leaves: Vec<Mat>) -> Self {
        Self { leaves, ..self }
    }
    /// The same case with these arrays of integers instead of its own.
    pub fn indices(self, indices: Vec<Vec<u32>>) -> Self {
        Self { indices, ..self }
    }
    /// The same case with gradient slots that hold these matrices before the call.
    pub fn slots(self, slots: Vec<Mat>) -> Self {
        Self { slots, ..self }
    }
    /// The same case with a copy of this route instead of its own.
    pub fn route(self, route: &HostRoute) -> Self {
        Self { route: Some(route.clone()), ..self }
    }
    /// The same case at `tensors + h * direction`.
    pub fn shifted(&self, h: f64, direction: &[Option<Mat>]) -> Self {
        let move_one = |(t, d): (&Mat, &Option<Mat>)| d.as_ref().map_or_else(|| t.clone(), |d| t.plus(h, d));
        Self { tensors: self.tensors.iter().zip(direction).map(move_one).collect(), ..self.clone() }
    }
}
