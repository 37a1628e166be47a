//! The only rank.

use crate::Lost;
use crate::collective::Collective;
use crate::place::{Place, check_parts};
use crate::sum::Scratch;

/// A rank without others: what it says it hears itself.
#[derive(Debug, Default)]
pub struct Alone(Scratch);

impl Collective for Alone {
    fn place(&self) -> Place {
        Place::ALONE
    }

    fn exchange(&self, send: &[u8], into: &mut [u8]) -> Result<(), Lost> {
        self.gather(send, into)
    }

    fn gather(&self, mine: &[u8], all: &mut [u8]) -> Result<(), Lost> {
        check_parts(Place::ALONE, all.len(), Some(mine.len()));
        all.copy_from_slice(mine);
        Ok(())
    }

    fn broadcast(&self, _: &mut [u8]) -> Result<(), Lost> {
        Ok(())
    }

    fn all_reduce(&self, _: &mut [f32]) -> Result<(), Lost> {
        Ok(())
    }

    fn abandon(&self, _: &str) {}

    fn scratch(&self) -> &Scratch {
        &self.0
    }
}
