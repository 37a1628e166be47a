//! What a training step takes from the host, at fixed places on the device.

use alloc::vec::Vec;
use core::fmt;

use super::device_sequences::DeviceSequences;
use super::report::ReportLayout;
use crate::compute::Backend;
use crate::loss_scale::Scaling;

/// What a step takes from the host; the arrays stay where they are from step to step.
pub(super) struct Inputs<B: Backend> {
    /// The sequences of every micro-batch.
    pub(super) sequences: Vec<DeviceSequences<B>>,
    /// Numbers of the update `(1,5)`, see [`Backend::update`].
    pub(super) device_scalars: B::Array,
    /// Weight of a position in the loss `(1,1)`.
    pub(super) weight: B::Array,
    /// Loss scales, where the backend's numbers need them.
    pub(super) scaling: Option<Scaling<B::Array>>,
    /// Above 0 where this rank wishes to stop `(1,1)`.
    pub(super) stop: B::Array,
    /// Where the report is gathered `(1, columns)`.
    pub(super) report: B::Array,
    /// What lies where in it.
    pub(super) report_layout: ReportLayout,
}

impl<B: Backend> fmt::Debug for Inputs<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inputs").field("micro_batches", &self.sequences.len()).finish_non_exhaustive()
    }
}
