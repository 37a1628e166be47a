//! Evaluation with a cache, beside that of [`ebt_train::evaluate`].

mod cached;

pub use cached::{CachedEvaluation, evaluate_cached};
