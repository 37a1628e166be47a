//! The commands of the binary: each a pair of arguments and a `run` function.

pub mod bench;
pub mod eval;
pub mod export;
pub mod generate;
pub mod import;
pub mod inspect;
pub mod parity;
pub mod plan;
pub mod train;

/// One command with its arguments.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Train a model, or go on with a run.
    Train(train::Args),
    /// Measure perplexity and bits per byte on text.
    Eval(eval::Args),
    /// Continue a prompt.
    Generate(generate::Args),
    /// Compare this program with golden cases of the reference implementation.
    Parity(parity::Args),
    /// Turn a safetensors checkpoint into a model file.
    Import(import::Args),
    /// Turn a model file into a safetensors checkpoint.
    Export(export::Args),
    /// Show the memory and work that a training step will take, before anything is allocated.
    Plan(plan::Args),
    /// Measure the speed of training and of generation.
    Bench(bench::Args),
    /// Show what a model file holds.
    Inspect(inspect::Args),
}

impl Command {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// Whatever stopped it, in sentences that name the file, field or flag.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Command::Train(args) => train::run(args),
            Command::Eval(args) => eval::run(args),
            Command::Generate(args) => generate::run(args),
            Command::Parity(args) => parity::run(args),
            Command::Import(args) => import::run(args),
            Command::Export(args) => export::run(args),
            Command::Plan(args) => plan::run(args),
            Command::Bench(args) => bench::run(args),
            Command::Inspect(args) => inspect::run(args),
        }
    }
}
