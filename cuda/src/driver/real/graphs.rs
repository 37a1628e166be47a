//! Recordings of the stream.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use cudarc::driver::result::{graph, stream};
use cudarc::driver::sys;

use super::context::Context;
use crate::driver::GraphId;
use crate::toolchain::device::words;

/// A recording that can be replayed.
#[derive(Debug)]
struct Recording {
    context: Rc<Context>,
    executable: sys::CUgraphExec,
}

impl Drop for Recording {
    fn drop(&mut self) {
        // a replay may still run
        if self.context.synchronize().is_ok() {
            // SAFETY: instantiated once, destroyed once
            let _ = unsafe { graph::exec_destroy(self.executable) };
        }
    }
}

/// The recordings of one stream that can be replayed, by an id that is never given out twice.
#[derive(Debug)]
pub(super) struct Recordings {
    context: Rc<Context>,
    list: RefCell<HashMap<u32, Recording>>,
    next: Cell<u32>,
    /// Whether a recording is being made.
    recording: Cell<bool>,
}

impl Recordings {
    pub(super) fn new(context: &Rc<Context>) -> Self {
        Self { context: context.clone(), list: RefCell::default(), next: Cell::new(0), recording: Cell::new(false) }
    }

    /// Whether a recording is being made.
    pub(super) fn is_recording(&self) -> bool {
        self.recording.get()
    }

    pub(super) fn begin(&self) -> Result<(), String> {
        if self.is_recording() {
            return Err(String::from("a recording is being made already"));
        }
        self.context.bind()?;
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the stream exists
        unsafe { stream::begin_capture(self.context.stream, mode) }
            .map_err(|e| words("the stream does not record", e))?;
        self.recording.set(true);
        Ok(())
    }

    fn finish(&self) -> Result<sys::CUgraph, String> {
        if !self.recording.replace(false) {
            return Err(String::from("no recording is being made"));
        }
        self.context.bind()?;
        // SAFETY: the stream exists; whatever this returns, the stream works again
        let graph = unsafe { stream::end_capture(self.context.stream) }
            .map_err(|e| words("the recording was broken off by something that cannot be recorded", e))?;
        if graph.is_null() {
            return Err(String::from("the recording was broken off by something that cannot be recorded"));
        }
        Ok(graph)
    }

    pub(super) fn end(&self) -> Result<GraphId, String> {
        let graph = self.finish()?;
        // SAFETY: the graph exists and is not needed after this
        let executable = unsafe {
            let executable = graph::instantiate(graph, sys::CUgraphInstantiate_flags(0));
            let _ = graph::destroy(graph);
            executable
        }
        .map_err(|e| words("the recording cannot be made ready", e))?;
        let id = self.next.get();
        self.next.set(id + 1);
        let recording = Recording { context: self.context.clone(), executable };
        self.list.borrow_mut().insert(id, recording);
        Ok(GraphId(id))
    }

    pub(super) fn abandon(&self) {
        if let Ok(graph) = self.finish() {
            // SAFETY: the graph exists and is not needed after this
            let _ = unsafe { graph::destroy(graph) };
        }
    }

    pub(super) fn replay(&self, id: GraphId) -> Result<(), String> {
        self.context.bind()?;
        let list = self.list.borrow();
        let recording = list.get(&id.0).ok_or("the recording was forgotten")?;
        // SAFETY: the executable lives in the list; its memory by the contract of `Cuda::run_captured`
        unsafe { graph::launch(recording.executable, self.context.stream) }
            .map_err(|e| words("the recorded step does not start", e))
    }

    pub(super) fn forget(&self, id: GraphId) {
        self.list.borrow_mut().remove(&id.0);
    }
}
