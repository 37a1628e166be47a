//! What a session prints at its end.

use std::io::{self, Write};

use ebt_data::program;
use ebt_data::progress::{clock, count};
use ebt_train::boards::Solved;
use ebt_train::checkpoint::{CHECKPOINTS, Validation};
use ebt_train::restored::{Detection, Restored, Right};
use ebt_train::session::{Ending, Learns, Summary, quoted, resume_command};

/// The table at the end.
pub fn table(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    if let Some(validation) = &summary.validation {
        match (&validation.solved, &validation.restored) {
            (Some(solved), _) => boards(solved, out)?,
            (None, Some(restored)) => letters(restored, out)?,
            (None, None) => text(summary, validation, out)?,
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
    if let (Some(best), Some(path)) = (&summary.best, &summary.best_model) {
        writeln!(out, "best:     {}, of step {}", path.display(), best.step)?;
    }
    match summary.ending {
        Ending::Finished => {}
        Ending::TimeUp => {
            writeln!(out, "the time was up before the last step; to go on:")?;
            writeln!(out, "resume:   {} --minutes M", resume_command(&summary.out))?;
        }
        Ending::OutOfPatience => {
            let step = summary.best.as_ref().map_or(0, |best| best.step);
            writeln!(
                out,
                "ended early: no validation since that of step {step} was better (train.patience); to go on:"
            )?;
            writeln!(out, "resume:   {} --set train.patience=none", resume_command(&summary.out))?;
        }
        Ending::Stopped => writeln!(out, "resume:   {}", resume_command(&summary.out))?,
    }
    let (name, folder) = (program::name(), quoted(&summary.out));
    match summary.learns {
        Learns::Letters => writeln!(out, "restore:  {name} restore --model {folder} < text.txt"),
        Learns::Boards => writeln!(out, "solve:    {name} solve --model {folder} < boards.txt"),
        Learns::Text => {
            let saved = summary.model.starts_with(summary.out.join(CHECKPOINTS));
            let model = if saved { quoted(&summary.model) } else { folder };
            let prompt = program::argument("Türkiye");
            writeln!(out, "generate: {name} generate --model {model} --prompt {prompt} --tokens 60")
        }
    }
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

/// Words and letters that are right, beside what needs no model.
fn letters(restored: &Restored, out: &mut dyn Write) -> io::Result<()> {
    let share = |n: u64, of: u64| format!("{:.2}%", 100.0 * n as f64 / of.max(1) as f64);
    writeln!(out, "\n{:<32}{:>12}{:>20}", "", "words right", "letters in doubt")?;
    let mut row = |name: &str, right: &Right| {
        let (words, letters) = (share(right.words, restored.of.words), share(right.letters, restored.of.letters));
        writeln!(out, "{name:<32}{words:>12}{letters:>20}")
    };
    let steps = |i: usize| format!("this model, {}", plural(i + 1, "step"));
    // what was not measured is not shown
    for (name, right) in [("as typed", &restored.typed), ("most frequent form of a word", &restored.frequent)] {
        if right.words > 0 {
            row(name, right)?;
        }
    }
    for (i, right) in restored.per_step.iter().enumerate().filter(|(i, _)| (i + 1).is_power_of_two()) {
        row(&steps(i), right)?;
    }
    writeln!(out, "of {} words, {} letters in doubt", restored.of.words, restored.of.letters)?;
    if let Some(Detection { probability, entropy, energy }) = restored.detection {
        write!(out, "wrong words told by (AUROC): least probability {probability:.4}, entropy {entropy:.4}")?;
        energy.map_or(Ok(()), |energy| write!(out, ", energy {energy:.4}"))?;
        writeln!(out)?;
    }
    writeln!(out)
}

/// Boards that are solved: by steps, by commits, by choosing among starts.
pub fn boards(solved: &Solved, out: &mut dyn Write) -> io::Result<()> {
    let share = |n: f64| format!("{:.1}%", 100.0 * n / solved.boards.max(1) as f64);
    writeln!(out, "\nof {} harder boards, solved entirely", solved.boards)?;
    let mut row = |name: &str, cells: &[String]| {
        write!(out, "{name:<24}")?;
        cells.iter().try_for_each(|cell| write!(out, "{cell:>8}"))?;
        writeln!(out)
    };
    let all = solved.per_step.len();
    let steps: Vec<usize> = (0..).map(|i| 1 << i).take_while(|&steps| steps < all).chain([all]).collect();
    row("steps", &steps.iter().map(usize::to_string).collect::<Vec<_>>())?;
    let by_steps = steps.iter().filter_map(|steps| solved.per_step.get(steps - 1));
    row("", &by_steps.map(|&n| share(n as f64)).collect::<Vec<_>>())?;
    if let Some((_, steps, _)) = solved.by_commits.first() {
        let name = format!("commits of {}", plural(*steps, "step"));
        row(&name, &solved.by_commits.iter().map(|(rounds, ..)| rounds.to_string()).collect::<Vec<_>>())?;
        row("", &solved.by_commits.iter().map(|&(.., n)| share(n as f64)).collect::<Vec<_>>())?;
    }
    if let Some(first) = solved.by_starts.first() {
        let name = format!("starts of {}", plural(first.steps, "step"));
        row(&name, &solved.by_starts.iter().map(|by| by.starts.to_string()).collect::<Vec<_>>())?;
        for choice in first.solved.keys() {
            let cells = solved.by_starts.iter().filter_map(|by| by.solved.get(choice));
            row(&format!("  {}", choice.name()), &cells.map(|&n| share(n)).collect::<Vec<_>>())?;
        }
    }
    writeln!(out)
}

fn plural(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
