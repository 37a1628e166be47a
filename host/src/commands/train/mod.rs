//! `ebt train`: trains a model on text, or goes on with a run.

mod interrupt;
pub mod report;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use ebt_data::program;
use ebt_data::progress::of_command;
use ebt_data::shard::Manifest;
use ebt_device::Training;
use ebt_model::model::MODEL_FILE;
use ebt_train::checkpoint::Store;
use ebt_train::run_config::presets;
use ebt_train::run_config::{Layers, Precision, RunConfig};
use ebt_train::session::{Ending, resume, resume_command};

use crate::cli::{DeviceArgs, PRECISIONS, one_of};

/// Trains a model, or goes on with a run.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    choice: Choice,
    /// Text to train on: UTF-8 files or folders of .txt files, documents separated by blank lines; or folders of
    /// prepared data (`ebt data prepare`)
    #[arg(long, value_name = "PATH", num_args = 1..)]
    data: Vec<PathBuf>,
    /// Text to measure on, of the same kinds [default: what prepared data hold for it, or the sample text]
    #[arg(long, value_name = "PATH", num_args = 1..)]
    validation: Vec<PathBuf>,
    /// tokenizer.json or compact tokenizer, or `full` [default: that of prepared data, else the shipped one of 4,096 tokens]
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// Folder of the run [default: runs/PRESET-DATE]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with the run in DIR (or in --out); its configuration is kept
    #[arg(long, value_name = "DIR", num_args = 0..=1)]
    resume: Option<Option<PathBuf>>,
    /// Training steps of the whole run
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Most minutes this invocation may take, everything included
    #[arg(long, value_name = "MINUTES")]
    minutes: Option<f64>,
    /// Seed of everything random
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Numbers to compute with [default: train.precision, which is auto unless the configuration sets it]
    #[arg(long, value_parser = one_of(PRECISIONS), value_name = "NUMBERS")]
    precision: Option<Precision>,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
    /// Tell nothing while training
    #[arg(long)]
    quiet: bool,
}

const EXAMPLES: &str = "\
Without arguments: a small model on the Turkish sample text, in at most two minutes on two processor cores.

Configuration comes from the preset, then the file, then --set, then the flags; later ones win. All randomness is a
function of seed and step, so equal runs of a build on equal machines give equal models, and an interrupted and resumed
run the same as an uninterrupted one, with any number of threads. A time limit (--minutes; the preset `sample` has one)
may end a run at another step; the steps up to there are the same.

Examples:
  ebt train
  ebt train --preset 4xs+s2 --data corpus/ --validation held-out.txt --out runs/mine
  ebt train --preset small --data prepared/ --set data.isolate_documents=true
  ebt train --preset small --data prepared/ --backend cuda --precision bf16
  ebt train --set model.kind=transformer --set schedule.rate=1e-3 --steps 2000
  ebt train --resume runs/mine";

/// Which configuration is meant; shared by `train` and `plan`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Choice {
    /// Named configuration: sample, seed, 4xs, 3xs, xxs, xs, small, medium, large or xl, with or without +s1 or +s2
    #[arg(long, value_name = "NAME", value_parser = preset_name)]
    pub preset: Option<String>,
    /// Training recipe laid over the preset: s1 or s2
    #[arg(long, value_name = "NAME", value_parser = presets::RECIPES)]
    pub recipe: Option<String>,
    /// TOML file with any of the sections model, objective, optimizer, schedule, train, data
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One setting, e.g. model.layers=4; may be repeated
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    pub set: Vec<String>,
}

fn preset_name(name: &str) -> Result<String> {
    presets::preset(name, None).map(|_| name.to_owned())
}

impl Choice {
    /// As configuration layers.
    pub fn layers(&self) -> Layers<'_> {
        let (preset, recipe) = (self.preset.as_deref(), self.recipe.as_deref());
        Layers { preset, recipe, file: self.config.as_deref(), set: &self.set }
    }

    /// A name for the folder of a run.
    fn name(&self) -> &str {
        let file = self.config.as_ref().and_then(|path| path.file_stem()).and_then(|stem| stem.to_str());
        self.preset.as_deref().or(file).unwrap_or("sample")
    }
}

impl Args {
    /// Lays the flags over a configuration.
    fn flags(&self, config: &mut RunConfig) {
        let train = &mut config.train;
        train.steps = self.steps.unwrap_or(train.steps);
        train.minutes = self.minutes.or(train.minutes);
        train.seed = self.seed.unwrap_or(train.seed);
        train.threads = self.device.threads.map(usize::from).or(train.threads);
        train.precision = self.precision.unwrap_or(train.precision);
        let data = &mut config.data;
        if !self.data.is_empty() {
            data.train = self.data.clone();
        }
        if !self.validation.is_empty() {
            data.validation = self.validation.clone();
        }
        if self.tokenizer.is_some() {
            data.tokenizer = self.tokenizer.clone();
        }
    }

