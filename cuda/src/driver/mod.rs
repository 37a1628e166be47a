//! What the backend asks of a device. [`dry`] answers without one: it counts memory and does nothing.

pub(crate) mod dry;
#[cfg(test)]
pub(crate) mod memory;
pub(crate) mod real;

use std::fmt::Debug;

use ebt_core::compute::Layout;

use crate::kind::Kind;
use crate::launch::{Arg, Kernel};

/// A matrix product `c (m,n) = alpha op(a) op(b) (+ c)`, row-major; `layout` as in [`Layout`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Product {
    pub(crate) layout: Layout,
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
    pub(crate) a: Operand,
    pub(crate) b: Operand,
    pub(crate) c: Operand,
    pub(crate) alpha: f32,
    /// Adds to `c` instead of replacing it.
    pub(crate) accumulate: bool,
    /// Full single precision even where the backend's precision is TF32.
    pub(crate) exact: bool,
}

/// Workspace of products for a compute capability: what cublasLt's documentation advises.
pub(crate) fn product_workspace(capability: (u32, u32)) -> usize {
    if capability.0 >= 9 { 64 << 20 } else { 32 << 20 }
}

/// A matrix in device memory; `stride` is the distance of its rows in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operand {
    pub(crate) address: u64,
    pub(crate) kind: Kind,
    pub(crate) stride: usize,
}

/// Work that all ranks do together, each with sizes equal to those of the others. Parts are of single-precision numbers; a
/// matrix of parts has one of every rank, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Collective {
    /// Part `r` of `from` goes to rank `r`, and part `r` of `to` comes from it; the two do not overlap.
    Exchange { from: u64, to: u64, part: usize },
    /// The part at `from` goes to all; part `r` of `to` comes from rank `r`. `from` may be this rank's part of `to`.
    Gather { from: u64, to: u64, part: usize },
    /// The numbers at `at` become their sum over all ranks, in no order that is promised.
    Sum { at: u64, count: usize },
    /// The bytes at `at` become those of rank 0.
    Broadcast { at: u64, bytes: usize },
}

/// A recorded sequence of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct GraphId(pub(crate) u32);

/// One device and one stream of work on it. All calls but [`Driver::download`] and [`Driver::synchronize`] return
/// before the work is done; errors are sentences.
pub(crate) trait Driver: Debug {
    /// Takes device memory of `bytes` bytes; its address.
    fn allocate(&self, bytes: usize) -> Result<u64, String>;
    /// Gives memory of [`Driver::allocate`] back.
    fn release(&self, address: u64, bytes: usize);
    /// Copies to the device; `data` may be reused at once.
    fn upload(&self, to: u64, data: &[u8]) -> Result<(), String>;
    /// Waits for all work and copies to the host.
    fn download(&self, from: u64, data: &mut [u8]) -> Result<(), String>;
    /// Copies on the device; the ranges do not overlap.
    fn copy(&self, from: u64, to: u64, bytes: usize) -> Result<(), String>;
    /// Sets every one of `bytes` bytes from `at` on to `value`.
    fn fill(&self, at: u64, bytes: usize, value: u8) -> Result<(), String>;
    /// Starts a kernel on `grid` blocks of `threads` threads with `shared` bytes of dynamic shared memory each; `args` are
    /// its parameters in order.
    fn launch(
        &self,
        kernel: &Kernel,
        grid: [u32; 3],
        threads: u32,
        shared: usize,
        args: &[Arg<'_>],
    ) -> Result<(), String>;
    /// Starts a matrix product.
    fn product(&self, product: &Product) -> Result<(), String>;
    /// Starts work of all ranks; a device without other ranks has none to do. It cannot be recorded.
    fn collective(&self, _work: Collective) -> Result<(), String> {
        Ok(())
    }
    /// Waits for all work; the error is that of any work before.
    fn synchronize(&self) -> Result<(), String>;
    /// From now on work is recorded instead of done. What cannot be recorded (memory, uploads, anything that waits) is
    /// an error until the recording ends.
    fn begin_capture(&self) -> Result<(), String>;
    /// Ends the recording. After an error there is none, and work is done again.
    fn end_capture(&self) -> Result<GraphId, String>;
    /// Ends the recording and drops it; work is done again.
    fn abandon_capture(&self);
    /// Starts the recorded work once more.
    fn replay(&self, graph: GraphId) -> Result<(), String>;
    /// Frees a recording.
    fn forget(&self, graph: GraphId);
    /// Name of the device for reports.
    fn name(&self) -> &str;
    /// Number of streaming multiprocessors.
    fn processors(&self) -> usize;
    /// Most dynamic shared memory of a block, in bytes.
    fn shared_memory(&self) -> usize;
    /// Compute capability, major and minor.
    fn capability(&self) -> (u32, u32);
    /// Bytes of memory that products want to work in.
    fn workspace(&self) -> usize;
    /// Memory for products to work in, kept until the driver ends.
    fn set_workspace(&self, address: u64, bytes: usize);
    /// Bytes of device memory free now, and in all.
    fn memory(&self) -> Result<(usize, usize), String>;
}
