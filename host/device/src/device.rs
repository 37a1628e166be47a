//! A device, opened and lent to work that is generic over it.

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
    /// A GPU.
    #[cfg(feature = "cuda")]
    Cuda(ebt_cuda::Options),
}

/// What a command does once it has a device.
pub trait Work {
    /// What it gives back.
    type Output;
    /// Does it.
    ///
    /// # Errors
    ///
    /// Its own.
    fn run<B: compute::Backend>(self, b: &B) -> Result<Self::Output>;
}

impl Device {
    /// Opens the device and lends it to `work`.
    ///
    /// # Errors
    ///
    /// A device that cannot be opened, and those of `work`.
    pub fn lend<W: Work>(&self, work: W) -> Result<W::Output> {
        match self {
            Device::Cpu { threads } => work.run(&Cpu::<f32>::new(*threads)),
            #[cfg(feature = "cuda")]
            Device::Cuda(options) => {
                let b = ebt_cuda::Cuda::new(options).map_err(|why| anyhow::anyhow!("the GPU cannot be used: {why}"))?;
                work.run(&b)
            }
        }
    }
}
