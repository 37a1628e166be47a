//! A device that does nothing: addresses are counted out, work is forgotten, downloads are zero. A training step on it
//! takes exactly the memory that it takes on a real device, which is how `host plan` knows. It also keeps books on what
//! it was asked to do, see [`crate::estimate`].

use std::cell::{Cell, RefCell};

use ebt_core::compute::Scope;

use super::{Driver, GraphId, Product, product_workspace};
use crate::estimate::Launch;
use crate::launch::{Arg, Kernel};

/// See the module text.
#[derive(Debug)]
pub(crate) struct Dry {
    next: Cell<u64>,
    scope: Cell<Scope>,
    work: RefCell<Vec<Launch>>,
    /// What came before a recording that goes on, put aside.
    aside: RefCell<Vec<Launch>>,
    graphs: RefCell<Vec<Vec<Launch>>>,
}

impl Dry {
    pub(crate) fn new() -> Self {
        Self {
            next: Cell::new(1 << 20),
            scope: Cell::new(Scope::Other),
            work: RefCell::default(),
            aside: RefCell::default(),
            graphs: RefCell::default(),
        }
    }

    fn book(&self, name: String, operations: f64, bytes: usize) {
        self.work.borrow_mut().push(Launch { scope: self.scope.get(), name, operations, bytes });
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
    fn copy(&self, _from: u64, _to: u64, bytes: usize) -> Result<(), String> {
        self.book("copy".to_owned(), 0.0, 2 * bytes);
        Ok(())
    }
    fn fill(&self, _at: u64, bytes: usize, _value: u8) -> Result<(), String> {
        self.book("fill".to_owned(), 0.0, bytes);
        Ok(())
    }
    fn launch(&self, kernel: &Kernel, _: [u32; 3], _: u32, _: usize, args: &[Arg<'_>]) -> Result<(), String> {
        let name = format!("{}/{}", kernel.family, kernel.name);
        self.book(name, 0.0, args.iter().map(Arg::bytes).sum());
        Ok(())
    }
    fn product(&self, product: &Product) -> Result<(), String> {
        let &Product { layout, m, n, k, a, b, c, accumulate, .. } = product;
        let operations = 2.0 * m as f64 * n as f64 * k as f64;
        let passes = if accumulate { 2 } else { 1 };
        let bytes = m * k * a.kind.bytes() + k * n * b.kind.bytes() + passes * m * n * c.kind.bytes();
        let name = format!("product {layout:?} {m} x {n} x {k}{}", if accumulate { " +" } else { "" });
        self.book(name, operations, bytes);
        Ok(())
    }
    fn synchronize(&self) -> Result<(), String> {
        Ok(())
    }
    fn begin_capture(&self) -> Result<(), String> {
        *self.aside.borrow_mut() = self.work.take();
        Ok(())
    }
    fn end_capture(&self) -> Result<GraphId, String> {
        let mut graphs = self.graphs.borrow_mut();
        graphs.push(self.work.replace(self.aside.take()));
        u32::try_from(graphs.len() - 1).map(GraphId).map_err(|e| e.to_string())
    }
    fn abandon_capture(&self) {
        *self.work.borrow_mut() = self.aside.take();
    }
    fn replay(&self, graph: GraphId) -> Result<(), String> {
        let graphs = self.graphs.borrow();
        let recorded = graphs.get(graph.0 as usize).ok_or("no such recording")?;
        self.work.borrow_mut().extend_from_slice(recorded);
        Ok(())
    }
    fn forget(&self, graph: GraphId) {
        if let Some(recorded) = self.graphs.borrow_mut().get_mut(graph.0 as usize) {
            recorded.clear();
        }
    }
    fn enter(&self, scope: Scope) {
        self.scope.set(scope);
    }
    fn work(&self) -> Vec<Launch> {
        self.work.take()
    }
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
