//! A GPU: see [`super::Driver`].

mod context;
mod graphs;
mod modules;
mod product;
mod staging;
#[cfg(test)]
mod tests;

use std::ffi::c_void;
use std::rc::Rc;

use cudarc::driver::result as cu;

use self::context::Context;
use self::graphs::Recordings;
use self::modules::Modules;
use self::product::Products;
use self::staging::Staging;
use super::{Collective, Driver, GraphId, Product, product_workspace};
use crate::launch::{Arg, Kernel};
use crate::nccl::{Communicator, Ranks};
use crate::options::{Options, Precision};
use crate::toolchain::compile::Compiler;
use crate::toolchain::device::words;
use crate::toolchain::library::Library;
use crate::toolchain::problem;

/// Set to anything, every kernel is waited for, so that an error names the kernel that made it.
const SYNCHRONOUS: &str = "EBT_CUDA_SYNC";

/// One GPU and one stream of work on it.
#[derive(Debug)]
pub(crate) struct Real {
    recordings: Recordings,
    staging: Staging,
    modules: Modules,
    products: Products,
    synchronous: bool,
    context: Rc<Context>,
}

impl Real {
    /// The GPU that the options name, with everything it needs, and the way to other ranks if there are some.
    pub(crate) fn open(options: &Options, ranks: Option<&Ranks>) -> Result<Self, String> {
        for library in [Library::Driver, Library::Nvrtc, Library::CublasLt] {
            library.load().map_err(|why| problem::missing(library, &why).to_string())?;
        }
        // the libraries have every function that is called; a panic would be the bindings' own
        let opened = std::panic::catch_unwind(|| {
            let context = Rc::new(Context::open(options.device)?);
            suits(&context, options.precision)?;
            Ok(Self {
                recordings: Recordings::new(&context),
                staging: Staging::new(&context),
                modules: Modules::new(&context, Compiler::new()?)?,
                products: Products::new(&context, options.precision == Precision::Tf32)?,
                synchronous: std::env::var_os(SYNCHRONOUS).is_some(),
                context,
            })
        });
        let real =
            opened.unwrap_or_else(|_| Err(String::from("the NVIDIA libraries do not work with this program")))?;
        if let Some(ranks) = ranks {
            let _ = real.context.ranks.set(Communicator::open(ranks)?);
        }
        Ok(real)
    }

    /// Whether every kernel is waited for.
    pub(crate) fn is_synchronous(&self) -> bool {
        self.synchronous
    }

    fn outside_recording(&self, what: &str) -> Result<(), String> {
        match self.recordings.is_recording() {
            true => Err(format!("{what} cannot be part of a recorded step")),
            false => Ok(()),
        }
    }

    fn start(
        &self,
        kernel: &Kernel,
        grid: [u32; 3],
        threads: u32,
        shared: usize,
        args: &[Arg<'_>],
    ) -> Result<(), String> {
        self.context.bind()?;
        let recording = self.recordings.is_recording();
        let function = self.modules.function(kernel, !recording)?;
        function.check(args)?;
        function.allow_shared(shared, self.context.shared)?;
        let shared = u32::try_from(shared).map_err(|_| "too much shared memory")?;
        let mut pointers: Vec<*mut c_void> = args
            .iter()
            .map(|arg| match arg {
                Arg::Word(word) => std::ptr::from_ref(word).cast_mut().cast(),
                Arg::Words(words) => words.as_ptr().cast_mut().cast(),
            })
            .collect();
        // SAFETY: the pointers lead to as many arguments as the kernel takes (checked above where the driver reports them),
        // which the driver copies; that addresses among them are device memory is the operations' part
        unsafe {
            let [x, y, z] = grid;
            cu::launch_kernel(function.handle, (x, y, z), (threads, 1, 1), shared, self.context.stream, &mut pointers)
        }
        .map_err(|e| words("it does not start", e))?;
        if self.synchronous && !recording {
            self.context.synchronize()?;
        }
        Ok(())
    }
}

/// Whether the kernels of a precision run on the device.
fn suits(context: &Context, precision: Precision) -> Result<(), String> {
    let (major, minor) = context.capability;
    let (needed, hint) = match precision {
        Precision::Bf16 => ((8, 0), "; f16 runs from 7.5 on"),
        _ => ((7, 5), ""),
    };
    if context.capability >= needed {
        return Ok(());
    }
    let (name, precision) = (&context.name, precision.name());
    Err(format!("{name} has compute capability {major}.{minor}, {precision} needs {}.{}{hint}", needed.0, needed.1))
}

impl Driver for Real {
    fn allocate(&self, bytes: usize) -> Result<u64, String> {
        self.outside_recording("taking memory")?;
        self.context.allocate(bytes)
    }

