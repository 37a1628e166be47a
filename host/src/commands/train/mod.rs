//! `ebt train`: trains a model on text, or goes on with a run.

mod beginning;
mod interrupt;
mod rates;
pub mod report;
mod rivals;

use std::io::Write;
use std::num::NonZeroUsize;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::{Result, bail};
use ebt_data::progress::of_command;
use ebt_data::text::input::absolute;
use ebt_data::{memory, program};
use ebt_device::memory::MainMemory;
use ebt_device::{Device, NO_MEMORY, Training};
use ebt_train::checkpoint::{Header, State, Store};
use ebt_train::run_config::presets;
use ebt_train::run_config::{Layers, Log, Precision, RunConfig, Sums, TrainConfig};
use ebt_train::session::{Ending, RunFolder, Summary, resume};
use serde::Serialize;

use beginning::Origin;

use crate::cli::{
    DeviceArgs, LOGS, Output, PRECISIONS, RanksArgs, Team, one_of, real, refuse_unnamed, start_threads, thread_count,
    whole, write_json_line,
};
use crate::plot::Format;

/// Trains a model, or goes on with a run.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    choice: Choice,
    /// Text to train on: files, folders (searched for files of known formats) and quoted globs, found, read and cleaned as
    /// by `ebt data prepare`; or folders of prepared data
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
    /// Begin with the weights of a model file, packed model, run or checkpoint folder, or hf://OWNER/NAME[@REVISION]/FILE: the model's sizes and semantics are its own
    #[arg(long, value_name = "MODEL", conflicts_with_all = ["resume", "rivals"])]
    from: Option<PathBuf>,
    /// Training steps of the whole run
    #[arg(long, value_name = "N", value_parser = whole::<u64>(1..=u64::from(u32::MAX)))]
    steps: Option<u64>,
    /// Most minutes this invocation may take, everything included
    #[arg(long, value_name = "MINUTES", value_parser = real::<f64>((Bound::Excluded(0.0), Bound::Unbounded)))]
    minutes: Option<f64>,
    /// Seed of everything random
    #[arg(long, value_name = "N", value_parser = whole::<u64>(0..=i64::MAX as u64))]
    seed: Option<u64>,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    ranks: RanksArgs,
    /// Numbers to compute with [default: train.precision, which is auto unless the configuration sets it]
    #[arg(long, value_parser = one_of(PRECISIONS), value_name = "NUMBERS")]
    precision: Option<Precision>,
    /// What records the run beside its metrics.jsonl: tensorboard writes files of events to the folder tensorboard of the run
    #[arg(long, value_name = "KIND", value_parser = one_of(LOGS))]
    log: Option<Log>,
    /// Train no run, but look for a learning rate: a hundred steps with rates from 1e-6 to 1; --out names a picture, .svg or .png
    #[arg(long, conflicts_with_all = ["resume", "rivals", "log"])]
    find_rate: bool,
    /// Train for as many seconds what a joint energy is held against: one pass, one that commits, the loop
    #[arg(long, conflicts_with = "resume")]
    rivals: bool,
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
  ebt train --preset sudoku --rivals
  ebt train --from runs/turkish --data letters/ --set schedule.rate=3e-4 --out runs/letters
  ebt train --find-rate --out rates.svg
  ebt train --log tensorboard --set train.keep_best=true --set train.patience=5
  ebt train --resume runs/mine";

