//! Exchanges of small values over the control channel, where no MPI joins processes: GPUs exchange gradients by themselves,
//! and what is left are losses, fingerprints and a checkpoint at the start.

use std::rc::Rc;

use super::Control;
use crate::Lost;
use crate::collective::Collective;
use crate::place::{Place, check_parts};
use crate::sum::Scratch;

/// Bytes that a rank says at once.
const PIECE: usize = 1 << 20;

/// The ranks of a control channel.
#[derive(Debug)]
pub struct Values {
    control: Rc<Control>,
    scratch: Scratch,
}

impl Values {
    /// Those of this channel.
    pub fn new(control: Rc<Control>) -> Self {
        Self { control, scratch: Scratch::default() }
    }

    fn wrong_length() -> Lost {
        Lost(String::from("values of all ranks have different lengths"))
    }
}

impl Collective for Values {
    fn place(&self) -> Place {
        self.control.place()
    }

    fn exchange(&self, send: &[u8], into: &mut [u8]) -> Result<(), Lost> {
        let Place { rank, world } = self.place();
        check_parts(self.place(), into.len(), None);
        check_parts(self.place(), send.len(), Some(into.len() / world));
        let part = send.len() / world;
        let mut all = vec![0; send.len() * world];
        self.gather(send, &mut all)?;
        for (from, sent) in all.chunks_exact(send.len().max(1)).enumerate() {
            into[from * part..][..part].copy_from_slice(&sent[rank * part..][..part]);
        }
        Ok(())
    }

    fn gather(&self, mine: &[u8], all: &mut [u8]) -> Result<(), Lost> {
        check_parts(self.place(), all.len(), Some(mine.len()));
        let piece = (PIECE / self.place().world).max(1);
        for (i, part) in mine.chunks(piece).enumerate() {
            let found = self.control.gather("values", part)?;
            for (rank, found) in found.iter().enumerate() {
                let at = rank * mine.len() + i * piece;
                let place = all.get_mut(at..at + part.len()).filter(|place| place.len() == found.len());
                place.ok_or_else(Self::wrong_length)?.copy_from_slice(found);
            }
        }
        Ok(())
    }

    fn broadcast(&self, bytes: &mut [u8]) -> Result<(), Lost> {
        for part in bytes.chunks_mut(PIECE) {
            let mine = if self.place().is_first() { part.to_vec() } else { Vec::new() };
            let found = self.control.broadcast("values of rank 0", mine)?;
            if found.len() != part.len() {
                return Err(Self::wrong_length());
            }
            part.copy_from_slice(&found);
        }
        Ok(())
    }

    fn all_reduce(&self, values: &mut [f32]) -> Result<(), Lost> {
        self.sum(&mut [values])
    }

    fn abandon(&self, why: &str) {
        self.control.last_words(why);
    }

    fn scratch(&self) -> &Scratch {
        &self.scratch
    }
}
