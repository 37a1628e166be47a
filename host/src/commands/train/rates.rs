//! `ebt train --find-rate`.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use ebt_train::session::{RateSearch, SweepEnd};

use crate::cli::{Output, write_json_line};
use crate::plot::runs::rates;

/// Draws and prints what a sweep over learning rates found.
///
/// # Errors
///
/// A picture or an output that cannot be written.
pub fn report(found: &RateSearch, picture: Option<&Path>, json: bool) -> Result<()> {
    if let Some(path) = picture {
        rates(found).write(path)?;
    }
    let mut to = Output::of_results();
    if json {
        write_json_line(&mut to, found)?;
    } else {
        let ended = match found.ended {
            SweepEnd::Finished => "all rates were tried",
            SweepEnd::TooHigh => "it ended where the smoothed loss was four times its least",
            SweepEnd::NotFinite => "it ended where the loss was not finite",
        };
        let (steps, last) = (found.rates.len(), found.rates.last().copied().unwrap_or(0.0));
        writeln!(to, "{steps} steps with rates from 1e-6 to {last:.1e}; {ended}")?;
        match found.steepest {
            Some(rate) => {
                writeln!(to, "the smoothed loss falls steepest at {rate:.1e}; to train with it:")?;
                writeln!(to, "--set schedule.rate={rate:.1e}")?;
            }
            None => {
                writeln!(to, "the smoothed loss falls nowhere: these data or this model cannot be learned from here")?
            }
        }
    }
    Ok(to.flush()?)
}
