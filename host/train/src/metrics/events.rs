//! A run as TensorBoard reads it: files of events in `RUN/tensorboard`.
//!
//! Every invocation of a run writes a file of its own, whose name is behind those before it. It begins with a start of session at
//! the next step: what an earlier invocation told of that step and later ones, beyond the checkpoint that the run goes on from,
//! does not count any more. An event is written whole, so that a process that is killed leaves at most its last one cut off.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use super::lines::StepLine;
use super::records::{Event, Histogram, Metadata, Of, Plugin, SessionLog, Shape, Summary, Tensor, Value, What, framed};
use super::sink::{Sink, Standing};
use crate::checkpoint::Validation;

/// Folder of the files in that of a run.
pub const EVENTS_FOLDER: &str = "tensorboard";
/// What the name of a file begins with; a number of ten digits follows.
const PREFIX: &str = "events.out.tfevents.";
/// What a file says of its version.
const VERSION: &str = "brain.Event:2";
/// A start of session.
const START: i32 = 1;
/// Strings of a tensor.
const STRINGS: i32 = 7;

/// The file of events of an invocation.
#[derive(Debug)]
pub struct Events {
    path: PathBuf,
    file: File,
    /// The run at its last step.
    last: Standing,
}

impl Events {
    /// Begins a file in the folder of a run that stands at `standing`; `configuration` is shown as text.
    ///
    /// # Errors
    ///
    /// A folder or file that cannot be written; the message names it.
    pub fn begin(run: &Path, standing: Standing, configuration: &str) -> Result<Self> {
        let folder = run.join(EVENTS_FOLDER);
        fs::create_dir_all(&folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
        // whatever the clock says, the file stands behind those before it
        let number = (now() as u64).max(newest(&folder)?.map_or(0, |newest| newest.saturating_add(1)));
        let path = folder.join(format!("{PREFIX}{number:010}.ebt"));
        let file = OpenOptions::new().create_new(true).append(true).open(&path);
        let file = file.with_context(|| format!("cannot create {}", path.display()))?;
        let mut events = Self { path, file, last: standing };
        events.write(0, What::FileVersion(String::from(VERSION)))?;
        events.write(standing.step + 1, What::Session(SessionLog { status: START }))?;
        let text = Tensor {
            dtype: STRINGS,
            shape: Some(Shape {}),
            strings: vec![format!("```toml\n{configuration}\n```").into_bytes()],
        };
        let plugin = Some(Plugin { name: String::from("text") });
        let tag = String::from("configuration");
        let value = Value { tag, metadata: Some(Metadata { plugin }), of: Some(Of::Tensor(text)) };
        events.write(standing.step, What::Summary(Summary { value: vec![value] }))?;
        Ok(events)
    }

    fn write(&mut self, step: u64, what: What) -> Result<()> {
        let bytes = framed(&Event { wall_time: now(), step: step as i64, what: Some(what) });
        self.file.write_all(&bytes).with_context(|| format!("cannot write {}", self.path.display()))
    }
}

impl Sink for Events {
    fn step(&mut self, line: &StepLine) -> Result<()> {
        let report = &line.report;
        let mut value = vec![scalar("loss/total", report.loss)];
        value.extend(numbered("loss/step", &report.step_losses));
        value.extend(numbered("energy/step", &report.energies));
        value.push(scalar("gradient/norm", report.gradient_norm));
        value.push(scalar("rate", line.rate));
        value.push(scalar("alpha", report.alpha));
        value.extend(line.load.iter().enumerate().map(|(block, &load)| scalar(&format!("experts/load/{block}"), load)));
        let Standing { tokens, seconds, .. } = self.last;
        if line.seconds > seconds {
            value.push(scalar(
                "speed/tokens_per_second",
                line.tokens.saturating_sub(tokens) as f64 / (line.seconds - seconds),
            ));
        }
        self.last = Standing { step: line.step, tokens: line.tokens, seconds: line.seconds };
        self.write(line.step, What::Summary(Summary { value }))
    }

