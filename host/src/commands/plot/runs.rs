//! Runs as curves.

use std::path::{Path, PathBuf};

use anyhow::Result;
use ebt_train::metrics::History;
use ebt_train::session::METRICS_FILE;

use crate::cli::real;
use crate::plot::Figure;
use crate::plot::runs::{By, Run, figure};

/// Which runs, and how.
#[derive(Clone, Debug, clap::Args)]
pub struct RunsArgs {
    /// Draw the course of a run: loss, validations, energies; may be repeated, and the run may be going on
    #[arg(long, value_name = "DIR", conflicts_with_all = ["certificate", "prompt", "board", "model"])]
    pub run: Vec<PathBuf>,
    /// What the curves of runs run along
    #[arg(long, value_enum, value_name = "AXIS")]
    by: Option<By>,
    /// Share of the mean loss that stays at a step: 0 draws it as it was, 0.98 is smooth
    #[arg(long, value_name = "SHARE", value_parser = real::<f64>(0.0..0.9999))]
    smooth: Option<f64>,
}

impl RunsArgs {
    /// A flag that needs a run where none is named.
    pub fn without_run(&self) -> Option<&'static str> {
        let flag = self.by.map(|_| "--by").or(self.smooth.map(|_| "--smooth"));
        flag.filter(|_| self.run.is_empty())
    }

    /// The picture.
    ///
    /// # Errors
    ///
    /// A folder without a run that has done something; the message names it.
    pub fn figure(&self) -> Result<Figure> {
        let last = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let mut runs = Vec::new();
        for path in &self.run {
            let metrics = if path.is_dir() { path.join(METRICS_FILE) } else { path.clone() };
            let alone = self.run.iter().filter(|other| last(other) == last(path)).count() == 1;
            let name = last(path).filter(|_| alone).unwrap_or_else(|| path.display().to_string());
            runs.push(Run { name, history: History::read(&metrics)? });
        }
        Ok(figure(&runs, self.by.unwrap_or_default(), self.smooth.unwrap_or(0.0)))
    }
}
