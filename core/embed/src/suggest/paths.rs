//! Paths of tokens: those that are open, the most promising first, and the tree of those that were followed.

use core::mem::swap;

use super::mass::{load, store};

/// Words of an open path.
pub(super) const OPEN: usize = 6;
/// Words of a followed path.
pub(super) const FOLLOWED: usize = 2;
/// The number of the path of no token.
pub(super) const ROOT: u32 = u32::MAX;

/// A path that was not followed yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    /// What it promises: paths are followed in this order.
    pub promise: f64,
    /// Its probability.
    pub mass: f64,
    /// Its last token.
    pub token: u32,
    /// The followed path before that token, or [`ROOT`].
    pub before: u32,
}

/// Open and followed paths.
#[derive(Debug)]
pub(super) struct Paths<'s> {
    open: &'s mut [[u32; OPEN]],
    opened: usize,
    /// Token, and the path before it.
    followed: &'s mut [[u32; FOLLOWED]],
    count: usize,
}

impl Path {
    fn load([a, b, c, d, token, before]: [u32; OPEN]) -> Self {
        Self { promise: load([a, b]), mass: load([c, d]), token, before }
    }

    fn store(&self) -> [u32; OPEN] {
        let ([a, b], [c, d]) = (store(self.promise), store(self.mass));
        [a, b, c, d, self.token, self.before]
    }
}

impl<'s> Paths<'s> {
    pub fn new(open: &'s mut [u32], followed: &'s mut [u32]) -> Self {
        Self { open: open.as_chunks_mut().0, opened: 0, followed: followed.as_chunks_mut().0, count: 0 }
    }

    /// Adds an open path behind those that promise as much; of too many those that promise least are lost.
    pub fn add(&mut self, path: Path) {
        let promises = |record: &[u32; OPEN]| Path::load(*record).promise >= path.promise;
        let at = self.open.get(..self.opened).unwrap_or_default().partition_point(promises);
        if at == self.open.len() {
            return;
        }
        self.opened = self.opened.saturating_add(1).min(self.open.len());
        let mut carried = path.store();
        let moved = self.open.get_mut(at..self.opened).unwrap_or_default();
        moved.iter_mut().for_each(|place| swap(place, &mut carried));
    }

    /// The most promising path.
    pub fn first(&self) -> Option<Path> {
        self.open.get(..self.opened)?.first().map(|record| Path::load(*record))
    }

    /// Takes the most promising path to follow it: its number. None where no more may be followed.
    pub fn follow(&mut self) -> Option<u32> {
        let path = self.first()?;
        *self.followed.get_mut(self.count)? = [path.token, path.before];
        let mut carried = [0; OPEN];
        self.open.get_mut(..self.opened)?.iter_mut().rev().for_each(|place| swap(place, &mut carried));
        self.opened = self.opened.saturating_sub(1);
        self.count = self.count.saturating_add(1);
        u32::try_from(self.count.saturating_sub(1)).ok()
    }

    /// The tokens of a followed path, from its end.
    pub fn backwards(&self, path: u32) -> impl Iterator<Item = u32> + '_ {
        let record = |number: u32| self.followed.get(..self.count)?.get(number as usize);
        core::iter::successors(record(path), move |[_, before]| record(*before)).map(|[token, _]| *token)
    }
}