/// Which configuration is meant; shared by `train` and `plan`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Choice {
    /// Named configuration: micro, sample, restore, sudoku, sudoku9, seed, 4xs, 3xs, xxs, xs, small, medium, large or xl, with or without +s1 or +s2
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
        if let Some(log) = self.log.filter(|log| !train.log.contains(log)) {
            train.log.push(log);
        }
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

    /// The paths that were given.
    fn paths(&self) -> impl Iterator<Item = &Path> {
        let all = self.data.iter().chain(&self.validation).chain(&self.tokenizer).chain(&self.out).chain(&self.from);
        all.map(PathBuf::as_path)
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
/// Wrong configuration, unreadable text, more memory or threads than there are, a diverged loss, a full disk; the message
/// names what to change.
pub fn run(args: Args) -> Result<()> {
    let started = Instant::now();
    let stop = interrupt::watch()?;
    let team = args.ranks.join()?;
    if !team.place().is_first() {
        interrupt::silence();
    }
    let ending = team.run(|| train(&args, &team, started, stop))?;
    team.finish()?;
    if ending == Ending::Stopped {
        std::process::exit(interrupt::STATUS);
    }
    Ok(())
}

/// A run to go on with.
type Begun = (RunFolder, State);

/// What the first rank finds.
#[derive(Default)]
struct Found {
    config: RunConfig,
    /// The run that the configuration belongs to.
    begun: Option<Begun>,
    /// The model that a new run begins with.
    origin: Option<Origin>,
    /// How its steps were laid out anew.
    told: Option<String>,
}

/// The configuration, and what there is to begin with.
fn configuration(args: &Args, team: &Team) -> Result<Found> {
    let resumed = args.resumed()?;
    refuse_unnamed(resumed.iter().copied().chain(args.paths()))?;
    let (mut config, begun, origin) = match resumed {
        Some(out) => {
            let folder = RunFolder::resume(out)?;
            let state = Store::new(out, 1).latest()?;
            let saved = resume::saved(&state.header)?;
            let layers = args.choice.layers();
            let whole = layers.preset.is_some() || layers.recipe.is_some() || layers.file.is_some();
            let config = match (whole, state.header.from.is_empty()) {
                (true, true) => layers.compose()?,
                (true, false) => layers.over(layers.base()?.with_plain_embedding())?,
                (false, _) => layers.over(saved)?,
            };
            (config, Some((folder, state)), None)
        }
        None => {
            match &args.out {
                Some(picture) if args.find_rate => {
                    Format::of(picture)?;
                }
                Some(out) => {
                    absolute(out)?;
                    RunFolder::refuse_used(out)?;
                }
                None => {}
            }
            let origin = args.from.as_deref().map(Origin::load).transpose()?;
            let layers = args.choice.layers();
            let config = match &origin {
                Some(origin) => origin.configuration(&layers)?,
                None => layers.compose()?,
            };
            (config, None, origin)
        }
    };
    args.flags(&mut config);
    if let Some(origin) = &origin {
        origin.lend_tokenizer(&mut config);
    }
    config.train.validate_threads()?;
    let world = team.place().world;
    let told = if begun.is_none() && world > 1 { config.train.share_among(world)? } else { None };
    Ok(Found { config, begun, origin, told })
}

/// What every rank does.
fn train(args: &Args, team: &Team, started: Instant, stop: &AtomicBool) -> Result<Ending> {
    let first = team.place().is_first();
    let Found { config, begun, origin, told } = if first { configuration(args, team)? } else { Found::default() };
    let text = team.share("the configuration", config.to_toml()?)?;
    let mut config = if first { config } else { resume::saved(&Header { config: text, ..Header::default() })? };
    let mut threads = config.train.threads.and_then(NonZeroUsize::new);
    if team.is_many() {
        threads = threads.or_else(|| NonZeroUsize::new(team.share_of(thread_count(None))));
    }
    start_threads(threads)?;
    let task = config.load_data_if(|tokenizer| match &begun {
        Some((folder, state)) => resume::check_tokenizer(&state.header, tokenizer, folder.path()),
        None => Ok(()),
    })?;
    config.validate()?;
    if args.rivals {
        rivals::check(&config, team)?;
    }
    refuse_unnamed(
        config.data.train.iter().chain(&config.data.validation).chain(&config.data.tokenizer).map(PathBuf::as_path),
    )?;
    if let Some((folder, state)) = &begun {
        resume::check(&state.header, &config, &task, folder.path())?;
    }
    let choice = DeviceArgs { threads, local_rank: team.local_rank(), ..args.device }.choose(config.train.precision)?;
    team.check(&choice.device)?;
    if matches!(choice.device, Device::Cpu { .. }) {
        check_memory(&config, team.place().world)?;
    }
    let begins = origin.map(|origin| origin.begin(&config, &task)).transpose()?;
    let (held, state) = begun.map_or((None, begins), |(folder, state)| (Some(folder), Some(state)));
    let folder = match (held, &args.out) {
        _ if args.find_rate => None,
        (Some(folder), _) => Some(folder),
        (None, _) if !first => None,
        (None, Some(out)) => Some(RunFolder::begin(out)?),
        (None, None) => Some(RunFolder::begin_named(Path::new("runs"), args.choice.name())?),
    };
    let path = folder.as_ref().map_or_else(PathBuf::new, |folder| folder.path().to_path_buf());
    // a name that is no text is for sentences only
    let out = team.share("the folder of the run", path.to_string_lossy().into_owned())?;
    let out = if first { path } else { PathBuf::from(out) };
    team.saved_in(out.clone());
    let mut progress = team.telling(of_command(args.quiet || !first));
    if team.is_many() {
        progress.note(&team.describe(config.train.lanes(), config.train.sums == Sums::Fast));
        told.iter().for_each(|told| progress.note(told));
    }
    let (config, task, ranks) = (&config, &task, team.ranks(config.train.sums == Sums::Fast));
    let (out, why, progress) = (&*out, &*choice.why, progress.as_mut());
    let training = Training { ranks, config, task, out, state, stop, started, why, progress };
    if args.find_rate {
        let found = choice.device.find_rate(training).map_err(with_less_memory)?;
        rates::report(&found, args.out.as_deref(), args.json)?;
        return Ok(Ending::Finished);
    }
    let summary = choice.device.train(training).map_err(with_less_memory)?;
    let rivals = match args.rivals && summary.ending != Ending::Stopped {
        true => {
            let ring = rivals::Ring { team, device: &choice.device, why, stop, quiet: args.quiet };
            rivals::train(&ring, config, &summary)?
        }
        false => Vec::new(),
    };
    drop(folder);
    if first {
        let mut to = Output::of_results();
        if args.json {
            write_json_line(&mut to, &Results { summary: &summary, rivals: &rivals })?;
        } else {
            report::table(&summary, &mut to)?;
            if !rivals.is_empty() {
                rivals::table(&summary, &rivals, &mut to)?;
            }
        }
        to.flush()?;
    }
    Ok(summary.ending)
}

/// What `--json` prints.
#[derive(Serialize)]
struct Results<'a> {
    #[serde(flatten)]
    summary: &'a Summary,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    rivals: &'a [rivals::Trained],
}

