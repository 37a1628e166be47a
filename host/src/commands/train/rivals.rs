//! What a joint energy is held against: nets of the same blocks without an energy, trained for as many seconds on the same device.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use ebt_core::config::Head;
use ebt_core::objective::{Flow, InitialState, LossSteps};
use ebt_data::progress::{Progress, count, of_command};
use ebt_device::{Device, Training};
use ebt_train::boards::{Choice, Solved};
use ebt_train::run_config::RunConfig;
use ebt_train::session::{Ending, RunFolder, Summary};
use serde::Serialize;

use crate::cli::Team;

/// Steps that tell how long a step of a rival takes.
const TIMED: u64 = 40;

/// A net without an energy.
struct Rival {
    /// The name of its folder.
    name: &'static str,
    says: &'static str,
    /// Turns the configuration of the joint energy into its own.
    change: fn(&mut RunConfig),
}

impl Rival {
    /// Its configuration, beside that of the joint energy.
    fn of(&self, config: &RunConfig) -> RunConfig {
        let mut own = config.clone();
        (self.change)(&mut own);
        let t = &mut own.train;
        (t.minutes, t.validate_every, t.checkpoint_every) = (None, 0, 0);
        own
    }
}

const RIVALS: [Rival; 6] = [
    Rival { name: "one-pass", says: "one pass", change: one_pass },
    Rival { name: "one-pass-4x", says: "one pass, 4 times the blocks", change: |c| four_times(c, one_pass) },
    Rival { name: "committing", says: "one pass that commits", change: committing },
    Rival { name: "committing-4x", says: "the same, 4 times the blocks", change: |c| four_times(c, committing) },
    Rival { name: "loop", says: "loop, through all steps", change: looped },
    Rival {
        name: "loop-detached",
        says: "loop, step by step",
        change: |c| {
            looped(c);
            c.objective.flow = Flow::Detached;
        },
    },
];

fn four_times(config: &mut RunConfig, change: fn(&mut RunConfig)) {
    change(config);
    config.model.layers *= 4;
}

fn one_pass(config: &mut RunConfig) {
    config.model.head = Head::Logits;
    let o = &mut config.objective;
    (o.min_steps, o.max_steps, o.curriculum, o.curriculum_steps) = (1, 1, 0, 1);
    (o.flow, o.loss, o.initial) = (Flow::Unrolled, LossSteps::Mean, InitialState::Zeros);
}

/// One pass that has seen boards with many givens, as commits make them.
fn committing(config: &mut RunConfig) {
    one_pass(config);
    if let Some(sudoku) = &mut config.sudoku {
        sudoku.givens[1] = config.model.context - 1;
    }
}

fn looped(config: &mut RunConfig) {
    config.model.head = Head::Logits;
    config.objective.flow = Flow::Unrolled;
}

/// What became of a rival.
#[derive(Debug, Serialize)]
pub struct Trained {
    says: &'static str,
    #[serde(flatten)]
    summary: Summary,
}

/// Where rivals are trained.
pub struct Ring<'a> {
    pub team: &'a Team,
    pub device: &'a Device,
    pub why: &'a str,
    pub stop: &'a AtomicBool,
    pub quiet: bool,
}

/// Refuses runs that have no rivals.
///
/// # Errors
///
/// A run that learns no boards or has several ranks.
pub fn check(config: &RunConfig, team: &Team) -> Result<()> {
    if config.sudoku.is_none() || config.model.head != Head::Energy {
        bail!("--rivals: only joint energies that learn boards have rivals (--preset sudoku)");
    }
    if team.is_many() {
        bail!("--rivals: the seconds of a step are those of one process; start it without a launcher");
    }
    RIVALS.iter().try_for_each(|rival| rival.of(config).validate().with_context(|| format!("--rivals: {}", rival.says)))
}

