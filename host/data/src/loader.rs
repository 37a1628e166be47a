//! Gathering batches ahead of training, on a thread of its own.

use std::ops::Range;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Builder, JoinHandle};

use anyhow::{Context, Result, bail};
use ebt_core::training::Sequences;

use super::BatchSource;

/// Batches that wait for training, at most: while one is computed, the next is ready and one more is gathered.
pub const DEPTH: usize = 2;

/// The batches of a range of steps, in order, each gathered before it is asked for. What they hold does not depend on
/// the depth. A failure is delivered at the step whose batch it belongs to. Dropping it stops the thread.
#[derive(Debug)]
pub struct Loader {
    batches: Option<Receiver<Result<Sequences>>>,
    thread: Option<JoinHandle<()>>,
    next: u64,
    end: u64,
}

impl Loader {
    /// Starts gathering the batches of `steps`; at most `depth` wait, beside the one being gathered.
    ///
    /// # Errors
    ///
    /// The system has no thread left.
    pub fn new(batches: impl BatchSource, steps: Range<u64>, depth: usize) -> Result<Self> {
        let (sender, receiver) = sync_channel(depth);
        let Range { start, end } = steps;
        let gather = move || {
            for k in start..end {
                let batch = batches.get(k);
                let failed = batch.is_err();
                if sender.send(batch).is_err() || failed {
                    return;
                }
            }
        };
        let thread = Builder::new().name(String::from("batches")).spawn(gather);
        let thread = thread.context("cannot start the thread that gathers batches")?;
        Ok(Self { batches: Some(receiver), thread: Some(thread), next: start, end })
    }

    /// The next batch.
    ///
    /// # Errors
    ///
    /// What gathering it met; that all batches were handed out.
    pub fn next_batch(&mut self) -> Result<Sequences> {
        let step = self.next;
        if step >= self.end {
            bail!("the batches end with step {}", self.end);
        }
        let received = self.batches.as_ref().and_then(|batches| batches.recv().ok());
        let Some(batch) = received else {
            bail!("the thread that gathers batches ended before that of step {step}{}", self.said())
        };
        self.next += 1;
        batch.with_context(|| format!("cannot gather the batch of step {step}"))
    }
}

impl Loader {
    /// What the thread said when it panicked.
    fn said(&mut self) -> String {
        let cause = self.thread.take().and_then(|thread| thread.join().err());
        let said = cause.as_ref().and_then(|cause| {
            cause.downcast_ref::<String>().map(String::as_str).or_else(|| cause.downcast_ref::<&str>().copied())
        });
        said.map_or_else(String::new, |said| format!(": {said}"))
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        // a thread that waits to deliver sees that nobody listens
        drop(self.batches.take());
        if let Some(thread) = self.thread.take() {
            // a panic there was reported by `next_batch`, and must not become one here
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Batches;
    use crate::batches::BatchOptions;
    use crate::tests::{damaged, stream};

    fn batches() -> Batches {
        Batches::new(&stream(&[30, 41, 7]), BatchOptions { batch: 3, context: 8, seed: 5, ..BatchOptions::default() })
    }

    #[test]
    fn batches_do_not_depend_on_the_depth() {
        let direct: Vec<Sequences> = (4..20).map(|k| batches().get(k).unwrap()).collect();
        for depth in [0, 1, 2, 7, 100] {
            let mut loader = Loader::new(batches(), 4..20, depth).unwrap();
            let loaded: Vec<Sequences> = (4..20).map(|_| loader.next_batch().unwrap()).collect();
            assert_eq!(loaded, direct, "{depth}");
            assert!(loader.next_batch().unwrap_err().to_string().contains("end with step 20"));
        }
    }

    #[test]
    fn a_loader_can_be_dropped_at_any_time() {
        for taken in 0..4 {
            let mut loader = Loader::new(batches(), 0..u64::MAX, 2).unwrap();
            (0..taken).for_each(|_| drop(loader.next_batch().unwrap()));
        }
    }

    #[test]
    fn a_failure_comes_with_its_step() {
        let tokens = damaged(&[30, 41, 7]);
        let options = BatchOptions { context: 8, seed: 5, ..BatchOptions::default() };
        let b = Batches::new(&tokens, options);
        let bad = (0..b.blocks()).find(|&k| b.get(k).is_err()).unwrap();
        let mut loader = Loader::new(b, 0..100, 2).unwrap();
        (0..bad).for_each(|_| drop(loader.next_batch().unwrap()));
        let message = format!("{:#}", loader.next_batch().unwrap_err());
        assert!(message.contains(&format!("step {bad}:")) && message.contains("outside the vocabulary"), "{message}");
        assert!(loader.next_batch().unwrap_err().to_string().contains("ended"));
    }
}
