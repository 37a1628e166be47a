//! The dynamics of inference: descent on energies `E(P, s)`, `P = softmax(Y)`, over any [`Potential`].
//!
//! Rows are candidate distributions, or problems of several distributions whose energies add up: their *cells*. Softmax,
//! log-sum-exp and the mean of the gradient are a cell's; every decision (step size, acceptance, stopping) is a row's, and
//! its own, so a row gives the same bits alone and in company. Step `i` is taken on landscape `min(i, S - 1)`.
//!
//! Reading order: [`Potential`], [`DescentOptions`] (what is asked for), [`Dynamics`] (what the model was trained with),
//! `cells` (sets of allowed tokens), `moves` (the update rules), [`Descent::solve`], then line search, curvature and Metropolis
//! steps, rounds of committing, the choice among candidates, [`Certificate`].

mod cells;
mod certificate;
mod choice;
mod commits;
mod descent_options;
mod dual_averaging;
mod dynamics;
mod evaluation;
mod lanczos;
mod line_search;
mod metropolis;
mod moves;
mod outcome;
mod potential;
mod row;
mod run;
mod sampling;
mod start;
mod state;
mod tridiagonal;

pub use cells::{Known, Prior};
pub use certificate::{Assessment, Certificate, Stop};
pub use descent_options::{DescentOptions, Noise, Selection, StepSize, Tolerance};
pub use dynamics::Dynamics;
pub use outcome::{Outcome, StepReport};
pub use potential::Potential;
pub use sampling::{Drawn, Sampler, Sampling};
pub(super) use start::initial;
pub use state::Descent;
