//! One invocation of training: from a fresh model or a checkpoint to the end of the run, of the time, or an interrupt.

mod begin;
mod folder;
mod measure;
mod rates;
mod results;
pub mod resume;
mod run;
mod share;
mod tell;
mod types;

use anyhow::{Context, Result};
use ebt_core::compute::Backend;
use ebt_data::baselines::{self, Counts};
use ebt_data::file;
use ebt_data::progress::Progress;

use crate::task::{Probe, Task};

pub use begin::unfit;
pub use folder::RunFolder;
pub use rates::{RateSearch, SweepEnd, find_rate};
use run::Run;
pub use types::{BEST_FILE, CONFIG_FILE, Ending, Learns, METRICS_FILE, Session, Summary, quoted, resume_command};

/// Trains until the run is complete, the time is up or a stop is asked for, and saves the model and the state.
///
/// # Errors
///
/// A folder that cannot be written, data that cannot be read, a diverged loss, a device failure; what was reached is saved
/// where that is possible, and the message says where to go on from. A rank that is lost; then the last checkpoint is what is
/// left.
pub fn train<B: Backend>(session: Session<'_, B>, progress: &mut dyn Progress) -> Result<Summary> {
    let (config, task, out, ranks) = (session.config, session.task, session.out, session.ranks);
    let toml = config.to_toml()?;
    share::same_data(ranks, task)?;
    let mut counted = None;
    if ranks.place().is_first() {
        std::fs::create_dir_all(out).with_context(|| format!("cannot create the folder {}", out.display()))?;
        file::sweep(out)?;
        file::write(&out.join(CONFIG_FILE), |to| Ok(to.write_all(toml.as_bytes())?))?;
        if let Task::Text(data) = task {
            let counts = Counts::new(&data.train, config.model.vocab)?;
            let some = data.validation.sample(baselines::SAMPLE as usize, config.model.context, &data.tokenizer)?;
            counted = Some((counts.measure(&some)?, counts));
        }
    }
    let mut run = Run::start(session, toml)?;
    if ranks.place().is_first() {
        run.describe(counted.as_ref().map(|(baselines, _)| *baselines), progress);
        if let Some((baselines, counts)) = &counted {
            run.compare(*baselines, counts)?;
        }
    }
    let ended = run.train(progress);
    progress.end();
    let ending = ended?;
    let validation = match run.conclude(ending, progress)? {
        Some((validation, text)) => {
            if let (Some((baselines, counts)), Probe::Text(text)) = (&mut counted, &text) {
                *baselines = counts.measure(text)?;
                run.metrics.baselines(run.header.step, *baselines)?;
            }
            Some(validation)
        }
        None => None,
    };
    // nobody ends well before everything is saved
    ranks.broadcast(&mut [0])?;
    let (unigram, bigram) = counted.map_or((f64::NAN, f64::NAN), |(of, _)| (of.unigram, of.bigram));
    Ok(Summary {
        learns: match task {
            Task::Text(_) => Learns::Text,
            Task::Letters(_) => Learns::Letters,
            Task::Sudoku(_) => Learns::Boards,
        },
        ending,
        step: run.header.step,
        total_steps: run.header.total_steps,
        parameters: run.trainer.layout.count(),
        tokens: run.header.tokens,
        tokens_per_second: run.speed(),
        data_wait: run.data_wait(),
        seconds: run.session.started.elapsed().as_secs_f64(),
        unigram,
        bigram,
        validation,
        best: run.header.best,
        best_model: Some(out.join(BEST_FILE)).filter(|path| config.train.keep_best && path.is_file()),
        out: out.to_path_buf(),
        model: run.model,
    })
}
