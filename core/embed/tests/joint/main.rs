//! What a descent of problems of several cells promises: energies, sets of tokens, entropy, candidates and rounds.

#[path = "../toys/mod.rs"]
mod toys;

mod candidates;
mod commits;
mod problem;
mod refusals;
mod sampling;
mod steps;
