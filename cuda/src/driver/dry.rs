//! A device that does nothing: addresses are counted out, work is forgotten, downloads are zero. A training step on it
//! takes exactly the memory that it takes on a real device, which is how `ebt plan` knows.

use std::cell::Cell;

use super::{Driver, GraphId, Product, product_workspace};
use crate::launch::{Arg, Kernel};

/// See the module text.
#[derive(Debug)]
pub(crate) struct Dry {
    next: Cell<u64>,
    graphs: Cell<u32>,
}

impl Dry {
    pub(crate) fn new() -> Self {
        Self { next: Cell::new(1 << 20), graphs: Cell::new(0) }
    }
}

impl Driver for Dry {
    fn allocate(&self, bytes: usize) -> Result<u64, String> {
        let address = self.next.get();
        let next = address.checked_add(bytes as u64).ok_or_else(|| String::from("more memory than has addresses"))?;
        self.next.set(next);
        Ok(address)
    }
    fn release(&self, _address: u64, _bytes: usize) {}
    fn upload(&self, _to: u64, _data: &[u8]) -> Result<(), String> {
        Ok(())
    }
    fn download(&self, _from: u64, data: &mut [u8]) -> Result<(), String> {
        data.fill(0);
        Ok(())
    }
    fn copy(&self, _from: u64, _to: u64, _bytes: usize) -> Result<(), String> {
        Ok(())
    }
    fn fill(&self, _at: u64, _bytes: usize, _value: u8) -> Result<(), String> {
        Ok(())
    }
    fn launch(&self, _: &Kernel, _: [u32; 3], _: u32, _: usize, _: &[Arg<'_>]) -> Result<(), String> {
        Ok(())
    }
    fn product(&self, _: &Product) -> Result<(), String> {
        Ok(())
    }
    fn synchronize(&self) -> Result<(), String> {
        Ok(())
    }
    fn begin_capture(&self) -> Result<(), String> {
        Ok(())
    }
    fn end_capture(&self) -> Result<GraphId, String> {
        let graph = self.graphs.get();
        self.graphs.set(graph.saturating_add(1));
        Ok(GraphId(graph))
    }
    fn abandon_capture(&self) {}
    fn replay(&self, _: GraphId) -> Result<(), String> {
        Ok(())
    }
    fn forget(&self, _: GraphId) {}
    fn name(&self) -> &str {
        "no device"
    }
    fn processors(&self) -> usize {
        132
    }
    fn shared_memory(&self) -> usize {
        232_448
    }
    fn capability(&self) -> (u32, u32) {
        (9, 0)
    }
    fn workspace(&self) -> usize {
        product_workspace(self.capability())
    }
    fn set_workspace(&self, _address: u64, _bytes: usize) {}
    fn memory(&self) -> Result<(usize, usize), String> {
        Ok((usize::MAX, usize::MAX))
    }
}
