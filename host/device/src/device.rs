//! A device, opened and handed to tasks that are generic over it.

use anyhow::Result;
use ebt_core::compute;
use ebt_cpu::Cpu;

/// The device that a command will use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    /// The processor with this many threads, in single precision.
    Cpu {
        /// At least 1.
        threads: usize,
    },
    /// The GPU of this number, with products in this precision.
    #[cfg(feature = "cuda")]
    Cuda(ebt_cuda::Options),
}

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
    /// Opens the device and hands it to `task`.
    ///
    /// # Errors
    ///
    /// A device that cannot be opened, and those of `task`.
    pub fn with_backend<W: BackendTask>(&self, task: W) -> Result<W::Output> {
        match self {
            Device::Cpu { threads } => task.run(&Cpu::<f32>::new(*threads)),
            #[cfg(feature = "cuda")]
            Device::Cuda(options) => {
                let b = ebt_cuda::Cuda::new(options).map_err(|why| anyhow::anyhow!("the GPU cannot be used: {why}"))?;
                task.run(&b)
            }
        }
    }
}
