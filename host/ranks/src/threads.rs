//! Ranks that are threads of one process: what many ranks compute can be tested anywhere.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::{panic, thread};

use crate::collective::{Collective, Lost};
use crate::place::{Place, check_parts};
use crate::sum::Scratch;

/// Runs `work` on so many ranks at once, and returns what each returned, in the order of ranks.
///
/// A rank that returns or panics while others still wait for it does not stop them: they get [`Lost`].
///
/// # Panics
///
/// If a rank panicked, with the panic of the first one that did.
pub fn threads<R: Send>(world: usize, work: impl Fn(ThreadRank) -> R + Sync) -> Vec<R> {
    let shared = Arc::new(Shared::default());
    lock(&shared.board).slots.resize(world, Vec::new());
    let rank =
        |rank| ThreadRank { place: Place { rank, world }, shared: Arc::clone(&shared), scratch: Scratch::default() };
    let mut results: Vec<_> = thread::scope(|scope| {
        let work = &work;
        let started: Vec<_> = (0..world).map(rank).map(|rank| scope.spawn(move || work(rank))).collect();
        started.into_iter().map(thread::ScopedJoinHandle::join).collect()
    });
    let first = lock(&shared.board).lost.as_ref().map(|(rank, _)| *rank);
    if let Some(first) = first.filter(|rank| results[*rank].is_err()) {
        results.swap(0, first);
    }
    results.into_iter().map(|result| result.unwrap_or_else(|panic| panic::resume_unwind(panic))).collect()
}

/// One of the ranks that [`threads`] runs. Dropped, it takes part no more.
#[derive(Debug)]
pub struct ThreadRank {
    place: Place,
    shared: Arc<Shared>,
    scratch: Scratch,
}

