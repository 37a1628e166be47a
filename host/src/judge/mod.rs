//! Which of several texts a model holds for the best: minimal pairs, and the answers to questions.
//!
//! [`items`] are read from files or from the data sets of a [`task`]; [`score`] says how well each of their texts fits, after every
//! number of steps; [`statistics`] counts who was right. What is summed, in the symbols of the guide's page on judging: over the
//! tokens `x_{t+1}` of a text, the log-probability of the token after step `n`, or less its energy `E(x_<=t, e_{x_{t+1}}, s_n)`, or
//! by how much that energy lies below the energy of the state that a descent would start from.

pub mod items;
pub mod rows;
pub mod score;
pub mod statistics;
pub mod task;

pub use items::{Item, Kind};
pub use score::{By, Judging, judge, usual_steps};
pub use statistics::{Count, Verdict};
