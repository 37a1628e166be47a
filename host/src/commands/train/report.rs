//! What a session prints at its end.

use std::io::{self, Write};

use ebt_data::program;
use ebt_data::progress::{clock, count};
use ebt_train::checkpoint::CHECKPOINTS;
use ebt_train::session::{Ending, Summary, quoted, resume_command};

/// The table at the end.
pub fn table(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    if let Some(validation) = &summary.validation {
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
        writeln!(out)?;
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
    writeln!(
        out,
        "generate: {} generate --model {} --prompt {} --tokens 60",
        program::name(),
        quoted(if summary.model.starts_with(summary.out.join(CHECKPOINTS)) { &summary.model } else { &summary.out }),
        program::argument("Türkiye")
    )
}
