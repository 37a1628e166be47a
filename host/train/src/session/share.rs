//! What the ranks of a session tell each other, beside the sums of a step.

use std::path::Path;

use anyhow::{Result, bail};
use ebt_core::checksum::crc32;
use ebt_core::descent::replay_buffer::{ReplayBuffer, ReplayEntry};
use ebt_ranks::{Collective, Place};

use crate::checkpoint::State;
use crate::task::Task;

/// The number of the first rank.
pub fn first(ranks: &dyn Collective, mine: u64) -> Result<u64> {
    let mut bytes = mine.to_le_bytes();
    ranks.broadcast(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// Refuses what is not the same number on all ranks. The message names the first rank that differs.
fn same(ranks: &dyn Collective, what: &str, mine: u64) -> Result<()> {
    let all = ranks.numbers(mine)?;
    if let Some(other) = all.iter().position(|x| *x != all[0]) {
        bail!("rank {other} has {what} than rank 0");
    }
    Ok(())
}

/// Refuses data that are not the same on all ranks.
pub fn same_data(ranks: &dyn Collective, task: &Task) -> Result<()> {
    if ranks.place().world == 1 {
        return Ok(());
    }
    let prints = task.fingerprints();
    same(ranks, "another tokenizer (`data.tokenizer`)", prints.tokenizer)?;
    same(ranks, "other training text (`data.train`)", prints.train)?;
    same(ranks, "other validation text (`data.validation`)", prints.validation)
}

/// Refuses weights that are not the same on all ranks: a machine that computes wrongly.
pub fn same_weights(ranks: &dyn Collective, weights: &[Vec<f32>]) -> Result<()> {
    if ranks.place().world == 1 {
        return Ok(());
    }
    let sums = weights.iter().map(|list| crc32(&list.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>()));
    let sums: Vec<u8> = sums.flat_map(u32::to_le_bytes).collect();
    same(ranks, "other weights after the same steps", u64::from(crc32(&sums)))
}

/// The state of the first rank, which may be none.
pub fn state(ranks: &dyn Collective, mine: Option<State>) -> Result<Option<State>> {
    let Place { rank, world } = ranks.place();
    if world == 1 {
        return Ok(mine);
    }
    let mut bytes = Vec::new();
    if let Some(state) = mine.as_ref().filter(|_| rank == 0) {
        state.write(&mut bytes)?;
    }
    let length = first(ranks, bytes.len() as u64)?;
    if length == 0 {
        return Ok(None);
    }
    bytes.resize(usize::try_from(length)?, 0);
    ranks.broadcast(&mut bytes)?;
    if rank == 0 { Ok(mine) } else { State::from_bytes(Path::new("the state of rank 0"), bytes).map(Some) }
}

/// The replay buffers of the lanes of all ranks, joined; on ranks behind the first an empty one. Lanes remember equally many
/// sequences of equal length.
pub fn replay(ranks: &dyn Collective, mine: &[ReplayBuffer]) -> Result<ReplayBuffer> {
    let Place { rank, world } = ranks.place();
    if world == 1 {
        return Ok(ReplayBuffer::join(mine));
    }
    let room = mine.first().map_or(0, ReplayBuffer::capacity);
    let mut joined = vec![ReplayBuffer::new(room); if rank == 0 { mine.len() * world } else { 0 }];
    let mut bytes = Vec::new();
    for (lane, buffer) in mine.iter().enumerate() {
        for entry in (0..buffer.len()).filter_map(|slot| buffer.get(slot)) {
            let packed = pack(entry);
            bytes.resize(packed.len() * world, 0);
            ranks.gather(&packed, &mut bytes)?;
            if rank == 0 {
                for (from, packed) in bytes.chunks_exact(packed.len()).enumerate() {
                    joined[from * mine.len() + lane].insert((0, 0, 0), 0, unpack(packed, entry.tokens.len()));
                }
            }
        }
    }
    Ok(ReplayBuffer::join(&joined))
}

/// A remembered sequence as bytes, as many for every sequence of its length.
fn pack(entry: &ReplayEntry) -> Vec<u8> {
    let words = |list: &[u32]| list.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let starts = if entry.starts.is_empty() { vec![u32::MAX; entry.tokens.len()] } else { entry.starts.clone() };
    let state = entry.state.iter().flat_map(|x| x.to_le_bytes());
    [&entry.tokens, &entry.targets, &starts].into_iter().flat_map(|list| words(list)).chain(state).collect()
}

/// The remembered sequence of `length` positions of [`pack`].
fn unpack(bytes: &[u8], length: usize) -> ReplayEntry {
    let mut words = bytes.as_chunks().0.iter().map(|&word| u32::from_le_bytes(word));
    let [tokens, targets, starts] = [(); 3].map(|()| words.by_ref().take(length).collect::<Vec<_>>());
    let starts = if starts.first() == Some(&u32::MAX) { Vec::new() } else { starts };
    ReplayEntry { tokens, targets, starts, state: words.map(f32::from_bits).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_joined_in_their_order() {
        let entry = |lane: u32, slot: u32| ReplayEntry {
            tokens: vec![lane, slot],
            targets: vec![u32::MAX, lane],
            starts: if slot == 0 { Vec::new() } else { vec![0, 1] },
            state: vec![lane as f32, -0.0, f32::from_bits(slot), 1.5],
        };
        let lane = |lane: u32| {
            let mut buffer = ReplayBuffer::new(3);
            (0..2).for_each(|slot| buffer.insert((0, 0, 0), 0, entry(lane, slot)));
            buffer
        };
        let lanes: Vec<ReplayBuffer> = (0..4).map(lane).collect();
        for world in [1, 2, 4] {
            let found = ebt_ranks::threads(world, |rank| {
                let own = 4 / world * rank.place().rank..4 / world * (rank.place().rank + 1);
                replay(&rank, &lanes[own]).unwrap()
            });
            assert_eq!(found[0], ReplayBuffer::join(&lanes), "{world}");
        }
        assert_eq!(ReplayBuffer::join(&lanes).split(4).unwrap(), lanes);
        assert_eq!(ReplayBuffer::join(&lanes).split(3), None);
    }

    #[test]
    fn the_rank_that_differs_is_named() {
        let found = ebt_ranks::threads(3, |rank| same(&rank, "other text", u64::from(rank.place().rank == 2)));
        for error in found {
            assert_eq!(error.unwrap_err().to_string(), "rank 2 has other text than rank 0");
        }
    }
}
