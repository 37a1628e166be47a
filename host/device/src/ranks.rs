//! Ranks on a device.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use ebt_ranks::Collective;

/// The ranks of a run, as a device needs them.
#[derive(Clone)]
pub struct Ranks {
    /// What carries exchanges between the memories of processes.
    pub collective: Rc<dyn Collective>,
    /// Whether sums are in the order that is fastest, not in that of the canonical tree.
    pub fast: bool,
    /// How long ranks may take to find each other.
    pub patience: Duration,
    /// Says who was lost, once that is known.
    pub lost: Arc<dyn Fn() -> Option<String> + Send + Sync>,
}

impl fmt::Debug for Ranks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, fast: {}", self.collective.place(), self.fast)
    }
}

impl Ranks {
    /// These ranks on processors.
    pub(crate) fn on_processors(&self) -> ebt_cpu::Ranks {
        ebt_cpu::Ranks { collective: Rc::clone(&self.collective), fast: self.fast }
    }

    /// The largest numbers that any rank brings, place by place, on all ranks.
    ///
    /// # Errors
    ///
    /// A rank that is lost.
    pub fn most(&self, mine: &[f64]) -> Result<Vec<f64>> {
        let mut all = vec![0.0; mine.len() * self.collective.place().world];
        self.collective.gather(bytemuck::cast_slice(mine), bytemuck::cast_slice_mut(&mut all))?;
        let most = |at| all.iter().skip(at).step_by(mine.len()).copied().fold(f64::NEG_INFINITY, f64::max);
        Ok((0..mine.len()).map(most).collect())
    }
}

/// The order of sums on GPUs.
#[cfg(feature = "cuda")]
pub(crate) fn sums(fast: bool) -> ebt_cuda::Sums {
    if fast { ebt_cuda::Sums::Fast } else { ebt_cuda::Sums::Fixed }
}

#[cfg(feature = "cuda")]
mod on_gpus {
    use anyhow::{Result, anyhow, bail};
    use ebt_cuda::{UniqueId, device_uuid, shared_device};
    use ebt_ranks::Place;

    use super::{Arc, Ranks, sums};

    impl Ranks {
        /// These ranks on GPUs, this one on that of number `device`.
        ///
        /// # Errors
        ///
        /// Two ranks on one GPU, no NCCL, and a rank that is lost.
        pub(crate) fn on_gpus(&self, device: usize) -> Result<ebt_cuda::Ranks> {
            let Place { rank, world } = self.collective.place();
            let mut identities = vec![0; 16 * world];
            self.collective.gather(&device_uuid(device).map_err(|why| anyhow!(why))?, &mut identities)?;
            if let Some(shared) = shared_device(identities.as_chunks().0) {
                bail!(shared);
            }
            let mut id = UniqueId([0; 128]);
            if rank == 0 {
                id = UniqueId::new().map_err(|why| anyhow!(why))?;
            }
            self.collective.broadcast(&mut id.0)?;
            let sums = sums(self.fast);
            Ok(ebt_cuda::Ranks { rank, world, id, sums, patience: self.patience, lost: Some(Arc::clone(&self.lost)) })
        }
    }
}
