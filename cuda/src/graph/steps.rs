//! What is kept of the steps that were run.

use crate::driver::GraphId;
use crate::memory::NarrowCopyLog;

/// Recorded steps, the last used at the end.
#[derive(Debug, Default)]
pub(crate) struct Graphs {
    pub(super) entries: Vec<Entry>,
    /// Whether work of [`crate::Cuda::run_captured`] runs now.
    pub(super) running: bool,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: Vec<u64>,
    pub(super) arena: u32,
    pub(super) state: State,
    pub(super) replays: u64,
    pub(super) note: Option<String>,
}

#[derive(Debug)]
pub(super) enum State {
    /// Has run this many times as it is.
    Warm {
        tries: u32,
    },
    Recorded(GraphId, NarrowCopyLog),
    /// Cannot be recorded, see the note.
    Unrecorded,
}

/// A kept step, for reports.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct StepReport {
    /// The key that [`crate::Cuda::run_captured`] was called with.
    pub key: Vec<u64>,
    /// Whether the step is recorded, so that a call replays it.
    pub recorded: bool,
    /// Times it was replayed.
    pub replays: u64,
    /// Why it was not recorded when it last could have been.
    pub note: Option<String>,
}
