//! The commands of the binary: each a pair of arguments and a `run` function.

pub mod bench;
pub mod completions;
pub mod data;
pub mod doctor;
pub mod eval;
pub mod export;
pub mod generate;
pub mod import;
pub mod inspect;
pub mod man;
pub mod parity;
pub mod plan;
pub mod plot;
pub mod restore;
pub mod score;
pub mod serve;
pub mod solve;
pub mod suggest;
pub mod tokenizer;
pub mod train;

/// One command with its arguments.
#[derive(Debug, clap::Subcommand)]
#[expect(missing_docs, reason = "the help of a command, short and long, is that of its arguments")]
pub enum Command {
    Train(train::Args),
    Data(data::Args),
    Tokenizer(tokenizer::Args),
    Eval(eval::Args),
    Generate(generate::Args),
    Suggest(suggest::Args),
    Score(score::Args),
    Serve(serve::Args),
    Solve(solve::Args),
    Restore(restore::Args),
    Parity(parity::Args),
    Import(import::Args),
    Export(export::Args),
    Plan(plan::Args),
    Plot(plot::Args),
    Bench(bench::Args),
    Inspect(inspect::Args),
    Doctor(doctor::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Command {
    /// Runs the command. `program` describes the whole program, for commands that write about it.
    ///
    /// # Errors
    ///
    /// Whatever stopped it, in sentences that name the file, field or flag.
    pub fn run(self, program: &dyn Fn() -> clap::Command) -> anyhow::Result<()> {
        match self {
            Command::Train(args) => train::run(args),
            Command::Data(args) => data::run(args),
            Command::Eval(args) => eval::run(args),
            Command::Generate(args) => generate::run(args),
            Command::Suggest(args) => suggest::run(args),
            Command::Score(args) => score::run(args),
            Command::Serve(args) => serve::run(&args),
            Command::Solve(args) => solve::run(args),
            Command::Restore(args) => restore::run(args),
            Command::Parity(args) => parity::run(args),
            Command::Import(args) => import::run(args),
            Command::Export(args) => export::run(args),
            Command::Plan(args) => plan::run(args),
            Command::Plot(args) => plot::run(args),
            Command::Bench(args) => bench::run(args),
            Command::Inspect(args) => inspect::run(args),
            Command::Doctor(args) => doctor::run(args),
            Command::Completions(args) => completions::run(&args, program()),
            Command::Man(args) => man::run(&args, program()),
            Command::Tokenizer(args) => tokenizer::run(args),
        }
    }
}
