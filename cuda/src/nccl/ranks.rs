//! What a rank is told of the others.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::library;

/// Most ranks of a sum; the kernel that adds them has the same number.
pub const MOST_RANKS: usize = (1 << 12) - 1;

/// What the ranks of one communicator share and no other has: rank 0 makes it, and every rank is given a copy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UniqueId(pub [u8; 128]);

impl UniqueId {
    /// A new one, made by NCCL, which listens on a socket of this machine from now on.
    ///
    /// # Errors
    ///
    /// A sentence that says why there is no NCCL and how to get it, or NCCL's own words.
    pub fn new() -> Result<Self, String> {
        let table = library::table().map_err(|problem| problem.to_string())?;
        let mut id = Self([0; 128]);
        // SAFETY: writes 128 bytes
        let code = unsafe { (table.ncclGetUniqueId)(&raw mut id.0) };
        table.result("NCCL makes no identity for the ranks", code).map(|()| id)
    }
}

impl fmt::Debug for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UniqueId(..)")
    }
}

/// The order in which the numbers of ranks are added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sums {
    /// That of the canonical tree: the bits do not depend on how many ranks there are.
    #[default]
    Fixed,
    /// NCCL's own: the same bits on all ranks, others for other numbers of ranks and other machines.
    Fast,
}

/// Says in words that a process died, once that is known.
pub type Lost = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// The place of a process among those that train one model together, each on a GPU of its own.
#[derive(Clone)]
pub struct Ranks {
    /// Number of this process, from 0.
    pub rank: usize,
    /// Number of processes, at most [`MOST_RANKS`].
    pub world: usize,
    /// The identity that all of them have.
    pub id: UniqueId,
    /// How they add.
    pub sums: Sums,
    /// How long they may take to find each other.
    pub patience: Duration,
    /// Asked while anything is waited for; its words become the error.
    pub lost: Option<Lost>,
}

impl fmt::Debug for Ranks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rank {} of {}, sums {:?}", self.rank, self.world, self.sums)
    }
}

/// The sentence that refuses two ranks on one GPU, if there are two; `devices` are the identities of the ranks' GPUs in the
/// order of the ranks, see [`device_uuid`](crate::device_uuid).
pub fn shared_device(devices: &[[u8; 16]]) -> Option<String> {
    let earlier = |i: usize| devices[..i].iter().position(|other| *other == devices[i]);
    let (first, second) = (0..devices.len()).find_map(|i| Some((earlier(i)?, i)))?;
    let hex: String = devices[second].iter().map(|byte| format!("{byte:02x}")).collect();
    let groups = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
    Some(format!(
        "ranks {first} and {second} have the same GPU (GPU-{groups}): start at most as many ranks on a machine as it has GPUs, \
         and let each see its own"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_that_share_a_gpu_are_named() {
        let device = |last| std::array::from_fn(|i| if i == 15 { last } else { 0x10 + i as u8 });
        assert_eq!(shared_device(&[device(0), device(1), device(2)]), None);
        assert_eq!(shared_device(&[]), None);
        let text = shared_device(&[device(0), device(1), device(2), device(1)]).unwrap();
        assert!(
            text.starts_with("ranks 1 and 3 have the same GPU (GPU-10111213-1415-1617-1819-1a1b1c1d1e01): "),
            "{text}"
        );
    }
}