/// Trains every rival of `own`, whose configuration is `config`, for as many seconds of training steps, in folders under its own.
///
/// # Errors
///
/// As for the run itself.
pub fn train(ring: &Ring<'_>, config: &RunConfig, own: &Summary) -> Result<Vec<Trained>> {
    let seconds = own.tokens as f64 / own.tokens_per_second;
    let folder = own.out.join("rivals");
    let mut all = Vec::new();
    for rival in RIVALS {
        let Rival { name, says, .. } = rival;
        let mut rival = rival.of(config);
        let mut progress = of_command(ring.quiet);
        progress.note(&format!("\nrival: {says}"));
        let out = folder.join(name);
        let step = step_seconds(ring, &rival, &out)?;
        rival.train.steps = ((seconds / step) as u64).max(1);
        // the same share of the run
        let share = rival.train.steps as f64 / config.train.steps.max(1) as f64;
        rival.objective.curriculum = (f64::from(rival.objective.curriculum) * share) as u32;
        let summary = one(ring, &mut rival, &out, progress.as_mut())?;
        let stopped = summary.ending == Ending::Stopped;
        all.push(Trained { says, summary });
        if stopped {
            break;
        }
    }
    Ok(all)
}

/// Seconds of a step of `config`, after a short run in `out` that is taken away again.
fn step_seconds(ring: &Ring<'_>, config: &RunConfig, out: &Path) -> Result<f64> {
    let mut timed = config.clone();
    timed.train.steps = TIMED;
    timed.objective.curriculum = 0;
    if let Some(sudoku) = &mut timed.sudoku {
        sudoku.tests = 1;
    }
    let summary = one(ring, &mut timed, out, of_command(true).as_mut())?;
    fs::remove_dir_all(out)?;
    Ok(summary.tokens as f64 / summary.tokens_per_second / summary.step.max(1) as f64)
}

fn one(ring: &Ring<'_>, config: &mut RunConfig, out: &Path, progress: &mut (dyn Progress + Send)) -> Result<Summary> {
    let task = config.load_data()?;
    config.validate()?;
    let folder = RunFolder::begin(out)?;
    let training = Training {
        ranks: ring.team.ranks(false),
        config,
        task: &task,
        out,
        state: None,
        stop: ring.stop,
        started: Instant::now(),
        why: ring.why,
        progress,
    };
    let summary = ring.device.train(training)?;
    drop(folder);
    Ok(summary)
}

/// Columns of the table: steps of a descent.
const STEPS: [usize; 7] = [1, 2, 4, 8, 16, 32, 100];

/// Boards solved by the joint energy and by its rivals, a row each.
pub fn table(own: &Summary, rivals: &[Trained], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "per cent of harder boards solved entirely, all trained for as many seconds")?;
    write!(out, "{:<30}{:>8}{:>8}", "", "values", "updates")?;
    STEPS.iter().try_for_each(|steps| write!(out, "{steps:>6}"))?;
    writeln!(out, "{:>14}{:>14}", "commits", "starts")?;
    for (says, summary) in
        std::iter::once(("joint energy", own)).chain(rivals.iter().map(|rival| (rival.says, &rival.summary)))
    {
        let Some(solved) = summary.validation.as_ref().and_then(|validation| validation.solved.as_ref()) else {
            continue;
        };
        write!(out, "{says:<30}{:>8}{:>8}", count(summary.parameters as f64), summary.step)?;
        let share = |n: f64| 100.0 * n / solved.boards.max(1) as f64;
        for steps in STEPS {
            match solved.per_step.get(steps - 1) {
                Some(&n) => write!(out, "{:>6.1}", share(n as f64))?,
                None => write!(out, "{:>6}", "-")?,
            }
        }
        let (commits, starts) = (best_commits(solved), best_starts(solved));
        for best in [commits, starts] {
            let cell = best.map_or_else(|| String::from("-"), |(n, how)| format!("{:.1} ({how})", share(n)));
            write!(out, "{cell:>14}")?;
        }
        writeln!(out)?;
    }
    writeln!(out, "in brackets: rounds of commits x steps of each; starts, of least energy or else entropy\n")
}

/// Most boards solved by commits, with the fewest rounds that do.
fn best_commits(solved: &Solved) -> Option<(f64, String)> {
    let best = solved.by_commits.iter().rev().max_by_key(|(.., n)| *n)?;
    Some((best.2 as f64, format!("{}x{}", best.0, best.1)))
}

/// Boards solved by choosing among 8 starts, or as many as there are, by energy or, where there is none, by entropy.
fn best_starts(solved: &Solved) -> Option<(f64, String)> {
    let by = solved.by_starts.iter().find(|by| by.starts == 8).or(solved.by_starts.last())?;
    let kept = by.solved.get(&Choice::Energy).or_else(|| by.solved.get(&Choice::Entropy))?;
    Some((*kept, by.starts.to_string()))
}
