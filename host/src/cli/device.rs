//! Where a command computes.

use std::num::NonZeroUsize;

use anyhow::{Context, Result, bail};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Kind of device asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Backend {
    /// The fastest device found.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// An NVIDIA GPU.
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
}

/// The device that a command will use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The processor with this many threads.
    Cpu {
        /// At least 1.
        threads: usize,
    },
}

/// More threads than this are refused: no machine gains from them.
const MOST_THREADS: usize = 1024;

impl DeviceArgs {
    /// Decides on a device.
    ///
    /// # Errors
    ///
    /// A device that this program cannot use, or too many threads; the message names the flag.
    pub fn choose(&self) -> Result<Device> {
        match self.backend {
            Backend::Auto | Backend::Cpu => Ok(Device::Cpu { threads: thread_count(self.threads)? }),
            Backend::Cuda => bail!("--backend cuda: this build has no CUDA backend; use --backend cpu"),
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
