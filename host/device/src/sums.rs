//! Sums over ranks, timed.

use std::time::Instant;

use anyhow::Result;
use ebt_core::compute::Backend;

use crate::device::{BackendTask, Device};
use crate::ranks::Ranks;

/// Sums of one size in both orders.
#[derive(Clone, Debug, PartialEq)]
pub struct Turns {
    /// Seconds of each sum in the order of the canonical tree, of the slowest rank.
    pub tree: Vec<f64>,
    /// Seconds of each sum as MPI or NCCL finds fastest, of the slowest rank.
    pub fast: Vec<f64>,
}

impl Device {
    /// Times sums of so many values in single precision over ranks, those of the tree in turns with the engine's own, each
    /// `repeat` times after one that does not count; and names the device. All ranks call it and have the same times.
    ///
    /// # Errors
    ///
    /// A device that cannot be opened, and a rank that is lost.
    pub fn time_sums(&self, ranks: &Ranks, sizes: &[usize], repeat: usize) -> Result<(Vec<Turns>, String)> {
        let tree = Ranks { fast: false, ..ranks.clone() };
        self.with_ranks(&tree, WithTree { device: self, ranks, sizes, repeat })
    }
}

#[derive(Clone, Copy)]
struct WithTree<'a> {
    device: &'a Device,
    ranks: &'a Ranks,
    sizes: &'a [usize],
    repeat: usize,
}

impl BackendTask for WithTree<'_> {
    type Output = (Vec<Turns>, String);

    fn run<B: Backend>(self, tree: &B) -> Result<Self::Output> {
        let fast = Ranks { fast: true, ..self.ranks.clone() };
        self.device.with_ranks(&fast, WithBoth { tree, of: self })
    }
}

struct WithBoth<'a, B> {
    tree: &'a B,
    of: WithTree<'a>,
}

impl<B: Backend> BackendTask for WithBoth<'_, B> {
    type Output = (Vec<Turns>, String);

    fn run<F: Backend>(self, fast: &F) -> Result<Self::Output> {
        let WithTree { ranks, sizes, repeat, .. } = self.of;
        let of_size = |&count: &usize| {
            let mut own = ([self.tree.fill(1, count, 0.0)], [fast.fill(1, count, 0.0)]);
            let (mut a, mut b) = (Vec::new(), Vec::new());
            for _ in 0..=repeat {
                a.push(ranks.timed(self.tree, &mut own.0)?);
                b.push(ranks.timed(fast, &mut own.1)?);
            }
            Ok(Turns { tree: ranks.most(&a[1..])?, fast: ranks.most(&b[1..])? })
        };
        Ok((sizes.iter().map(of_size).collect::<Result<_>>()?, fast.name().to_owned()))
    }
}

impl Ranks {
    /// Seconds of a sum of these matrices over ranks, which begin it together.
    ///
    /// # Errors
    ///
    /// A rank that is lost.
    pub(crate) fn timed<B: Backend>(&self, b: &B, list: &mut [B::Array]) -> Result<f64> {
        wait(b, list);
        self.most(&[0.0])?;
        let start = Instant::now();
        b.sum_ranks(&mut list.iter_mut().collect::<Vec<_>>());
        wait(b, list);
        b.status()?;
        Ok(start.elapsed().as_secs_f64())
    }
}

/// Until the device has done all; copying one number back waits for that.
fn wait<B: Backend>(b: &B, list: &[B::Array]) {
    if let Some(last) = list.last() {
        b.download(&b.slice_columns(&b.slice_rows(last, 0, 1), 0, 1), &mut [0.0]);
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn both_orders_are_timed_alike_on_all_ranks() {
        let times = ebt_ranks::threads(2, |rank| {
            let (patience, lost) = (Duration::from_secs(10), Arc::new(|| None));
            let ranks = Ranks { collective: Rc::new(rank), fast: false, patience, lost };
            Device::Cpu { threads: 1, mixed: false }.time_sums(&ranks, &[5, 1000], 3).unwrap()
        });
        let (turns, name) = &times[0];
        assert_eq!(times[0], times[1]);
        assert!(name.starts_with("cpu f32") && turns.len() == 2);
        assert!(turns.iter().all(|t| t.tree.len() == 3 && t.fast.iter().chain(&t.tree).all(|s| *s > 0.0)), "{turns:?}");
    }
}
