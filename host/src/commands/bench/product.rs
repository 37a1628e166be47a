//! The rate of matrix products, against which training is measured. One JSON line.

use std::io::{self, Write};

use anyhow::{Result, bail};
use ebt_train::run_config::Precision;

use crate::cli::{DeviceArgs, PRECISIONS, one_of};

/// Size of the product.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Rows and columns of both factors
    #[arg(long, default_value_t = 8192, value_name = "N")]
    size: usize,
    /// Timed repetitions; the median of seven such groups counts
    #[arg(long, default_value_t = 20, value_name = "N")]
    repeat: usize,
    /// Numbers to compute with
    #[arg(long, value_parser = one_of(PRECISIONS), default_value = "f32", value_name = "NUMBERS")]
    precision: Precision,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Measures and prints.
///
/// # Errors
///
/// An impossible size, no such device.
pub fn run(args: &Args) -> Result<()> {
    if args.size == 0 || args.size > 1 << 15 || args.repeat == 0 || args.repeat > 1 << 16 {
        bail!("--size must be from 1 to {} and --repeat from 1 to {}", 1 << 15, 1 << 16);
    }
    let line = args.device.choose(args.precision)?.device.square_products(args.size, args.repeat)?;
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, &line)?;
    writeln!(out)?;
    Ok(out.flush()?)
}