    /// The folder to resume, if that was asked for.
    fn resumed(&self) -> Result<Option<&Path>> {
        match (&self.resume, &self.out) {
            (None, _) => Ok(None),
            (Some(Some(a)), Some(b)) if a != b => bail!("--resume {} and --out {} differ", a.display(), b.display()),
            (Some(Some(folder)), _) | (Some(None), Some(folder)) => Ok(Some(folder)),
            (Some(None), None) => bail!("--resume: name the folder of the run, here or with --out"),
        }
    }
}

/// Runs the command.
///
/// # Errors
///
/// Wrong configuration, unreadable text, a diverged loss, a full disk; the message names what to change.
pub fn run(args: Args) -> Result<()> {
    let started = Instant::now();
    let stop = interrupt::watch()?;
    let (mut config, state, out) = match args.resumed()? {
        Some(out) => {
            let state = Store::new(out, 1).latest()?;
            let saved = resume::saved(&state.header)?;
            let layers = args.choice.layers();
            let whole = layers.preset.is_some() || layers.recipe.is_some() || layers.file.is_some();
            let config = if whole { layers.compose()? } else { layers.over(saved)? };
            (config, Some(state), out.to_path_buf())
        }
        None => {
            let config = args.choice.layers().compose()?;
            let out = args.out.clone().unwrap_or_else(|| unused(args.choice.name()));
            refuse_used(&out)?;
            (config, None, out)
        }
    };
    args.flags(&mut config);
    let data = config.load_data_if(|tokenizer| match &state {
        Some(state) => resume::check_tokenizer(&state.header, tokenizer, &out),
        None => Ok(()),
    })?;
    config.validate()?;
    if let Some(state) = &state {
        resume::check(&state.header, &config, &data, &out)?;
    }
    let threads = config.train.threads.and_then(std::num::NonZeroUsize::new);
    let choice = DeviceArgs { threads, ..args.device }.choose(config.train.precision)?;
    let mut progress = of_command(args.quiet);
    let (config, data, out) = (&config, &data, out.as_path());
    let training = Training { config, data, out, state, stop, started, why: &choice.why, progress: progress.as_mut() };
    let summary = choice.device.train(training).map_err(with_less_memory)?;
    let mut to = io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut to, &summary).context("cannot print the result")?;
        writeln!(to)?;
    } else {
        report::table(&summary, &mut to)?;
    }
    to.flush()?;
    if summary.ending == Ending::Stopped {
        std::process::exit(interrupt::STATUS);
    }
    Ok(())
}

/// Says what takes less memory where the device had too little.
fn with_less_memory(error: anyhow::Error) -> anyhow::Error {
    match error.chain().any(|cause| cause.to_string().contains("out of memory: ")) {
        true => error.context(format!(
            "the GPU has too little memory for this; a smaller `train.batch` (with a larger `train.accumulate` for the \
             same step), `objective.checkpointing` of \"step\" or \"block\", or precision bf16 takes less, and \
             `{} plan --backend cuda` tells how much",
            program::name()
        )),
        false => error,
    }
}

/// Refuses a folder that holds a run already. What a run left that ended before it had saved anything is written over.
fn refuse_used(out: &Path) -> Result<()> {
    if Manifest::exists(out) {
        bail!("{} holds prepared data; choose another --out", out.display());
    }
    if !Store::new(out, 1).list()?.is_empty() || out.join(MODEL_FILE).exists() {
        bail!(
            "{} holds a run already: go on with it (`{}`) or choose another --out",
            out.display(),
            resume_command(out)
        );
    }
    Ok(())
}

/// A folder name for a run that starts now.
fn unused(preset: &str) -> PathBuf {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let name = PathBuf::from("runs").join(format!("{preset}-{}", date(seconds)));
    let numbered = |i: u32| PathBuf::from(format!("{}-{i}", name.display()));
    if name.exists() { (2..).map(numbered).find(|path| !path.exists()).unwrap_or(name) } else { name }
}

/// `20260131-235959` (UTC), from seconds since 1970.
fn date(seconds: u64) -> String {
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    // days since 1 March of year 0, in eras of 400 years (H. Hinnant, "chrono-compatible low-level date algorithms")
    let z = days + 719_468;
    let (era, day) = (z / 146_097, z % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = year + era * 400 + u64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}-{:02}{:02}{:02}", time / 3600, time / 60 % 60, time % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), "19700101-000000");
        assert_eq!(date(951_782_400), "20000229-000000");
        assert_eq!(date(1_767_225_599), "20251231-235959");
    }
}
