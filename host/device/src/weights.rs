//! Weights of models that are only timed.

use ebt_core::parameters::{ParameterInfo, ParameterLayout, Role, Start};
use ebt_core::random::{Purpose, Stream};

/// Weights spread as the reference's: vocabulary matrices 0.02, other matrices `1 / sqrt(inputs)`.
pub fn random_weights(layout: &ParameterLayout) -> impl Iterator<Item = Vec<f32>> {
    let wide = [layout.embedding, layout.vocabulary];
    let draw = move |(id, e): (usize, &ParameterInfo)| {
        let (mean, std) = match (e.role, e.start) {
            _ if wide.contains(&id) => (0.0, 0.02),
            (Role::StepSize | Role::State, Start::Constant(x)) => (x, 0.0),
            (Role::Vector, Start::Constant(1.0)) => (1.0, 0.1),
            (Role::Vector, Start::Normal(std)) => (0.0, std),
            (Role::Vector, _) => (0.0, 0.5),
            _ => (0.0, 1.0 / (e.columns as f64).sqrt()),
        };
        let stream = Stream::new(0, id as u32, Purpose::Weights);
        (0..e.len()).map(|i| (mean + std * stream.normal(i as u64)) as f32).collect()
    };
    layout.entries.iter().enumerate().map(draw)
}
