//! What all kernels need of an architecture, by compiling them; no GPU is needed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::arch::Arch;
use super::compile::Compiler;
use super::kernels;
use super::library::Library;
use super::problem;
use super::ptxas;
use crate::kind::Kind;

/// Resources of a compiled kernel.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct KernelReport {
    /// Kernel file, `kernels/<family>.cu`.
    pub family: String,
    /// Storage type of activations: `f32`, `bf16` or `f16`.
    pub storage: String,
    /// Name of the function in the compiled file.
    pub kernel: String,
    /// Architecture that it was compiled for, as `sm_90a`.
    pub arch: String,
    /// Registers of a thread.
    pub registers: u32,
    /// Bytes of static shared memory of a block.
    pub shared: u32,
    /// Bytes of stack of a thread.
    pub stack: u32,
    /// Bytes of registers that a thread writes to memory for lack of registers.
    pub spill_stores: u32,
    /// Bytes of them that it reads back.
    pub spill_loads: u32,
    /// Whether its speed matters so much that registers must suffice.
    pub hot: bool,
}

impl KernelReport {
    /// Whether registers did not suffice.
    pub fn spills(&self) -> bool {
        self.spilled() > 0
    }

    /// Bytes that a thread writes and reads for lack of registers.
    pub fn spilled(&self) -> u32 {
        self.spill_stores.saturating_add(self.spill_loads)
    }
}

/// Compiles every kernel file for every storage type and every architecture (`sm_90a`, ...). No GPU is needed. There is
/// no bf16 before compute capability 8.0.
///
/// # Errors
///
/// No compiler, an architecture that it does not know, or a file that does not compile, with the compiler's log.
pub fn compile_report(archs: &[String]) -> Result<Vec<KernelReport>, String> {
    let archs = archs.iter().map(|arch| arch.parse::<Arch>()).collect::<Result<Vec<_>, _>>()?;
    let compiler = Compiler::new().map_err(|why| problem::missing(Library::Nvrtc, &why).to_string())?;
    let supported = compiler.supported()?;
    if let Some(arch) = archs.iter().find(|arch| !arch.is_real() || !supported.contains(&arch.number())) {
        let names: Vec<_> = supported.iter().map(|n| format!("sm_{n}")).collect();
        return Err(format!("this libnvrtc does not compile for {arch}, but for {}", names.join(", ")));
    }
    let mut jobs = Vec::new();
    for arch in &archs {
        for (family, _) in kernels::SOURCES {
            let kinds = [Kind::F32, Kind::Bf16, Kind::F16].into_iter().filter(|kind| arch.has(*kind));
            jobs.extend(kinds.map(|kind| (arch, *family, kind)));
        }
    }
    let results = Mutex::new(vec![None; jobs.len()]);
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some((arch, family, kind)) = jobs.get(at) else { break };
            let result = compiler.kernels(family, *kind, arch);
            results.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(result);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(jobs.len()) {
            // those that cannot be had leave their work to the others
            let _ = std::thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut reports = Vec::new();
    for ((arch, family, kind), result) in jobs.into_iter().zip(results) {
        let entry = result.ok_or("a compilation did not end")??;
        reports.extend(ptxas::parse(&entry.log).into_iter().map(|r| KernelReport {
            hot: kernels::is_hot(family, arch.number()),
            family: family.to_owned(),
            storage: kind.name().to_owned(),
            kernel: r.kernel,
            arch: arch.to_string(),
            registers: r.registers,
            shared: r.shared,
            stack: r.stack,
            spill_stores: r.spill_stores,
            spill_loads: r.spill_loads,
        }));
    }
    Ok(reports)
}
