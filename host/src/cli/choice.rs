//! Where a command computes: what was asked, and the device that it comes to.

use std::num::NonZeroUsize;

use anyhow::{Context, Result, bail};
use ebt_train::run_config::Precision;
use rayon::{ThreadPool, ThreadPoolBuilder};

use ebt_device::{Device, gpu};

/// Kind of device asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Backend {
    /// A GPU where one can be used, else the processor
    #[default]
    Auto,
    /// The processor
    Cpu,
    /// An NVIDIA GPU; the command `doctor` shows what is missing
    Cuda,
}

/// Device arguments of a command.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct DeviceArgs {
    /// Where to compute
    #[arg(long, value_enum, default_value_t = Backend::Auto, value_name = "DEVICE")]
    pub backend: Backend,
    /// Processor threads [default: all cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// The GPU of this number in `ebt doctor` and no other device [default: the first that can be used]
    #[arg(long, value_name = "N")]
    pub gpu: Option<usize>,
}

/// A device, and why it is this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The device that was decided on, with its threads or GPU; nothing has been opened yet.
    pub device: Device,
    /// The reason, in a few words.
    pub why: String,
}

/// More threads than this are refused: no machine gains from them.
const MOST_THREADS: usize = 1024;

impl DeviceArgs {
    /// Decides on a device for numbers of `precision`.
    ///
    /// # Errors
    ///
    /// A device that this program cannot use, a precision that it does not have, or too many threads; the message names
    /// the flag.
    pub fn choose(&self, precision: Precision) -> Result<Choice> {
        let threads = thread_count(self.threads)?;
        let narrow = !matches!(precision, Precision::Auto | Precision::F32);
        match (self.backend, self.gpu) {
            (Backend::Cpu, Some(number)) => bail!("--gpu {number}: --backend cpu uses no GPU"),
            (Backend::Cpu, None) if narrow => {
                bail!("--backend cpu with precision {}: the processor computes f32", precision.name())
            }
            (Backend::Cpu, None) => Ok(Choice { device: Device::Cpu { threads }, why: String::from("as asked") }),
            (Backend::Auto, None) => match gpu::device(None, precision) {
                Ok(device) => Ok(Choice { device, why: String::from("the fastest device found") }),
                Err(missing) if narrow => {
                    let (name, why) = (precision.name(), missing.full);
                    bail!("precision {name}: the processor computes f32, and no GPU can be used: {why}")
                }
                Err(missing) => {
                    Ok(Choice { device: Device::Cpu { threads }, why: format!("no GPU: {}", missing.brief) })
                }
            },
            (Backend::Cuda | Backend::Auto, number) => {
                let flag = if self.backend == Backend::Cuda { "--backend cuda" } else { "--gpu" };
                let device = gpu::device(number, precision).map_err(|missing| match missing.full {
                    // the sentence begins with the flag
                    full if full.starts_with("--") => anyhow::anyhow!("{full}"),
                    full => anyhow::anyhow!("{flag}: {full}"),
                })?;
                Ok(Choice { device, why: String::from("as asked") })
            }
        }
    }
}

/// Processor threads: as asked, else one for every core.
///
/// # Errors
///
/// More than 1024 threads.
pub fn thread_count(asked: Option<NonZeroUsize>) -> Result<usize> {
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = asked.map_or_else(cores, NonZeroUsize::get);
    if threads > MOST_THREADS {
        bail!("--threads {threads}: at most {MOST_THREADS} threads make sense");
    }
    Ok(threads)
}

/// Threads to work on, as many as [`thread_count`] says.
///
/// # Errors
///
/// More than 1024 threads, and threads that the system does not give.
pub fn thread_pool(asked: Option<NonZeroUsize>) -> Result<ThreadPool> {
    ThreadPoolBuilder::new().num_threads(thread_count(asked)?).build().context("cannot start threads")
}
