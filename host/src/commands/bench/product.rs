//! The rate of matrix products, against which training is measured: one JSON line. Or, product by product, how the
//! processor's routine compares with another: a table.

use std::io::{self, Write};
use std::num::NonZeroUsize;

use anyhow::{Result, bail};
use ebt_device::turns::against_matrixmultiply;
use ebt_train::run_config::Precision;

use crate::cli::{DeviceArgs, DeviceKind, PRECISIONS, one_of, thread_pool};

/// Size of the product.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Rows and columns of both factors [default: 8192]; with --against, width of the model trained [default: 256]
    #[arg(long, value_name = "N")]
    size: Option<usize>,
    /// Timed repetitions, the median of seven such groups counts; with --against, turns of each
    #[arg(long, default_value_t = 20, value_name = "N")]
    repeat: usize,
    /// Numbers to compute with
    #[arg(long, value_parser = one_of(PRECISIONS), default_value = "f32", value_name = "NUMBERS")]
    precision: Precision,
    /// Time the products of a training step on the processor, in f32 and f64, on one thread and on all, by our routine
    /// and by this crate in turns, and print how many times faster ours is
    #[arg(long, value_parser = ["matrixmultiply"], conflicts_with_all = ["precision", "gpu"], value_name = "CRATE")]
    against: Option<String>,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Measures and prints.
///
/// # Errors
///
/// An impossible size, no such device, no routine of ours to compare.
pub fn run(args: &Args) -> Result<()> {
    let (usual, most) = if args.against.is_some() { (256, 1 << 12) } else { (8192, 1 << 15) };
    let size = args.size.unwrap_or(usual);
    if size == 0 || size > most || args.repeat == 0 || args.repeat > 1 << 16 {
        bail!("--size must be from 1 to {most} and --repeat from 1 to {}", 1 << 16);
    }
    if args.against.is_some() {
        if args.device.backend == DeviceKind::Cuda {
            bail!("--against compares on the processor, not with --backend cuda");
        }
        let mut pools = vec![thread_pool(Some(NonZeroUsize::MIN))?, thread_pool(args.device.threads)?];
        pools.dedup_by_key(|pool| pool.current_num_threads());
        return against_matrixmultiply(size, args.repeat, &pools);
    }
    let line = args.device.choose(args.precision)?.device.square_products(size, args.repeat)?;
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, &line)?;
    writeln!(out)?;
    Ok(out.flush()?)
}
