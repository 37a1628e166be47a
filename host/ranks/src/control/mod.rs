//! The control channel: every rank has a connection to rank 0. Over it they find each other, tell small values by name, and
//! learn at once when one of them ends.
//!
//! A process that ends closes its connection, which rank 0 notices in milliseconds; a machine or a link that is gone is
//! silent, which is noticed after [`World::timeout`]. Rank 0 tells the others, and each calls what it was given for this
//! case, on a thread of the channel: the rank's own threads may wait in a library for somebody who will never come.
//!
//! Messages are not encrypted. The network is one that is trusted, as it must be for MPI and NCCL.

mod meet;
mod values;
mod watch;
mod wire;

use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

pub use self::meet::{check_address, listen, machine, own_address};
pub use self::values::Values;
pub use self::watch::OnLoss;
use self::watch::Shared;
pub use self::wire::Peer;
use self::wire::{Hello, Message, put, take};
use crate::{Lost, Place, World};

/// How much later than others a connection may be noticed to have ended.
const MOMENT: Duration = Duration::from_millis(500);

/// The connection of this rank to the others. A rank ends by [`finish`](Self::finish) or by
/// [`last_words`](Self::last_words); if it ends otherwise, all others are told that they lost it.
#[derive(Debug)]
pub struct Control {
    place: Place,
    shared: Arc<Shared>,
}

impl Control {
    /// There are no others.
    pub fn alone() -> Self {
        let me = Peer { rank: 0, host: machine(), pid: std::process::id() };
        Self { place: Place::ALONE, shared: Shared::new(me, Vec::new(), Box::new(|_| {})) }
    }

    /// Listens, as rank 0, or goes where it listens, and returns when all are there. `listener` is rank 0's; the others go
    /// to `address` and `port`. `version` is that of the program, which must be the same everywhere.
    ///
    /// # Errors
    ///
    /// Somebody does not come within four times the timeout of the world, or does not fit; a sentence says who and why.
    pub fn start(
        world: &World,
        (address, port): (&str, u16),
        listener: Option<TcpListener>,
        version: &str,
        on_loss: OnLoss,
    ) -> Result<Self> {
        let peer = Peer { rank: world.place.rank, host: machine(), pid: std::process::id() };
        let secret = world.secret.clone().unwrap_or_default();
        let hello = Hello { secret, version: version.to_owned(), world: world.place.world, peer };
        let patience = world.timeout * 4;
        let links = match &listener {
            Some(listener) => meet::gather(listener, &hello, patience)?,
            None => vec![meet::join(address, port, &hello, patience)?],
        };
        let shared = Shared::new(hello.peer, links, on_loss);
        shared.watch(world.timeout).context("the other ranks cannot be watched")?;
        Ok(Self { place: world.place, shared })
    }

    /// Which rank this is.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The bytes of rank 0, on all ranks; those that others bring do not count. `name` says what they are, at most some 16
    /// million of them.
    ///
    /// # Errors
    ///
    /// A rank is lost, or another value is exchanged elsewhere at this place.
    pub fn broadcast(&self, name: &str, bytes: Vec<u8>) -> Result<Vec<u8>, Lost> {
        if !self.place.is_first() {
            return self.shared.receive(0, name);
        }
        (0..self.place.world - 1).try_for_each(|link| self.shared.send(link, name, &bytes))?;
        Ok(bytes)
    }

    /// What each rank brings, on all ranks, in their order; nobody goes on before all have come.
    ///
    /// # Errors
    ///
    /// As for [`broadcast`](Self::broadcast).
    pub fn gather(&self, name: &str, mine: &[u8]) -> Result<Vec<Vec<u8>>, Lost> {
        let mut all = Vec::new();
        if self.place.is_first() {
            put(&mut all, mine);
            for link in 0..self.place.world - 1 {
                put(&mut all, &self.shared.receive(link, name)?);
            }
        } else {
            self.shared.send(0, name, mine)?;
        }
        let all = self.broadcast(name, all)?;
        let mut rest = &*all;
        let parts: Vec<_> = std::iter::from_fn(|| take(&mut rest).map(<[u8]>::to_vec)).collect();
        if parts.len() == self.place.world {
            Ok(parts)
        } else {
            Err(Lost(format!("`{name}` of all ranks came in pieces")))
        }
    }

    /// What all are doing from now on, in the words of a sentence about who ends meanwhile: `step 1207`.
    pub fn during(&self, what: &str) {
        self.shared.during(what);
    }

    /// Who was lost, if somebody was. Costs next to nothing.
    pub fn lost(&self) -> Option<Lost> {
        self.shared.lost()
    }

    /// [`Control::lost`] after an error of what carries exchanges, which may be quicker to fail than the system is to say who
    /// ended: waits a moment for that.
    pub fn lost_by_now(&self) -> Option<Lost> {
        self.shared.lost_within(MOMENT)
    }

    /// [`Control::lost`] for other threads, in words.
    pub fn watch(&self) -> Arc<dyn Fn() -> Option<String> + Send + Sync> {
        let shared = Arc::clone(&self.shared);
        Arc::new(move || shared.lost().map(|lost| lost.0))
    }

    /// Tells all that this rank ends, and that all is well.
    pub fn finish(&self) {
        self.shared.close(&Message::Leave);
    }

    /// Tells all why this rank ends. They end too; what is said afterwards is not heard.
    pub fn last_words(&self, why: &str) {
        self.shared.close(&Message::LastWords(why.to_owned()));
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let why = if thread::panicking() { "a panic, which is an error of the program" } else { "it ended early" };
        self.last_words(why);
    }
}

#[cfg(test)]
mod tests;