/// What the threads share.
#[derive(Debug, Default)]
struct Shared {
    board: Mutex<Board>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct Board {
    /// What each rank has laid down for the others.
    slots: Vec<Vec<u8>>,
    /// Ranks that wait for the others to arrive.
    waiting: usize,
    /// How often all have arrived.
    turn: usize,
    /// The first rank that is gone, and why.
    lost: Option<(usize, Lost)>,
}

/// Nothing that is held can be half written, so a panic of its holder spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ThreadRank {
    /// Waits for all others.
    fn meet(&self) -> Result<(), Lost> {
        let mut board = lock(&self.shared.board);
        let turn = board.turn;
        board.waiting += 1;
        if board.waiting == self.place.world && board.lost.is_none() {
            (board.waiting, board.turn) = (0, turn + 1);
            self.shared.moved.notify_all();
        }
        while board.turn == turn {
            if let Some((_, lost)) = &board.lost {
                return Err(lost.clone());
            }
            board = self.shared.moved.wait(board).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Lays something down, and reads what all have laid down. Others may lay down the next thing once all have read.
    fn share(&self, mine: &[u8], read: impl FnOnce(&[Vec<u8>])) -> Result<(), Lost> {
        let slot = |board: &mut Board| {
            board.slots[self.place.rank].clear();
            board.slots[self.place.rank].extend_from_slice(mine);
        };
        slot(&mut lock(&self.shared.board));
        self.meet()?;
        read(&lock(&self.shared.board).slots);
        self.meet()
    }

    /// Says that this rank is gone.
    fn leave(&self, why: &str) {
        let lost = Lost(format!("rank {} {why}", self.place.rank));
        lock(&self.shared.board).lost.get_or_insert((self.place.rank, lost));
        self.shared.moved.notify_all();
    }
}

impl Collective for ThreadRank {
    fn place(&self) -> Place {
        self.place
    }

    fn exchange(&self, send: &[u8], into: &mut [u8]) -> Result<(), Lost> {
        check_parts(self.place, into.len(), None);
        check_parts(self.place, send.len(), Some(into.len() / self.place.world));
        let part = send.len() / self.place.world;
        self.share(send, |slots| {
            for (rank, slot) in slots.iter().enumerate() {
                into[rank * part..][..part].copy_from_slice(&slot[self.place.rank * part..][..part]);
            }
        })
    }

    fn gather(&self, mine: &[u8], all: &mut [u8]) -> Result<(), Lost> {
        check_parts(self.place, all.len(), Some(mine.len()));
        self.share(mine, |slots| {
            for (rank, slot) in slots.iter().enumerate() {
                all[rank * mine.len()..][..mine.len()].copy_from_slice(slot);
            }
        })
    }

    fn broadcast(&self, bytes: &mut [u8]) -> Result<(), Lost> {
        let mine = if self.place.is_first() { bytes.to_vec() } else { Vec::new() };
        self.share(&mine, |slots| bytes.copy_from_slice(&slots[0]))
    }

    /// From the first rank to the last, which is another order than that of the tree, as it is elsewhere.
    fn all_reduce(&self, values: &mut [f32]) -> Result<(), Lost> {
        let mine = bytemuck::cast_slice(values).to_vec();
        self.share(&mine, |slots| {
            values.fill(0.0);
            for slot in slots {
                let others = slot.chunks_exact(size_of::<f32>()).map(bytemuck::pod_read_unaligned::<f32>);
                values.iter_mut().zip(others).for_each(|(sum, value)| *sum += value);
            }
        })
    }

    fn abandon(&self, why: &str) {
        self.leave(&format!("gave up: {why}"));
    }

    fn scratch(&self) -> &Scratch {
        &self.scratch
    }
}

impl Drop for ThreadRank {
    fn drop(&mut self) {
        self.leave(if thread::panicking() { "panicked" } else { "ended" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_what_was_sent() {
        for world in 1..9 {
            let all = threads(world, |rank| {
                let own = rank.place().rank as u8;
                let send: Vec<u8> = (0..world as u8).flat_map(|to| [own, to]).collect();
                let (mut into, mut all, mut word) = (vec![0; 2 * world], vec![0; 3 * world], [own; 2]);
                rank.exchange(&send, &mut into).unwrap();
                rank.gather(&[own; 3], &mut all).unwrap();
                rank.broadcast(&mut word).unwrap();
                rank.exchange(&[], &mut []).unwrap();
                let mut values = [f32::from(own), 1.0];
                rank.all_reduce(&mut values).unwrap();
                (into, all, word, values)
            });
            for (rank, (into, all, word, values)) in all.into_iter().enumerate() {
                assert_eq!(into, (0..world as u8).flat_map(|from| [from, rank as u8]).collect::<Vec<_>>());
                assert_eq!(all, (0..world as u8).flat_map(|from| [from; 3]).collect::<Vec<_>>());
                assert_eq!(word, [0; 2]);
                assert_eq!(values, [(world * (world - 1) / 2) as f32, world as f32]);
            }
        }
    }

    #[test]
    fn a_rank_that_is_gone_stops_no_other() {
        let ended = threads(3, |rank| if rank.place().rank == 1 { Ok(()) } else { rank.broadcast(&mut [0]) });
        let lost = Err(Lost("rank 1 ended".to_owned()));
        assert_eq!(ended, [lost.clone(), Ok(()), lost]);
        let gave_up = threads(2, |rank| {
            if rank.place().is_first() {
                rank.abandon("the disk is full");
            }
            rank.sum(&mut [&mut [1.0]])
        });
        assert!(gave_up.iter().all(|lost| lost.as_ref().unwrap_err().0 == "rank 0 gave up: the disk is full"));
        // the panic of the first is the one that is seen, not that of those who unwrap what follows from it
        let panic = panic::catch_unwind(|| {
            threads(3, |rank| {
                assert_ne!(rank.place().rank, 2, "this one");
                rank.gather(&[0], &mut [0; 3]).expect("that one");
            })
        });
        let text = panic.unwrap_err().downcast::<String>().unwrap();
        assert!(text.contains("this one"), "{text}");
    }
}
