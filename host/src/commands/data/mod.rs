//! `ebt data`: corpora and the data made from them.

mod bilkent;
mod inspect;
mod making;
mod merge;
mod prepare;
mod sample;
mod size;
mod table;

use anyhow::Result;

/// Turn text corpora into data to train on, and look at them.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

// without sentences of their own: clap then takes the whole help from the arguments
#[derive(Clone, Debug, clap::Subcommand)]
enum What {
    Prepare(prepare::Args),
    Bilkent(bilkent::Args),
    Merge(merge::Args),
    Inspect(inspect::Args),
    Sample(sample::Args),
}

/// Runs the command.
///
/// # Errors
///
/// Whatever stopped it, in sentences that name the file, field or flag.
pub fn run(args: Args) -> Result<()> {
    match args.what {
        What::Prepare(args) => prepare::run(&args),
        What::Bilkent(args) => bilkent::run(&args),
        What::Merge(args) => merge::run(&args),
        What::Inspect(args) => inspect::run(&args),
        What::Sample(args) => sample::run(&args),
    }
}
