//! A device in host memory for tests of what is above the driver. It records and replays, refuses while recording what
//! a GPU refuses, and knows one kernel: `add(float* x, u32 count, const float* y)`, `x += y[0]`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use super::{Driver, GraphId, Product};
use crate::launch::{Arg, Kernel};

#[derive(Clone, Debug)]
enum Operation {
    Copy(u64, u64, usize),
    Fill(u64, usize, u8),
    Add(u64, usize, u64),
}

/// See the module text.
#[derive(Debug, Default)]
pub(crate) struct HostMemory {
    blocks: RefCell<BTreeMap<u64, Vec<u8>>>,
    recording: RefCell<Option<Vec<Operation>>>,
    graphs: RefCell<Vec<Option<Vec<Operation>>>>,
    /// Kernels and copies done, replayed ones too.
    pub(crate) done: Cell<usize>,
    /// Recordings are refused at their end.
    pub(crate) breaks_recordings: Cell<bool>,
}

impl HostMemory {
    /// Recordings that are not forgotten.
    pub(crate) fn kept(&self) -> usize {
        self.graphs.borrow().iter().flatten().count()
    }

    fn outside(&self) -> Result<(), String> {
        match *self.recording.borrow() {
            Some(_) => Err(String::from("not while recording")),
            None => Ok(()),
        }
    }

    fn bytes(&self, at: u64, count: usize) -> Result<Vec<u8>, String> {
        let blocks = self.blocks.borrow();
        let (start, block) = blocks.range(..=at).next_back().ok_or("no memory")?;
        let from = usize::try_from(at - start).map_err(|e| e.to_string())?;
        block.get(from..from + count).map(<[u8]>::to_vec).ok_or_else(|| String::from("out of bounds"))
    }

    fn write(&self, at: u64, data: &[u8]) -> Result<(), String> {
        let mut blocks = self.blocks.borrow_mut();
        let (start, block) = blocks.range_mut(..=at).next_back().ok_or("no memory")?;
        let from = usize::try_from(at - start).map_err(|e| e.to_string())?;
        block.get_mut(from..from + data.len()).ok_or("out of bounds")?.copy_from_slice(data);
        Ok(())
    }

    fn float(&self, at: u64) -> Result<f32, String> {
        let bytes = self.bytes(at, 4)?;
        Ok(f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn submit(&self, work: Operation) -> Result<(), String> {
        if let Some(list) = self.recording.borrow_mut().as_mut() {
            list.push(work);
            return Ok(());
        }
        self.perform(&work)
    }

    fn perform(&self, work: &Operation) -> Result<(), String> {
        match work {
            Operation::Copy(from, to, bytes) => {
                self.done.set(self.done.get() + 1);
                self.write(*to, &self.bytes(*from, *bytes)?)
            }
            Operation::Fill(at, bytes, value) => self.write(*at, &vec![*value; *bytes]),
            Operation::Add(x, count, y) => {
                self.done.set(self.done.get() + 1);
                let y = self.float(*y)?;
                for i in 0..*count as u64 {
                    self.write(x + 4 * i, &(self.float(x + 4 * i)? + y).to_le_bytes())?;
                }
                Ok(())
            }
        }
    }
}

impl Driver for HostMemory {
    fn allocate(&self, bytes: usize) -> Result<u64, String> {
        self.outside()?;
        let mut blocks = self.blocks.borrow_mut();
        let end = blocks.last_key_value().map_or(4096, |(start, block)| start + block.len() as u64);
        // a gap, so that an access beyond a block is seen
        let address = (end + 4096).next_multiple_of(512);
        blocks.insert(address, vec![0xAA; bytes]);
        Ok(address)
    }
    fn release(&self, address: u64, _bytes: usize) {
        self.blocks.borrow_mut().remove(&address);
    }
    fn upload(&self, to: u64, data: &[u8]) -> Result<(), String> {
        self.outside()?;
        self.write(to, data)
    }
    fn download(&self, from: u64, data: &mut [u8]) -> Result<(), String> {
        self.outside()?;
        data.copy_from_slice(&self.bytes(from, data.len())?);
        Ok(())
    }
    fn copy(&self, from: u64, to: u64, bytes: usize) -> Result<(), String> {
        self.submit(Operation::Copy(from, to, bytes))
    }
    fn fill(&self, at: u64, bytes: usize, value: u8) -> Result<(), String> {
        self.submit(Operation::Fill(at, bytes, value))
    }
    fn launch(&self, kernel: &Kernel, _: [u32; 3], _: u32, _: usize, args: &[Arg<'_>]) -> Result<(), String> {
        match (kernel.name, args) {
            ("add", &[Arg::Word(x), Arg::Word(count), Arg::Word(y)]) => {
                self.submit(Operation::Add(x, count as usize, y))
            }
            // what operations start by themselves is of no interest here
            _ if kernel.family != "test" => Ok(()),
            _ => Err(format!("no kernel {}", kernel.name)),
        }
    }
    fn product(&self, _product: &Product) -> Result<(), String> {
        Ok(())
    }
    fn synchronize(&self) -> Result<(), String> {
        self.outside()
    }
    fn begin_capture(&self) -> Result<(), String> {
        self.outside()?;
        *self.recording.borrow_mut() = Some(Vec::new());
        Ok(())
    }
    fn end_capture(&self) -> Result<GraphId, String> {
        let work = self.recording.borrow_mut().take().ok_or("nothing is recorded")?;
        if self.breaks_recordings.get() {
            return Err(String::from("broken off"));
        }
        let mut graphs = self.graphs.borrow_mut();
        graphs.push(Some(work));
        Ok(GraphId(u32::try_from(graphs.len() - 1).map_err(|e| e.to_string())?))
    }
    fn abandon_capture(&self) {
        self.recording.borrow_mut().take();
    }
    fn replay(&self, graph: GraphId) -> Result<(), String> {
        let work = self.graphs.borrow()[graph.0 as usize].clone().ok_or("forgotten")?;
        work.iter().try_for_each(|work| self.perform(work))
    }
    fn forget(&self, graph: GraphId) {
        self.graphs.borrow_mut()[graph.0 as usize] = None;
    }
    fn name(&self) -> &str {
        "host memory"
    }
    fn processors(&self) -> usize {
        1
    }
    fn shared_memory(&self) -> usize {
        48 << 10
    }
    fn capability(&self) -> (u32, u32) {
        (8, 0)
    }
    fn workspace(&self) -> usize {
        0
    }
    fn set_workspace(&self, _address: u64, _bytes: usize) {}
    fn memory(&self) -> Result<(usize, usize), String> {
        Ok((0, 0))
    }
}
