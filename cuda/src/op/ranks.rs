//! Sums over ranks. Matrices are packed into a bucket; every rank is sent its part of the buckets of all, adds those parts in
//! the order of the canonical tree, and sends the sum to all: the same bits everywhere, whatever the number of ranks.

use std::ops::Range;

use super::support::{THREADS, blocks, kernel};
use crate::driver::Collective;
use crate::launch::args;
use crate::memory::COMMON;
use crate::nccl::{Room, Sums, Team};
use crate::{Cuda, Kind, Matrix};

/// Most bytes of a bucket, but for what makes its parts equal.
const BUCKET: usize = 64 << 20;

/// Bytes of so many numbers.
const fn bytes(count: usize) -> usize {
    count * size_of::<f32>()
}

/// What of lists of so many numbers, laid one behind the other, lies in a bucket: number of the list, first element of it,
/// place in the bucket, elements.
fn in_bucket(lengths: &[usize], bucket: Range<usize>) -> Vec<(usize, usize, usize, usize)> {
    let mut first = 0;
    let overlap = |(i, len): (usize, &usize)| {
        let (start, end) = (first.max(bucket.start), (first + len).min(bucket.end));
        let found = (start < end).then(|| (i, start - first, start - bucket.start, end - start));
        first += len;
        found
    };
    lengths.iter().enumerate().filter_map(overlap).collect()
}

impl Cuda {
    /// Rank and number of ranks: `(0, 1)` where there are no others.
    pub fn place(&self) -> (usize, usize) {
        self.team.as_ref().map_or((0, 1), |team| (team.rank, team.world))
    }

    /// [`ebt_core::compute::Backend::sum_ranks`], in single precision; it cannot be part of a recorded step.
    pub(crate) fn sum_ranks(&self, list: &mut [&mut Matrix]) {
        let Some(team) = &self.team else { return };
        list.iter_mut().for_each(|m| self.writable(m));
        let lengths: Vec<usize> = list.iter().map(|m| m.len()).collect();
        let total: usize = lengths.iter().sum();
        let most = total.min(BUCKET / size_of::<f32>());
        let Some((bucket, parts)) = self.room(team, most) else { return };
        let mut start = 0;
        while start < total {
            let end = (start + most).min(total);
            let runs = in_bucket(&lengths, start..end);
            for &(i, first, at, count) in &runs {
                self.copy_numbers(list[i].address() + bytes(first) as u64, bucket + bytes(at) as u64, count);
            }
            self.add_bucket(team, bucket, parts, end - start);
            for &(i, first, at, count) in &runs {
                self.copy_numbers(bucket + bytes(at) as u64, list[i].address() + bytes(first) as u64, count);
            }
            start = end;
        }
    }

    /// Replaces the `count` numbers of a bucket by their sums.
    fn add_bucket(&self, team: &Team, bucket: u64, parts: u64, count: usize) {
        if team.sums == Sums::Fast {
            return self.collective(Collective::Sum { at: bucket, count });
        }
        let part = team.part(count);
        let padding = bytes(part * team.world - count);
        if padding > 0 && self.is_sound() {
            self.check(self.driver.fill(bucket + bytes(count) as u64, padding, 0));
        }
        self.collective(Collective::Exchange { from: bucket, to: parts, part });
        let own = bucket + bytes(team.rank * part) as u64;
        let args = args![own, parts, part as u64, self.size(team.world), u32::from(true)];
        self.launch(kernel("ranks", "add_ranks", Kind::F32), blocks(2 * part), THREADS, 0, args);
        self.collective(Collective::Gather { from: own, to: bucket, part });
    }

    /// Addresses of a bucket of at least `count` numbers and of as much room for parts; none after a failure.
    fn room(&self, team: &Team, count: usize) -> Option<(u64, u64)> {
        let room = &mut *team.room.borrow_mut();
        if room.count < count && self.is_sound() {
            *room = Room::default();
            let arena = self.pool.enter(COMMON);
            let size = bytes(team.part(count) * team.world);
            room.bucket = self.memory(size);
            room.parts = if team.sums == Sums::Fixed { self.memory(size) } else { room.bucket.clone() };
            room.count = count;
            self.pool.enter(arena);
        }
        if !self.is_sound() {
            return None;
        }
        Some((room.bucket.as_ref()?.address(), room.parts.as_ref()?.address()))
    }

    fn copy_numbers(&self, from: u64, to: u64, count: usize) {
        if self.is_sound() {
            self.check(self.driver.copy(from, to, bytes(count)));
        }
    }

    fn collective(&self, work: Collective) {
        if self.is_sound() {
            self.check(self.driver.collective(work));
        }
    }

    /// [`ebt_core::compute::Backend::sum_count`], exact; the own number after a failure.
    pub(crate) fn sum_count(&self, count: u64) -> u64 {
        let Some(team) = &self.team else { return count };
        let own = self.index(&[count as u32, (count >> 32) as u32]);
        let all = self.take_index(2 * team.world);
        // two words take the place of two numbers; nothing is computed with them
        self.collective(Collective::Gather { from: own.address(), to: all.address(), part: 2 });
        let mut words = vec![0; 2 * team.world];
        self.download_index(&all, &mut words);
        if team.planned {
            return count.saturating_mul(team.world as u64);
        }
        if !self.is_sound() {
            return count;
        }
        words.chunks_exact(2).map(|word| u64::from(word[0]) | u64::from(word[1]) << 32).fold(0, u64::wrapping_add)
    }

    /// Replaces every matrix, which becomes single precision, by that of rank 0; all ranks call it with matrices of the same
    /// shapes. Nothing to do where there is one rank.
    pub fn broadcast(&self, list: &mut [&mut Matrix]) {
        if self.team.is_none() {
            return;
        }
        for m in list {
            self.writable(m);
            self.collective(Collective::Broadcast { at: m.address(), bytes: m.bytes() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Precision;
    use proptest::prelude::*;

    proptest! {
        /// Every number lies in one bucket, in order.
        #[test]
        fn buckets_hold_everything_once(lengths in prop::collection::vec(0..20_usize, 0..8), most in 1..12_usize) {
            let total: usize = lengths.iter().sum();
            let mut met = Vec::new();
            for start in (0..total).step_by(most) {
                let mut place = 0;
                for (i, first, at, count) in in_bucket(&lengths, start..(start + most).min(total)) {
                    prop_assert_eq!(at, place);
                    place += count;
                    met.extend((first..first + count).map(|j| (i, j)));
                }
            }
            let all = lengths.iter().enumerate().flat_map(|(i, len)| (0..*len).map(move |j| (i, j)));
            prop_assert!(met.into_iter().eq(all));
        }
    }

    /// The plan counts the buckets, once, and no more than what is summed needs.
    #[test]
    fn buckets_are_memory() {
        let taken = |world, sums, count| {
            let cuda = Cuda::dry_with_ranks(Precision::Bf16, world, sums);
            let (mut a, mut b) = (cuda.upload(1, count, &vec![1.0; count]), cuda.upload(1, 3, &[1.0; 3]));
            let before = cuda.memory_report();
            for _ in 0..3 {
                cuda.sum_ranks(&mut [&mut a, &mut b]);
            }
            let after = cuda.memory_report();
            assert!(after.allocations - before.allocations <= 2);
            assert_eq!(cuda.status(), Ok(()));
            after.used - before.used
        };
        assert_eq!(taken(4, Sums::Fixed, 4093), 2 * 16_384);
        assert_eq!(taken(4, Sums::Fast, 4093), 16_384);
        assert_eq!(taken(2, Sums::Fixed, 20 << 20), 2 * BUCKET);
    }
}
