//! `host bench`: how fast this machine computes.

mod generate;
mod product;
mod train;

use anyhow::Result;
use ebt_core::parameters::{ParameterInfo, ParameterLayout, Role, Start};
use ebt_core::random::{Purpose, Stream};

/// Measures speed.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

/// What is measured.
#[derive(Clone, Debug, clap::Subcommand)]
enum What {
    /// Time training steps on random tokens; flags and output as `reference/bench_torch.py`.
    Train(train::Args),
    /// Time generation from a model of random weights, as an embedded program does it, on one thread.
    Generate(generate::Args),
    /// Time a square matrix product; the rate that training is measured against.
    Product(product::Args),
}

/// Runs the command.
///
/// # Errors
///
/// An impossible size, a loss that is not finite.
pub fn run(args: Args) -> Result<()> {
    match args.what {
        What::Train(args) => train::run(&args),
        What::Generate(args) => generate::run(&args),
        What::Product(args) => product::run(&args),
    }
}

/// Weights spread as the reference's: vocabulary matrices 0.02, other matrices `1 / sqrt(inputs)`.
fn random_weights(layout: &ParameterLayout) -> impl Iterator<Item = Vec<f32>> {
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
