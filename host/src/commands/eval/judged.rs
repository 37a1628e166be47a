//! How often a model holds the right one of several texts for right.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use ebt::packed::Isa;
use ebt_data::progress::eprint_line;
use serde_json::{Value, json};

use crate::cli::{DeviceArgs, DeviceKind, Output, start_threads, write_json};
use crate::hub;
use crate::inference::InferenceModel;
use crate::judge::task::{TASKS, Task};
use crate::judge::{By, Count, Judging, Kind, Verdict, items, judge, usual_steps};

/// What is judged, and by what.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Judging")]
#[group(id = "judged", multiple = false)]
pub struct JudgedArgs {
    /// Judge the sentence pairs of files: JSON lines (also .csv, .tsv, .parquet) with `good`, `bad` and, where it is known,
    /// `phenomenon`
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pairs: Vec<PathBuf>,
    /// Judge the answers in files: JSON lines with `context`, a list `choices`, and the index `answer` of the right one, from 0
    #[arg(long, value_name = "FILE", num_args = 1..)]
    choices: Vec<PathBuf>,
    /// Judge the Turkish part of a test set of the hub (feature `hub`)
    #[arg(long, value_name = "NAME", value_parser = names())]
    task: Option<String>,
}

/// A parser of the names of tasks.
fn names() -> clap::builder::PossibleValuesParser {
    TASKS.map(|task| clap::builder::PossibleValue::new(task.name).help(task.what)).into()
}

impl JudgedArgs {
    /// Whether anything is to be judged.
    pub fn asked(&self) -> bool {
        self.task.is_some() || !self.pairs.is_empty() || !self.choices.is_empty()
    }

    /// The items, what they are, and what they are called.
    fn items(&self) -> Result<(Vec<items::Item>, Kind, String)> {
        if let Some(name) = &self.task {
            let Some(task) = Task::named(name) else { bail!("--task {name}: no such task") };
            return Ok((task.items()?, task.kind, name.clone()));
        }
        let (paths, kind) =
            if self.pairs.is_empty() { (&self.choices, Kind::Choices) } else { (&self.pairs, Kind::Pairs) };
        let mut all = Vec::new();
        for path in paths {
            all.extend(items::read(&hub::local(path)?, kind)?);
        }
        Ok((all, kind, ebt_data::text::names(paths)))
    }
}

/// What judges.
#[derive(Clone, Copy, Debug)]
pub struct Judge<'a> {
    /// The model, as it was named.
    pub model: &'a Path,
    /// What says how well a text fits.
    pub by: By,
    /// Where it computes.
    pub device: &'a DeviceArgs,
    /// Descent steps, at least as many as the model takes by itself.
    pub think: Option<NonZeroUsize>,
    /// Seed of states that start from noise.
    pub seed: u64,
    /// Instructions of the processor.
    pub kernel: Isa,
    /// Whether one JSON object is printed instead of text.
    pub json: bool,
}

/// Judges what is asked for, and prints what came of it.
///
/// # Errors
///
/// What cannot be read or is nothing to judge, a model that cannot judge it, a GPU.
pub fn run(asked: &JudgedArgs, args: Judge<'_>) -> Result<()> {
    let kernel = args.kernel;
    if args.device.backend == DeviceKind::Cuda || args.device.gpu.is_some() {
        bail!("--pairs, --choices and --task need --backend cpu");
    }
    let started = Instant::now();
    let threads = start_threads(args.device.threads)?;
    let (items, kind, name) = asked.items()?;
    let loaded = InferenceModel::load(Some(args.model))?;
    let model = loaded.model()?;
    usual_steps(&model, args.by).with_context(|| args.model.display().to_string())?;
    let tokenizer = loaded.tokenizer(&model)?;
    let backend = format!("cpu {} ({})", model.storage.name(), kernel.name());
    if !args.json {
        eprint_line(format_args!("device: {backend}, {threads} threads"));
    }
    let steps = args.think.map_or(0, NonZeroUsize::get);
    let judging = Judging { by: args.by, steps, seed: args.seed, kernel, threads, progress: !args.json };
    let judged = judge(&model, &tokenizer, &items, kind, &judging);
    let (verdicts, usual) = judged.with_context(|| args.model.display().to_string())?;
    let found = Found { items: &items, verdicts: &verdicts, kind, usual };
    let mut out = Output::of_results();
    if args.json {
        let by = clap::ValueEnum::to_possible_value(&args.by);
        let mut value = found.to_json();
        value["model"] = json!(args.model.display().to_string());
        value["backend"] = json!(backend);
        value["items"] = json!(name);
        value["by"] = json!(by.as_ref().map(|by| by.get_name()));
        value["seconds"] = json!(started.elapsed().as_secs_f64());
        write_json(&mut out, &value)?;
    } else {
        found.print(&mut out)?;
    }
    Ok(out.flush()?)
}

