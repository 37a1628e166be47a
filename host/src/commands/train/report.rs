//! What a session prints at its end.

use std::io::{self, Write};

use ebt_data::program;
use ebt_data::progress::{clock, count};
use ebt_train::boards::Solved;
use ebt_train::checkpoint::{CHECKPOINTS, Validation};
use ebt_train::session::{Ending, Summary, quoted, resume_command};

/// The table at the end.
pub fn table(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    if let Some(validation) = &summary.validation {
        match &validation.solved {
            Some(solved) => boards(solved, out)?,
            None => text(summary, validation, out)?,
        }
    }
    writeln!(
        out,
        "{} of {} steps, {} tokens, {:.0} tokens/s, {:.1}% waiting for data, {} in all",
        summary.step,
        summary.total_steps,
        count(summary.tokens as f64),
        summary.tokens_per_second,
        100.0 * summary.data_wait,
        clock(summary.seconds)
    )?;
    writeln!(out, "model:    {}", summary.model.display())?;
    match summary.ending {
        Ending::Finished => {}
        Ending::TimeUp => {
            writeln!(out, "the time was up before the last step; to go on:")?;
            writeln!(out, "resume:   {} --minutes M", resume_command(&summary.out))?;
        }
        Ending::Stopped => writeln!(out, "resume:   {}", resume_command(&summary.out))?,
    }
    if summary.validation.as_ref().is_some_and(|validation| validation.solved.is_some()) {
        let (name, out_of) = (program::name(), quoted(&summary.out));
        return writeln!(out, "solve:    {name} solve --model {out_of} < boards.txt");
    }
    writeln!(
        out,
        "generate: {} generate --model {} --prompt {} --tokens 60",
        program::name(),
        quoted(if summary.model.starts_with(summary.out.join(CHECKPOINTS)) { &summary.model } else { &summary.out }),
        program::argument("Türkiye")
    )
}

/// Bits per byte beside those of tables.
fn text(summary: &Summary, validation: &Validation, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n{:<32}bits per byte", "")?;
    let mut row = |name: &str, bits: f64| writeln!(out, "{name:<32}{bits:>13.3}");
    row("unigram", summary.unigram)?;
    row("bigram", summary.bigram)?;
    for (i, bits) in validation.per_step.iter().enumerate() {
        let name = match validation.per_step.len() {
            1 => String::from("this model"),
            _ => format!("this model, thinking step {}", i + 1),
        };
        row(&name, *bits)?;
    }
    writeln!(out)
}

/// Boards that are solved: by steps, by commits, by choosing among starts.
fn boards(solved: &Solved, out: &mut dyn Write) -> io::Result<()> {
    let share = |n: u64| 100.0 * n as f64 / solved.boards.max(1) as f64;
    writeln!(out, "\n{} harder boards, solved entirely", solved.boards)?;
    let mut row = |name: String, n: u64| writeln!(out, "{name:<40}{:>6.1}%", share(n));
    let all = solved.per_step.len();
    for steps in (0..).map(|i| 1 << i).take_while(|&steps| steps < all).chain([all]) {
        if let Some(&n) = solved.per_step.get(steps - 1) {
            row(format!("{steps} steps"), n)?;
        }
    }
    for &(rounds, steps, n) in &solved.by_commits {
        row(format!("{rounds} commits of {steps} steps"), n)?;
    }
    for &(starts, steps, [energy, entropy, any]) in &solved.by_starts {
        row(format!("{starts} starts of {steps} steps, least energy"), energy)?;
        row(format!("{starts} starts of {steps} steps, least entropy"), entropy)?;
        row(format!("{starts} starts of {steps} steps, any of them"), any)?;
    }
    writeln!(out)
}
