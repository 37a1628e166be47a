//! The rate of matrix products, against which training is measured: one JSON line. Or, product by product, how the
//! processor's routine compares with another: a table.

use std::num::NonZeroUsize;

use anyhow::{Result, bail};
use ebt_data::memory;
use ebt_device::turns::against_matrixmultiply;
use ebt_train::run_config::Precision;

use crate::cli::{
    Device, DeviceArgs, DeviceKind, Output, PRECISIONS, one_of, start_threads, thread_pool, whole, write_json_line,
};

/// Size of the product.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Rows and columns of both factors [default: 8192]; with --against, width of the model trained [default: 256]
    #[arg(long, value_name = "N", value_parser = whole::<usize>(1..=1 << 15))]
    size: Option<usize>,
    /// Timed repetitions, the median of seven such groups counts; with --against, turns of each
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = whole::<usize>(1..=1 << 16))]
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

/// Width of the widest model that is compared with another crate's products.
const MOST_WIDTH: usize = 1 << 12;

fn check_memory(bytes: u64) -> Result<()> {
    memory::check("this product", bytes, "a smaller --size takes less")
}

/// Measures and prints.
///
/// # Errors
///
/// An impossible size, no such device, no routine of ours to compare.
pub fn run(args: &Args) -> Result<()> {
    let size = args.size.unwrap_or(if args.against.is_some() { 256 } else { 8192 });
    if args.against.is_some() {
        if args.device.backend == DeviceKind::Cuda {
            bail!("--against compares on the processor, not with --backend cuda");
        }
        if size > MOST_WIDTH {
            bail!("--size {size}: with --against at most {MOST_WIDTH}");
        }
        // the largest product has 32 times as many outputs as inputs; its factors and result in double precision
        check_memory((8 * (32 * size * size + 4 * size * 33 * size)) as u64)?;
        let mut pools = vec![thread_pool(Some(NonZeroUsize::MIN))?, thread_pool(args.device.threads)?];
        pools.dedup_by_key(|pool| pool.current_num_threads());
        return against_matrixmultiply(size, args.repeat, &pools, &mut Output::of_stream());
    }
    let device = args.device.choose(args.precision)?.device;
    if matches!(device, Device::Cpu { .. }) {
        start_threads(args.device.threads)?;
        // two factors that are made of two others, and a result
        check_memory((5 * 4 * size * size) as u64)?;
    }
    let line = device.square_products(size, args.repeat)?;
    Ok(write_json_line(&mut Output::of_results(), &line)?)
}
