//! CUDA backend: [`ebt_core::compute::Compute`] and [`ebt_core::compute::Backend`] on an NVIDIA GPU.
//!
//! Storage: activations in the *stream* type of the [`Precision`], everything that is summed or kept (row statistics,
//! gradients, parameters, logits) in single precision; see [`Kind`]. Work is ordered on one stream and nothing
//! waits for the host, so a training step can be recorded once and replayed ([`Cuda::run_captured`]).
//!
//! Several processes, each with a GPU of its own, train together by [`Cuda::with_ranks`]: NCCL carries what they add.
//!
//! Nothing of NVIDIA's is linked: [`probe`] says what a machine has, [`Cuda::new`] what it lacks. The environment can
//! name folders to look for libraries in first (`EBT_CUDA_LIBS`), NCCL's file (`EBT_NCCL_LIB`), the folder of compiled
//! kernels (`EBT_CACHE_DIR`), and have every kernel waited for, so that an error names the one that made it
//! (`EBT_CUDA_SYNC=1`).

mod backend;
mod compute;
mod driver;
mod graph;
mod kind;
mod launch;
mod memory;
mod nccl;
mod op;
mod options;
mod toolchain;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use ebt_core::error::Error;

use driver::Driver;
use graph::Graphs;
pub use graph::StepReport;
pub use kind::Kind;
use launch::{Arg, Kernel};
use memory::{Block, NarrowCopy, NarrowCopyLog, Pool};
pub use memory::{Index, Matrix, MemoryReport};
use nccl::Team;
pub use nccl::{Lost, MOST_RANKS, Ranks, Sums, UniqueId, nccl, shared_device};
pub use options::{Options, Precision};
pub use toolchain::{
    DeviceReport, Found, KernelReport, Library, ProbeReport, Problem, compile_report, device_uuid, probe,
};

/// One GPU as a compute and training backend: a stream of work, a pool of memory, and the first failure, after which
/// nothing more is done.
#[derive(Debug)]
pub struct Cuda {
    driver: Rc<dyn Driver>,
    pool: Rc<Pool>,
    precision: Precision,
    name: String,
    poison: bool,
    failure: RefCell<Option<Error>>,
    /// Step of random numbers, see [`Cuda::clock`].
    clock: Index,
    /// Memory that products work in; the driver holds its address.
    _workspace: Option<Rc<Block>>,
    graphs_on: bool,
    graphs: RefCell<Graphs>,
    /// Whether work is recorded instead of done.
    recording: Cell<bool>,
    narrow_copy_log: RefCell<Option<NarrowCopyLog>>,
    /// The ranks that this one adds with.
    team: Option<Team>,
}

impl Cuda {
    /// A backend on the GPU that the options name.
    ///
    /// # Errors
    ///
    /// A sentence that says what is missing and how to get it.
    pub fn new(options: &Options) -> Result<Self, String> {
        Self::open(options, None)
    }

    /// A backend on the GPU that the options name, which adds with other ranks ([`Backend::sum_ranks`]); it waits until all
    /// of them are there. A process that is alone needs no ranks and uses [`Cuda::new`].
    ///
    /// Wherever the host waits it asks NCCL and [`Ranks::lost`] after the others. Once one is known to be lost the backend
    /// has failed, with a sentence that says what is known: see [`Backend::status`].
    ///
    /// # Errors
    ///
    /// A sentence that says what is missing and how to get it, or why the ranks do not meet.
    ///
    /// [`Backend::sum_ranks`]: ebt_core::compute::Backend::sum_ranks
    /// [`Backend::status`]: ebt_core::compute::Backend::status
    pub fn with_ranks(options: &Options, ranks: &Ranks) -> Result<Self, String> {
        let mut cuda = Self::open(options, Some(ranks))?;
        cuda.team = Some(Team::new(ranks.rank, ranks.world, ranks.sums));
        Ok(cuda)
    }

    fn open(options: &Options, ranks: Option<&Ranks>) -> Result<Self, String> {
        let real = driver::real::Real::open(options, ranks)?;
        // a replay would hide which kernel made an error
        let graphs = options.graphs && !real.is_synchronous();
        Self::with_driver(Rc::new(real), &Options { graphs, ..options.clone() })
    }

    /// A backend without a device: it takes memory as a real one and computes nothing.
    pub fn dry(precision: Precision) -> Self {
        let driver = Rc::new(driver::dry::Dry::new());
        let options = Options { precision, ..Options::default() };
        // a driver that refuses nothing: there is no error to return
        Self::assemble(driver, &options)
    }

    /// [`Cuda::dry`] as the first of `world` ranks.
    pub fn dry_with_ranks(precision: Precision, world: usize, sums: Sums) -> Self {
        Self { team: Some(Team::planned(world, sums)), ..Self::dry(precision) }
    }

    fn with_driver(driver: Rc<dyn Driver>, options: &Options) -> Result<Self, String> {
        let cuda = Self::assemble(driver, options);
        cuda.status().map_err(|e| e.to_string())?;
        Ok(cuda)
    }