/// What a step takes less memory with.
const SMALLER_STEP: &str = "a smaller `train.batch` (with a larger `train.accumulate` for the same step), or \
                            `objective.checkpointing` of \"step\" or \"block\", takes less, and the command `plan` tells how much";

/// Refuses a run of `world` ranks of which this one takes more main memory than there is.
fn check_memory(config: &RunConfig, world: usize) -> Result<()> {
    let lanes = config.train.lanes() / world;
    let memory = MainMemory::of(&RunConfig { train: TrainConfig { lanes, ..config.train.clone() }, ..config.clone() })?;
    let MainMemory { held, step, replay } = memory;
    let remedy = if replay >= held.max(step) {
        "a smaller `objective.replay` takes less"
    } else if held >= step {
        "a smaller model (`model.dim`, `model.layers`, `model.vocab`) takes less, and the command `plan` tells how much"
    } else {
        SMALLER_STEP
    };
    memory::check("this run", memory.total(), remedy)
}

/// Says what takes less memory where the device had too little.
fn with_less_memory(error: anyhow::Error) -> anyhow::Error {
    let says = |words: &str| error.chain().any(|cause| cause.to_string().contains(words));
    match (says("out of memory: "), says(NO_MEMORY)) {
        (true, _) => error.context(format!(
            "the GPU has too little memory for this; a smaller `train.batch` (with a larger `train.accumulate` for the \
             same step), `objective.checkpointing` of \"step\" or \"block\", or precision bf16 takes less, and \
             `{} plan --backend cuda` tells how much",
            program::name()
        )),
        (false, true) => error.context(format!("this machine has too little memory for this run: {SMALLER_STEP}")),
        (false, false) => error,
    }
}
