//! Where a command computes: what was asked, and the device that it comes to.

use std::num::NonZeroUsize;

use std::cell::RefCell;

use anyhow::{Result, anyhow, bail};
use ebt_data::memory::check_threads;
use ebt_train::run_config::{MOST_THREADS, Precision};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::number::whole;
use ebt_device::{Device, gpu};

/// Kind of device asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum DeviceKind {
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
    #[arg(long, value_enum, default_value_t = DeviceKind::Auto, value_name = "DEVICE")]
    pub backend: DeviceKind,
    /// Processor threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = threads())]
    pub threads: Option<NonZeroUsize>,
    /// The GPU of this number in `ebt doctor` and no other device [default: the first that can be used]
    #[arg(long, value_name = "N", value_parser = whole::<usize>(0..=65_535))]
    pub gpu: Option<usize>,
    /// Number of this process among those of its machine: that of its GPU among those that fit.
    #[arg(skip)]
    pub local_rank: usize,
}

/// A device, and why it is this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The device that was decided on, with its threads or GPU; nothing has been opened yet.
    pub device: Device,
    /// The reason, in a few words.
    pub why: String,
}

/// Parser of a number of threads; no machine gains from more than [`MOST_THREADS`].
pub fn threads() -> impl Fn(&str) -> Result<NonZeroUsize, String> + Clone + Send + Sync {
    whole(1..=MOST_THREADS as u64)
}

impl DeviceArgs {
    /// Decides on a device for numbers of `precision`.
    ///
    /// # Errors
    ///
    /// A device that this program cannot use, or a precision that it does not have; the message names the flag.
    pub fn choose(&self, precision: Precision) -> Result<Choice> {
        let threads = thread_count(self.threads);
        match (self.backend, self.gpu) {
            (DeviceKind::Cpu, Some(number)) => bail!("--gpu {number}: --backend cpu uses no GPU"),
            (DeviceKind::Cpu, None) => {
                let device = Device::processor(threads, precision)
                    .map_err(|why| anyhow!("--backend cpu with precision {}: {why}", precision.name()))?;
                Ok(Choice { device, why: String::from("as asked") })
            }
            (DeviceKind::Auto, None) => match gpu::device(None, self.local_rank, precision) {
                Ok(device) => Ok(Choice { device, why: String::from("the fastest device found") }),
                Err(missing) => match Device::processor(threads, precision) {
                    Ok(device) => Ok(Choice { device, why: format!("no GPU: {}", missing.brief) }),
                    Err(why) => {
                        let (name, no_gpu) = (precision.name(), missing.full);
                        bail!("precision {name}: {why}, and no GPU can be used: {no_gpu}")
                    }
                },
            },
            (DeviceKind::Cuda | DeviceKind::Auto, number) => {
                let flag = if self.backend == DeviceKind::Cuda { "--backend cuda" } else { "--gpu" };
                let device = gpu::device(number, self.local_rank, precision).map_err(|missing| match missing.full {
                    // the sentence begins with the flag
                    full if full.starts_with("--") => anyhow!("{full}"),
                    full => anyhow!("{flag}: {full}"),
                })?;
                Ok(Choice { device, why: String::from("as asked") })
            }
        }
    }
}

/// Processor threads: as asked, else one for every core.
pub fn thread_count(asked: Option<NonZeroUsize>) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(MOST_THREADS);
    asked.map_or_else(cores, NonZeroUsize::get)
}

thread_local! {
    /// The pool that this thread belongs to, kept for the thread's life: a worker cannot leave.
    static HOME: RefCell<Option<ThreadPool>> = const { RefCell::new(None) };
}

/// Makes this thread the first of as many as [`thread_count`] says; all parallel work that it starts from now on is shared
/// among these, and no others are started. Returns their number. A thread that has such a pool keeps it.
///
/// # Errors
///
/// Threads that the system does not give.
pub fn start_threads(asked: Option<NonZeroUsize>) -> Result<usize> {
    let threads = thread_count(asked);
    if rayon::current_thread_index().is_none() {
        check_threads(threads, "--threads N asks for fewer")?;
        let pool = ThreadPoolBuilder::new().num_threads(threads).use_current_thread().build();
        let pool = pool.map_err(|error| not_given(threads, &error))?;
        HOME.with(|home| home.replace(Some(pool)));
    }
    Ok(threads)
}

/// Threads to work on beside this one, as many as [`thread_count`] says.
///
/// # Errors
///
/// Threads that the system does not give.
pub fn thread_pool(asked: Option<NonZeroUsize>) -> Result<ThreadPool> {
    let threads = thread_count(asked);
    check_threads(threads, "--threads N asks for fewer")?;
    ThreadPoolBuilder::new().num_threads(threads).build().map_err(|error| not_given(threads, &error))
}

fn not_given(threads: usize, error: &rayon::ThreadPoolBuildError) -> anyhow::Error {
    let plural = if threads == 1 { "" } else { "s" };
    anyhow!("cannot start {threads} thread{plural}: {error}; --threads N asks for fewer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_shared_among_as_many_threads_as_are_asked_for() {
        // a thread of its own, which the pool keeps
        let found = std::thread::spawn(|| {
            let asked = start_threads(NonZeroUsize::new(3)).unwrap();
            let again = start_threads(NonZeroUsize::new(3)).unwrap();
            (asked, again, rayon::current_num_threads(), rayon::current_thread_index())
        });
        assert_eq!(found.join().unwrap(), (3, 3, 3, Some(0)));
    }
}