    /// A failure to get the first memory is kept like any other.
    fn assemble(driver: Rc<dyn Driver>, options: &Options) -> Self {
        let mut cuda = Self {
            pool: Rc::new(Pool::new(driver.clone())),
            precision: options.precision,
            name: format!("cuda {} on {}", options.precision.name(), driver.name()),
            poison: options.poison,
            failure: RefCell::new(None),
            clock: Index { block: None, len: 1 },
            _workspace: None,
            graphs_on: options.graphs,
            graphs: RefCell::default(),
            recording: Cell::new(false),
            narrow_copy_log: RefCell::new(None),
            team: None,
            driver,
        };
        let bytes = cuda.driver.workspace();
        if bytes > 0 {
            let workspace = cuda.memory(bytes);
            if let Some(block) = &workspace {
                cuda.driver.set_workspace(block.address(), bytes);
            }
            cuda._workspace = workspace;
        }
        cuda.clock = cuda.index(&[0]);
        cuda
    }

    /// Returns the first failure that the host has seen since the backend was made, without waiting for the device.
    pub(crate) fn status(&self) -> Result<(), Error> {
        self.failure.borrow().clone().map_or(Ok(()), Err)
    }

    /// Backend, precision and device for reports.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether nothing has failed yet.
    pub(crate) fn is_sound(&self) -> bool {
        self.failure.borrow().is_none()
    }

    /// Whether a step is being recorded: nothing may wait for the device.
    pub(crate) fn is_recording(&self) -> bool {
        self.recording.get()
    }

    /// Numbers that products are computed with.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Compute capability of the device, major and minor.
    pub fn capability(&self) -> (u32, u32) {
        self.driver.capability()
    }

    /// Device memory taken so far.
    pub fn memory_report(&self) -> MemoryReport {
        self.pool.report()
    }

    /// Bytes of device memory free now, and in all.
    ///
    /// # Errors
    ///
    /// The message of the driver.
    pub fn device_memory(&self) -> Result<(usize, usize), String> {
        self.driver.memory()
    }

    /// The storage type of activations.
    pub(crate) fn stream_kind(&self) -> Kind {
        self.precision.stream()
    }

    /// Keeps the first failure.
    pub(crate) fn fail(&self, error: Error) {
        self.failure.borrow_mut().get_or_insert(error);
    }

    /// Keeps the first failure of the device.
    pub(crate) fn check(&self, result: Result<(), String>) {
        if let Err(message) = result {
            self.fail(Error::Device(message));
        }
    }

    /// A matrix whose elements are to be written.
    pub(crate) fn take(&self, rows: usize, columns: usize, kind: Kind) -> Matrix {
        let elements = rows.saturating_mul(columns);
        let block = self.memory(elements.saturating_mul(kind.bytes()));
        let narrow_copy = (kind == Kind::F32 && self.stream_kind() != Kind::F32)
            .then(|| Rc::new(RefCell::new(NarrowCopy { copy: None, fresh: false, elements })));
        Matrix { block, narrow_copy, kind, start: 0, rows, columns }
    }

    /// An index array whose entries are to be written.
    pub(crate) fn take_index(&self, len: usize) -> Index {
        Index { block: self.memory(len * size_of::<u32>()), len }
    }

    fn memory(&self, bytes: usize) -> Option<Rc<Block>> {
        match self.pool.take(bytes) {
            Ok(block) => {
                if self.poison && self.is_sound() {
                    self.check(self.driver.fill(block.address(), bytes, 0xFF));
                }
                Some(block)
            }
            Err(message) => {
                self.fail(Error::Device(message));
                None
            }
        }
    }

    /// Starts a kernel, unless something failed before.
    pub(crate) fn launch(&self, kernel: Kernel, grid: impl Into<Grid>, threads: u32, shared: usize, args: &[Arg<'_>]) {
        if self.is_sound() {
            self.check(self.driver.launch(&kernel, grid.into().0, threads, shared, args));
        }
    }

    /// Starts a matrix product, unless something failed before.
    pub(crate) fn product(&self, product: &driver::Product) {
        if self.is_sound() {
            self.check(self.driver.product(product));
        }
    }

    /// `m` in storage type `kind`: the same handle where it is already.
    pub(crate) fn as_kind(&self, m: &Matrix, kind: Kind) -> Matrix {
        if m.kind == kind { m.clone() } else { self.cast(m, kind) }
    }

    /// `m` in the storage type of activations.
    pub(crate) fn stream(&self, m: &Matrix) -> Matrix {
        self.as_kind(m, self.stream_kind())
    }

    /// `m` in single precision.
    pub(crate) fn float(&self, m: &Matrix) -> Matrix {
        self.as_kind(m, Kind::F32)
    }
}

/// Blocks of a launch in up to three dimensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid(pub(crate) [u32; 3]);

impl From<usize> for Grid {
    fn from(x: usize) -> Self {
        Self::from([x, 1, 1])
    }
}

impl From<[usize; 2]> for Grid {
    fn from([x, y]: [usize; 2]) -> Self {
        Self::from([x, y, 1])
    }
}

/// Sizes beyond what a launch can have become a grid that the driver refuses.
impl From<[usize; 3]> for Grid {
    fn from(grid: [usize; 3]) -> Self {
        Self(grid.map(|x| u32::try_from(x).unwrap_or(u32::MAX)))
    }
}
