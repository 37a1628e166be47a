//! The rate of matrix products, against which training is measured: one JSON line. Or, product by product, how the
//! processor's routine compares with another: a table.

use std::io::{self, Write};
use std::time::Instant;

use anyhow::{Result, bail};
use ebt_core::compute::{self, Layout};
use ebt_core::random::{Purpose, Stream};
use ebt_train::run_config::Precision;
use serde::Serialize;

use super::turns;
use crate::cli::{Backend, DeviceArgs, PRECISIONS, Work, one_of};

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

#[derive(Serialize)]
struct Line {
    flops_per_second: f64,
    size: usize,
    name: String,
}

/// Groups of repetitions.
const GROUPS: usize = 7;

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
        if args.device.backend == Backend::Cuda {
            bail!("--against compares on the processor, not with --backend cuda");
        }
        return turns::run(size, args.repeat, args.device.threads);
    }
    let line = args.device.choose(args.precision)?.device.lend(Measuring { size, repeat: args.repeat })?;
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, &line)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

struct Measuring {
    size: usize,
    repeat: usize,
}

impl Work for Measuring {
    type Output = Line;

    fn run<B: compute::Backend>(self, b: &B) -> Result<Line> {
        let Self { size, repeat } = self;
        let draw = |detail| b.normal(size, size, Stream::new(0, 0, Purpose::Test).detail(detail), 0, 1.0);
        // a product brings both factors to the storage type of activations, so that later ones are products alone
        let (x, y) = (draw(0), draw(1));
        let (x, y) = (b.matmul(&x, &y, Layout::NT), b.matmul(&y, &x, Layout::NT));
        let one = |out: &mut [f32]| {
            // copying one number back waits for the device
            let product = b.matmul(&x, &y, Layout::NT);
            b.download(&b.slice_columns(&b.slice_rows(&product, 0, 1), 0, 1), out);
        };
        one(&mut [0.0]);
        let mut rates = Vec::new();
        for _ in 0..GROUPS {
            let start = Instant::now();
            for _ in 1..repeat {
                b.matmul(&x, &y, Layout::NT);
            }
            one(&mut [0.0]);
            rates.push(2.0 * (size as f64).powi(3) * repeat as f64 / start.elapsed().as_secs_f64());
        }
        b.status()?;
        rates.sort_by(f64::total_cmp);
        Ok(Line { flops_per_second: rates[GROUPS / 2].round(), size, name: b.name().to_owned() })
    }
}
