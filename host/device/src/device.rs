//! A device, opened and handed to tasks that are generic over it.

#[cfg(feature = "cuda")]
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use anyhow::{Result, bail};
use ebt_core::compute::{self, Backend as _};
use ebt_cpu::kernel::element::Element;
use ebt_cpu::kernel::gemm::Routine;
use ebt_cpu::{Cpu, Mixed, OutOfMemory};
use ebt_data::progress::size;
use ebt_train::run_config::Precision;

use crate::ranks::Ranks;

/// The device that a command will use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    /// The processor with this many threads, in single precision.
    Cpu {
        /// At least 1.
        threads: usize,
        /// Whether products are of brain floats ([`Mixed`]).
        mixed: bool,
    },
    /// The GPU of this number, with products in this precision.
    #[cfg(feature = "cuda")]
    Cuda(ebt_cuda::Options),
}

/// Hands the processor to `task`.
///
/// # Errors
///
/// Threads and memory that cannot be had, and those of `task`.
pub(crate) fn on_processor<E: Element, W: BackendTask>(b: Cpu<E>, task: W) -> Result<W::Output> {
    b.status()?;
    with_memory(|| task.run(&b))
}

/// What `work` on the processor returns.
///
/// # Errors
///
/// Memory that cannot be had, and those of `work`.
pub(crate) fn with_memory<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|cause| match cause.downcast::<OutOfMemory>() {
        Ok(missing) => bail!("{NO_MEMORY} {} more", size(missing.bytes as f64)),
        Err(cause) => resume_unwind(cause),
    })
}

/// How the sentence begins where memory for a computation on the processor cannot be had.
pub const NO_MEMORY: &str = "the processor has no memory for";

/// What a command does once it has a device.
pub trait BackendTask {
    /// What it gives back.
    type Output;
    /// Does the work on the opened device and returns what it made.
    ///
    /// # Errors
    ///
    /// Its own.
    fn run<B: compute::Backend>(self, b: &B) -> Result<Self::Output>;
}

impl Device {
    /// The processor with this many threads, for numbers of `precision`.
    ///
    /// # Errors
    ///
    /// A precision that this processor does not have; the sentence says which it has.
    pub fn processor(threads: usize, precision: Precision) -> Result<Self> {
        let mixed = match precision {
            Precision::Auto | Precision::F32 => false,
            Precision::Bf16 if Routine::rounds() => true,
            Precision::Bf16 => {
                bail!("the processor computes f32: this one has no AVX2, by which factors are rounded to bf16")
            }
            Precision::Tf32 | Precision::F16 => bail!("the processor computes f32"),
        };
        Ok(Self::Cpu { threads, mixed })
    }

    /// Opens the device and hands it to `task`.
    ///
    /// # Errors
    ///
    /// A device that cannot be opened, and those of `task`.
    pub fn with_backend<W: BackendTask>(&self, task: W) -> Result<W::Output> {
        match self {
            &Device::Cpu { threads, mixed: false } => on_processor(Cpu::<f32>::new(threads), task),
            &Device::Cpu { threads, mixed: true } => on_processor(Cpu::<Mixed>::new(threads), task),
            #[cfg(feature = "cuda")]
            Device::Cuda(options) => on_gpu(ebt_cuda::Cuda::new(options), task),
        }
    }

    /// The same as one of the ranks of a run.
    ///
    /// # Errors
    ///
    /// A device that cannot be opened, two ranks on one GPU, and those of `task`.
    pub fn with_ranks<W: BackendTask>(&self, ranks: &Ranks, task: W) -> Result<W::Output> {
        if ranks.collective.place().world == 1 {
            return self.with_backend(task);
        }
        match self {
            &Device::Cpu { threads, mixed: false } => {
                on_processor(Cpu::<f32>::with_ranks(threads, ranks.on_processors()), task)
            }
            &Device::Cpu { threads, mixed: true } => {
                on_processor(Cpu::<Mixed>::with_ranks(threads, ranks.on_processors()), task)
            }
            #[cfg(feature = "cuda")]
            Device::Cuda(options) => {
                let ranks = ranks.on_gpus(options.device)?;
                on_gpu(ebt_cuda::Cuda::with_ranks(options, &ranks), task)
            }
        }
    }
}

#[cfg(feature = "cuda")]
fn on_gpu<W: BackendTask>(opened: Result<ebt_cuda::Cuda, impl Display>, task: W) -> Result<W::Output> {
    task.run(&opened.map_err(|why| anyhow::anyhow!("the GPU cannot be used: {why}"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Filling(usize);

    impl BackendTask for Filling {
        type Output = ();

        fn run<B: compute::Backend>(self, b: &B) -> Result<()> {
            b.fill(self.0, self.0, 1.0);
            Ok(b.status()?)
        }
    }

    #[test]
    fn memory_that_cannot_be_had_is_an_error() {
        let device = Device::Cpu { threads: 1, mixed: false };
        for size in [1 << 24, 1 << 31, usize::MAX] {
            let message = device.with_backend(Filling(size)).unwrap_err().to_string();
            assert!(message.starts_with(NO_MEMORY), "{message}");
        }
        device.with_backend(Filling(4)).unwrap();
    }
}