    fn validation(&mut self, validation: &Validation, energies: &[Vec<f32>]) -> Result<()> {
        let mut value = Vec::new();
        let share = |right: u64, of: u64| right as f64 / of.max(1) as f64;
        match (&validation.solved, &validation.restored) {
            (Some(solved), _) => {
                let solved: Vec<f64> = solved.per_step.iter().map(|&n| share(n, solved.boards)).collect();
                value.extend(shown(&solved).map(|(k, &x)| scalar(&format!("validation/solved/step_{k}"), x)));
            }
            (None, Some(restored)) => {
                for (k, right) in shown(&restored.per_step) {
                    value.push(scalar(&format!("validation/words/step_{k}"), share(right.words, restored.of.words)));
                    let letters = share(right.letters, restored.of.letters);
                    value.push(scalar(&format!("validation/letters/step_{k}"), letters));
                }
            }
            (None, None) => value.extend(numbered("validation/bits_per_byte/step", &validation.per_step)),
        }
        for (k, energies) in shown(energies).filter(|(_, energies)| !energies.is_empty()) {
            let tag = format!("validation/energy/step_{k}");
            value.push(Value { tag, metadata: None, of: Some(Of::Histogram(Histogram::of(energies))) });
        }
        self.write(validation.step, What::Summary(Summary { value }))
    }
}

fn scalar(tag: &str, value: f64) -> Value {
    Value { tag: tag.to_owned(), metadata: None, of: Some(Of::Scalar(value as f32)) }
}

/// Scalars of all steps, counted from 1.
fn numbered(tag: &str, values: &[f64]) -> impl Iterator<Item = Value> {
    values.iter().enumerate().map(move |(i, &x)| scalar(&format!("{tag}_{}", i + 1), x))
}

/// Those of steps 1, 2, 4, 8 and so on, and of the last, with the number of the step: of a hundred steps not all.
fn shown<T>(values: &[T]) -> impl Iterator<Item = (usize, &T)> {
    let last = values.len();
    (1usize..).zip(values).filter(move |&(k, _)| k.is_power_of_two() || k == last)
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// The largest number among the names of files.
fn newest(folder: &Path) -> Result<Option<u64>> {
    let unreadable = || format!("cannot read the folder {}", folder.display());
    let mut newest = None;
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        let name = entry.with_context(unreadable)?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('.').next()?.parse().ok());
        newest = newest.max(number);
    }
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boards::Solved;
    use crate::metrics::records::read;
    use ebt_core::training::StepReport;

    fn files(run: &Path) -> Vec<PathBuf> {
        let list = fs::read_dir(run.join(EVENTS_FOLDER)).unwrap();
        let mut all: Vec<PathBuf> = list.map(|entry| entry.unwrap().path()).collect();
        all.sort();
        all
    }

    fn tags(event: &Event) -> Vec<String> {
        match &event.what {
            Some(What::Summary(summary)) => summary.value.iter().map(|value| value.tag.clone()).collect(),
            _ => Vec::new(),
        }
    }

    fn line(step: u64) -> StepLine {
        let report =
            StepReport { loss: 2.0, step_losses: vec![2.5, 2.0], energies: vec![0.0, -1.0], ..Default::default() };
        StepLine { load: vec![1.5], ..StepLine::new(report, step, 10 * step, step as f64, 1e-3) }
    }

    #[test]
    fn every_invocation_writes_a_file_behind_the_others_and_takes_later_steps_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = Events::begin(folder.path(), Standing::default(), "[model]").unwrap();
        (1..=3).for_each(|step| first.step(&line(step)).unwrap());
        drop(first);
        // killed in the middle of an event
        let path = files(folder.path()).remove(0);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 5]).unwrap();
        assert_eq!(read(&fs::read(&path).unwrap()).len(), 5);

        let standing = Standing { step: 2, tokens: 20, seconds: 2.0 };
        let mut second = Events::begin(folder.path(), standing, "[model]").unwrap();
        second.step(&line(3)).unwrap();
        let energies = [vec![0.5; 4], vec![-1.0, f32::NAN]];
        let validation = Validation { step: 3, per_step: vec![2.0, 1.5], ..Validation::default() };
        second.validation(&validation, &energies).unwrap();
        let solved = Solved { boards: 4, per_step: vec![0, 1, 2, 2, 3, 4], ..Solved::default() };
        second.validation(&Validation { step: 3, solved: Some(solved), ..Validation::default() }, &[]).unwrap();
        drop(second);

        let all = files(folder.path());
        assert_eq!(all.len(), 2);
        assert_eq!(all[0], path, "names sort as they were written");
        let events = read(&fs::read(&all[1]).unwrap());
        assert_eq!(events[1].what, Some(What::Session(SessionLog { status: START })));
        assert_eq!(events[1].step, 3);
        assert_eq!(tags(&events[2]), ["configuration"]);
        let names = [
            "loss/total",
            "loss/step_1",
            "loss/step_2",
            "energy/step_1",
            "energy/step_2",
            "gradient/norm",
            "rate",
            "alpha",
        ];
        assert_eq!(tags(&events[3])[..8], names);
        assert_eq!(tags(&events[3])[8..], ["experts/load/0", "speed/tokens_per_second"]);
        let of = ["bits_per_byte/step_1", "bits_per_byte/step_2", "energy/step_1", "energy/step_2"];
        assert_eq!(tags(&events[4]), of.map(|tag| format!("validation/{tag}")));
        let steps = [1, 2, 4, 6].map(|k| format!("validation/solved/step_{k}"));
        assert_eq!(tags(&events[5]), steps);
    }
}
