//! What ranks say to each other in step, whatever carries it.

use std::error::Error;
use std::fmt;

use crate::place::Place;
use crate::sum::{self, Scratch};

/// The others are not to be reached any more: a rank ended, gave up, or the library that carries messages failed. The text
/// is a sentence that says so. Nothing can be exchanged afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost(pub String);

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Lost {}

/// Exchange between ranks, from and to the memory of the host.
///
/// All ranks call the same functions with the same lengths in the same order, each from the thread that made the value. After
/// an error nothing more can be exchanged: say why by [`abandon`](Self::abandon), and end. Nor after [`finish`](Self::finish).
///
/// # Errors
///
/// Every function that exchanges something fails if a rank was lost; what was to be filled then holds anything.
///
/// # Panics
///
/// If a length is not what the function asks for.
pub trait Collective: fmt::Debug {
    /// Which rank this is.
    fn place(&self) -> Place;

    /// All to all: part `r` of `send` goes to rank `r`, and what rank `r` sent here is part `r` of `into`. Both have the
    /// same length, a multiple of the number of ranks.
    fn exchange(&self, send: &[u8], into: &mut [u8]) -> Result<(), Lost>;

    /// All have what each brings: `mine` of rank `r` is part `r` of `all`, whose length is that of `mine` times the number
    /// of ranks.
    fn gather(&self, mine: &[u8], all: &mut [u8]) -> Result<(), Lost>;

    /// All have the bytes of rank 0.
    fn broadcast(&self, bytes: &mut [u8]) -> Result<(), Lost>;

    /// All have the sum over ranks, in the order of whatever carries it: the same bits everywhere, others for other layouts.
    fn all_reduce(&self, values: &mut [f32]) -> Result<(), Lost>;

    /// The others do not wait for this rank any longer. Where ranks are processes this one may end here.
    fn abandon(&self, why: &str);

    /// All is well, and this was the last exchange. Waits for the others where what carries exchanges asks for it.
    fn finish(&self) -> Result<(), Lost> {
        Ok(())
    }

    /// Buffers of [`sum`](Self::sum).
    fn scratch(&self) -> &Scratch;

    /// The number of every rank, in their order.
    fn numbers(&self, mine: u64) -> Result<Vec<u64>, Lost> {
        let mut all = vec![0; size_of::<u64>() * self.place().world];
        self.gather(&mine.to_le_bytes(), &mut all)?;
        Ok(all.as_chunks().0.iter().map(|&word| u64::from_le_bytes(word)).collect())
    }

    /// All have the sums over ranks of each value of the lists, in the order of the [`tree`](crate::tree). The lists have
    /// any lengths, the same on all ranks. Nothing is allocated after the first call with the most values.
    fn sum(&self, lists: &mut [&mut [f32]]) -> Result<(), Lost> {
        let exchange = |send: &[u8], into: &mut [u8]| self.exchange(send, into);
        let gather = |mine: &[u8], all: &mut [u8]| self.gather(mine, all);
        sum::in_buckets(self.place(), self.scratch(), lists, sum::BUCKET, exchange, gather)
    }

    /// The same in double precision.
    fn sum_f64(&self, lists: &mut [&mut [f64]]) -> Result<(), Lost> {
        let exchange = |send: &[u8], into: &mut [u8]| self.exchange(send, into);
        let gather = |mine: &[u8], all: &mut [u8]| self.gather(mine, all);
        sum::in_buckets(self.place(), self.scratch(), lists, sum::BUCKET, exchange, gather)
    }
}
