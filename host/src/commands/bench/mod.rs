//! `ebt bench`: how fast this machine computes.

mod generate;
mod median;
mod product;
mod ranks;
mod restore;
mod train;

use anyhow::Result;

/// Measures speed.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

/// What is measured.
#[derive(Clone, Debug, clap::Subcommand)]
enum What {
    /// Time training steps on random tokens, also over ranks; flags and output as `reference/bench_torch.py`.
    Train(train::Args),
    /// Time generation from a model of random weights, as an embedded program does it, on one thread.
    Generate(generate::Args),
    /// Time restoring Turkish letters, as an embedded program does it, on one thread.
    Restore(restore::Args),
    /// Time a square matrix product, the rate that training is measured against; or compare with another crate.
    Product(product::Args),
    /// Time sums over the processes that mpirun, srun or torchrun started: in fixed order, and as MPI or NCCL adds.
    Ranks(ranks::Args),
}

/// Runs the command.
///
/// # Errors
///
/// An impossible size, a loss that is not finite, a rank that is lost.
pub fn run(args: Args) -> Result<()> {
    match args.what {
        What::Train(args) => train::run(&args),
        What::Generate(args) => generate::run(&args),
        What::Restore(args) => restore::run(&args),
        What::Product(args) => product::run(&args),
        What::Ranks(args) => ranks::run(&args),
    }
}