    fn release(&self, address: u64, _bytes: usize) {
        self.context.release(address);
    }

    fn upload(&self, to: u64, data: &[u8]) -> Result<(), String> {
        self.outside_recording("an upload")?;
        self.staging.upload(to, data)
    }

    fn download(&self, from: u64, data: &mut [u8]) -> Result<(), String> {
        self.outside_recording("a download")?;
        self.context.bind()?;
        if self.context.ranks.get().is_some() {
            // a copy to memory that is not page-locked waits for the stream by itself, asking after nobody
            self.context.synchronize()?;
        }
        let bytes = data.len();
        // SAFETY: `from` is device memory of that many bytes; `data` is not touched before the wait below
        let copied = unsafe { cu::memcpy_dtoh_async(data, from, self.context.stream) };
        let waited = self.context.synchronize();
        copied.map_err(|e| words(format_args!("download of {bytes} bytes"), e)).and(waited)
    }

    fn copy(&self, from: u64, to: u64, bytes: usize) -> Result<(), String> {
        self.context.bind()?;
        // SAFETY: both are device memory of that many bytes and do not overlap
        unsafe { cu::memcpy_dtod_async(to, from, bytes, self.context.stream) }
            .map_err(|e| words(format_args!("copy of {bytes} bytes"), e))
    }

    fn fill(&self, at: u64, bytes: usize, value: u8) -> Result<(), String> {
        self.context.bind()?;
        // SAFETY: device memory of that many bytes
        unsafe { cu::memset_d8_async(at, value, bytes, self.context.stream) }
            .map_err(|e| words(format_args!("fill of {bytes} bytes"), e))
    }

    fn launch(
        &self,
        kernel: &Kernel,
        grid: [u32; 3],
        threads: u32,
        shared: usize,
        args: &[Arg<'_>],
    ) -> Result<(), String> {
        self.start(kernel, grid, threads, shared, args).map_err(|why| {
            format!("kernel {kernel} with grid {grid:?}, {threads} threads, {shared} bytes of shared memory: {why}")
        })
    }

    fn product(&self, product: &Product) -> Result<(), String> {
        self.products.run(product)?;
        if self.synchronous && !self.recordings.is_recording() {
            self.context.synchronize()?;
        }
        Ok(())
    }

    fn collective(&self, work: Collective) -> Result<(), String> {
        self.outside_recording("a sum over ranks")?;
        self.context.bind()?;
        let Some(ranks) = self.context.ranks.get() else { return Ok(()) };
        ranks.run(work, self.context.stream.cast())?;
        if self.synchronous { self.context.synchronize() } else { Ok(()) }
    }

    fn synchronize(&self) -> Result<(), String> {
        self.outside_recording("waiting for the device")?;
        self.context.synchronize()
    }

    fn begin_capture(&self) -> Result<(), String> {
        self.context.bind()?;
        self.recordings.begin()
    }

    fn end_capture(&self) -> Result<GraphId, String> {
        self.recordings.end()
    }

    fn abandon_capture(&self) {
        self.recordings.abandon();
    }

    fn replay(&self, graph: GraphId) -> Result<(), String> {
        self.recordings.replay(graph)?;
        if self.synchronous { self.context.synchronize() } else { Ok(()) }
    }

    fn forget(&self, graph: GraphId) {
        self.recordings.forget(graph);
    }

    fn name(&self) -> &str {
        &self.context.name
    }

    fn processors(&self) -> usize {
        self.context.processors
    }

    fn shared_memory(&self) -> usize {
        self.context.shared
    }

    fn capability(&self) -> (u32, u32) {
        self.context.capability
    }

    fn workspace(&self) -> usize {
        product_workspace(self.context.capability)
    }

    fn set_workspace(&self, address: u64, bytes: usize) {
        self.products.set_workspace(address, bytes);
    }

    fn memory(&self) -> Result<(usize, usize), String> {
        self.context.memory()
    }
}