/// What came of it.
struct Found<'f> {
    items: &'f [items::Item],
    verdicts: &'f [Verdict],
    kind: Kind,
    usual: usize,
}

impl Found<'_> {
    /// How many of the items that are `wanted` were judged right after a step; by bytes where that is asked for.
    fn count(&self, step: usize, by_byte: bool, wanted: impl Fn(&str) -> bool) -> Count {
        let mut count = Count::default();
        for (_, verdict) in self.items.iter().zip(self.verdicts).filter(|(item, _)| wanted(&item.phenomenon)) {
            let right = if by_byte { &verdict.right_by_byte } else { &verdict.right };
            count.add(right.get(step).copied().unwrap_or(false));
        }
        count
    }

    /// Steps that were judged after, and the one that the model takes by itself, from 0.
    fn steps(&self) -> (usize, usize) {
        let steps = self.verdicts.first().map_or(0, |verdict| verdict.right.len());
        (steps, self.usual.saturating_sub(1).min(steps.saturating_sub(1)))
    }

    /// What was tested, in the order of the items.
    fn phenomena(&self) -> Vec<&str> {
        let mut all: Vec<&str> = Vec::new();
        for item in self.items {
            if !all.contains(&item.phenomenon.as_str()) {
                all.push(&item.phenomenon);
            }
        }
        all
    }

    fn print(&self, out: &mut impl Write) -> Result<()> {
        let ((steps, usual), phenomena) = (self.steps(), self.phenomena());
        let width = phenomena.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(10);
        let by_byte = if self.kind == Kind::Choices { "  by byte" } else { "" };
        writeln!(out, "after {} step{}:", usual + 1, if usual == 0 { "" } else { "s" })?;
        writeln!(out, "  {:width$}  {:>6}  {:>6}  {:>15}{by_byte}", "phenomenon", "items", "right", "95 % interval")?;
        let mut line = |name: &str, wanted: &dyn Fn(&str) -> bool| -> Result<()> {
            let (count, bytes) = (self.count(usual, false, wanted), self.count(usual, true, wanted));
            let by_byte =
                if self.kind == Kind::Choices { format!("  {:>7}", percent(bytes.accuracy())) } else { String::new() };
            let (share, between) = (percent(count.accuracy()), interval(&count));
            Ok(writeln!(out, "  {name:width$}  {:>6}  {share:>6}  {between:>15}{by_byte}", count.items)?)
        };
        for phenomenon in phenomena.iter().filter(|_| phenomena.len() > 1) {
            line(phenomenon, &|name| name == *phenomenon)?;
        }
        line("all", &|_| true)?;
        if steps > 1 {
            writeln!(out, "\nall by number of steps:\n  {:>5}  {:>6}  {:>15}", "steps", "right", "95 % interval")?;
            for step in 0..steps {
                let count = self.count(step, false, |_| true);
                let note = if step == usual { "  as trained" } else { "" };
                let (share, between) = (percent(count.accuracy()), interval(&count));
                writeln!(out, "  {:>5}  {share:>6}  {between:>15}{note}", step + 1)?;
            }
        }
        Ok(())
    }

    fn to_json(&self) -> Value {
        let (steps, usual) = self.steps();
        let of = |step: usize, wanted: &dyn Fn(&str) -> bool| {
            let count = self.count(step, false, wanted);
            let (low, high) = count.interval();
            let mut value = json!({ "of": count.items, "right": count.right, "accuracy": count.accuracy(), "low": low, "high": high });
            if self.kind == Kind::Choices {
                value["accuracy_by_byte"] = json!(self.count(step, true, wanted).accuracy());
            }
            value
        };
        let mut value = of(usual, &|_| true);
        value["steps"] = json!(usual + 1);
        let by_steps = (0..steps).map(|step| {
            let mut value = of(step, &|_| true);
            value["steps"] = json!(step + 1);
            value
        });
        value["by_steps"] = by_steps.collect();
        let phenomena = self.phenomena().into_iter().map(|phenomenon| {
            let mut value = of(usual, &|name| name == phenomenon);
            value["phenomenon"] = json!(phenomenon);
            value
        });
        value["phenomena"] = phenomena.collect();
        value
    }
}

fn percent(share: f64) -> String {
    format!("{:.1}%", 100.0 * share)
}

fn interval(count: &Count) -> String {
    let (low, high) = count.interval();
    format!("{} to {}", percent(low), percent(high))
}
