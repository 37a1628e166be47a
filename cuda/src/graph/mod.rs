//! Steps that are recorded once and replayed: one launch instead of thousands.
//!
//! [`Cuda::run_captured`] runs a piece of work under a key. The first time it is run as it is, in an arena of its own: kernels
//! are compiled, products choose their algorithms, the arena fills. The second time it is recorded; its temporaries come
//! from the same arena, so nothing is allocated and no one else is ever given the memory that replays write. From then
//! on the recording is replayed and the host code of the work does not run.
//!
//! A recording holds addresses. Work therefore keeps what outlives it (parameters, moments, inputs) in matrices that
//! were made before, lives as long as the key is used, and is written in place ([`Cuda::write`] and friends, between
//! calls). A recording that fails changed nothing on the device and is followed by the work run as it is; it is
//! attempted again twice at later calls, with the memory that it lacked: results of the run before may still be alive
//! when a recording takes its own.

mod steps;

use ebt_core::error::Error;

pub(crate) use steps::Graphs;
pub use steps::StepReport;
use steps::{Entry, State};

use crate::Cuda;
use crate::driver::GraphId;
use crate::memory::NarrowCopyLog;

/// Recorded steps kept at a time.
const MOST_KEPT: usize = 4;

/// Recordings attempted for a key before it is run as it is for good.
const MOST_TRIES: u32 = 3;

impl Cuda {
    /// Runs `work`, or replays what it did before under the same key; see the module text for what work may do.
    ///
    /// # Errors
    ///
    /// What `work` returns, and the first failure of the device.
    pub fn run_captured(&self, key: &[u64], work: &mut dyn FnMut() -> Result<(), Error>) -> Result<(), Error> {
        self.status()?;
        if !self.graphs_on || self.graphs.borrow().running {
            return work().and_then(|()| self.status());
        }
        let mut entry = self.kept(key);
        let running = Running::begin(self);
        let result = self.run(&mut entry, work);
        drop(running);
        self.graphs.borrow_mut().entries.push(entry);
        result
    }

    /// Takes the step of a key out of the list, or makes it, forgetting the one not used for longest.
    fn kept(&self, key: &[u64]) -> Entry {
        let mut graphs = self.graphs.borrow_mut();
        if let Some(at) = graphs.entries.iter().position(|entry| entry.key == key) {
            return graphs.entries.remove(at);
        }
        if graphs.entries.len() >= MOST_KEPT {
            let oldest = graphs.entries.remove(0);
            self.forget(oldest);
        }
        let arena = self.pool.new_arena();
        Entry { key: key.to_vec(), arena, state: State::Warm { tries: 0 }, replays: 0, note: None }
    }

    fn forget(&self, entry: Entry) {
        if let State::Recorded(graph, _) = entry.state {
            self.driver.forget(graph);
        }
        self.pool.dissolve(entry.arena);
    }

    /// Forgets all recorded steps; their memory is free for anything.
    pub fn forget_steps(&self) {
        if self.is_recording() {
            return;
        }
        let entries = std::mem::take(&mut self.graphs.borrow_mut().entries);
        entries.into_iter().for_each(|entry| self.forget(entry));
    }

    /// The kept steps, the last used at the end.
    pub fn steps(&self) -> Vec<StepReport> {
        let graphs = self.graphs.borrow();
        let report = |entry: &Entry| StepReport {
            key: entry.key.clone(),
            recorded: matches!(entry.state, State::Recorded(..)),
            replays: entry.replays,
            note: entry.note.clone(),
        };
        graphs.entries.iter().map(report).collect()
    }

    fn run(&self, entry: &mut Entry, work: &mut dyn FnMut() -> Result<(), Error>) -> Result<(), Error> {
        if let State::Recorded(graph, log) = &entry.state {
            self.before_replay(log);
            self.check(self.driver.replay(*graph));
            self.after_replay(log);
            entry.replays += 1;
            return self.status();
        }
        if let State::Warm { tries } = entry.state
            && tries > 0
        {
            match self.record(entry.arena, work) {
                Ok((graph, log)) => {
                    self.before_replay(&log);
                    self.check(self.driver.replay(graph));
                    self.after_replay(&log);
                    entry.state = State::Recorded(graph, log);
                    entry.note = None;
                    return self.status();
                }
                Err(why) => entry.note = Some(why),
            }
        }
        entry.state = match entry.state {
            State::Warm { tries } if tries < MOST_TRIES => State::Warm { tries: tries + 1 },
            _ => State::Unrecorded,
        };
        let entered = Entered::begin(self, entry.arena);
        let result = work();
        drop(entered);
        result.and_then(|()| self.status())
    }

    /// Records `work`. An error is a reason to run it as it is: the device has done nothing, and no failure is kept.
    fn record(
        &self,
        arena: u32,
        work: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<(GraphId, NarrowCopyLog), String> {
        let mut recording = Recording::begin(self, arena)?;
        let done = work();
        let mut log = self.narrow_copy_log.borrow_mut().take().unwrap_or_default();
        let graph = match done.err().or_else(|| self.failure.borrow_mut().take()) {
            Some(error) => {
                // a failure of the device itself comes back when the work is run as it is
                self.failure.borrow_mut().take();
                Err(error.to_string())
            }
            None => recording.end(),
        };
        drop(recording);
        log.close();
        if graph.is_err() {
            log.spoil();
            // without memory for it, the next recording fails as this one did
            let _ = self.pool.provide(arena);
        }
        graph.map(|graph| (graph, log))
    }
}

/// While this lives, work of [`Cuda::run_captured`] runs. What it and the guards below change is restored when they end, also
/// by a panic of the work.
struct Running<'a>(&'a Cuda);

impl<'a> Running<'a> {
    fn begin(cuda: &'a Cuda) -> Self {
        cuda.graphs.borrow_mut().running = true;
        Self(cuda)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.graphs.borrow_mut().running = false;
    }
}

/// While this lives, memory comes from an arena.
struct Entered<'a> {
    cuda: &'a Cuda,
    before: u32,
}

impl<'a> Entered<'a> {
    fn begin(cuda: &'a Cuda, arena: u32) -> Self {
        Self { cuda, before: cuda.pool.enter(arena) }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.cuda.pool.enter(self.before);
    }
}

/// While this lives, work is recorded instead of done.
struct Recording<'a> {
    entered: Entered<'a>,
    open: bool,
}

impl<'a> Recording<'a> {
    fn begin(cuda: &'a Cuda, arena: u32) -> Result<Self, String> {
        cuda.driver.begin_capture()?;
        cuda.pool.freeze(true);
        cuda.recording.set(true);
        *cuda.narrow_copy_log.borrow_mut() = Some(NarrowCopyLog::default());
        Ok(Self { entered: Entered::begin(cuda, arena), open: true })
    }

    fn end(&mut self) -> Result<GraphId, String> {
        self.open = false;
        self.entered.cuda.driver.end_capture()
    }
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        let cuda = self.entered.cuda;
        if self.open {
            cuda.driver.abandon_capture();
        }
        if let Some(log) = cuda.narrow_copy_log.borrow_mut().take() {
            log.spoil();
        }
        cuda.recording.set(false);
        cuda.pool.freeze(false);
    }
}

#[cfg(test)]
mod tests;
