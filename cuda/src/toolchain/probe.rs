//! Which of NVIDIA's libraries and devices this machine has, what is missing, and how to get it.

use std::path::PathBuf;

use cudarc::driver::result as cu;
use serde::Serialize;

use super::arch::Arch;
use super::cache::Cache;
use super::compile::Compiler;
use super::device;
use super::library::{self, Found, Library};
use super::problem::{Problem, missing};

/// Driver version from which on the kernels of this program are known to load: that of CUDA 13.0.
const DRIVER: i32 = 13_000;
/// Compute capability from which on there is bf16, asynchronous copy and the matrix instructions used.
const OLDEST: (u32, u32) = (7, 5);

/// A GPU as the driver describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceReport {
    /// Number to ask for it by.
    pub index: usize,
    /// The driver's name of it.
    pub name: String,
    /// Compute capability, major and minor.
    pub capability: (u32, u32),
    /// Architecture that kernels are compiled for on it, where there is a compiler.
    pub arch: Option<String>,
    /// Bytes of memory of the device, used or free.
    pub memory: usize,
    /// Bytes of memory that are free; `None` where the device gave no context to ask.
    pub memory_free: Option<usize>,
    /// Number of streaming multiprocessors.
    pub multiprocessors: usize,
    /// Most shared memory of a block in bytes.
    pub shared_memory: usize,
}

/// The libraries and GPUs that [`probe`] found, and what stands in the way of using them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ProbeReport {
    /// The driver's library; its version is the newest CUDA that it runs.
    pub driver: Option<Found>,
    /// `libnvrtc`, the compiler of kernels.
    pub nvrtc: Option<Found>,
    /// `libcublasLt`, which computes matrix products.
    pub cublas_lt: Option<Found>,
    /// The GPUs in the order in which the driver counts them, those that cannot be used among them.
    pub devices: Vec<DeviceReport>,
    /// Folder that compiled kernels are kept in.
    pub kernel_cache: Option<PathBuf>,
    /// What is missing or does not fit.
    pub problems: Vec<Problem>,
}

impl ProbeReport {
    /// Whether a GPU can be used.
    ///
    /// # Errors
    ///
    /// What is in the way and how to get it, one sentence a problem.
    pub fn usable(&self) -> Result<(), String> {
        let fatal: Vec<_> = self.problems.iter().filter(|p| p.fatal).map(Problem::to_string).collect();
        if fatal.is_empty() { Ok(()) } else { Err(fatal.join("\n")) }
    }
}

/// Looks at the machine. Never panics; works where there is nothing of NVIDIA's at all.
pub fn probe() -> ProbeReport {
    std::panic::catch_unwind(look).unwrap_or_else(|cause| {
        let said = cause.downcast_ref::<String>().map(String::as_str).or_else(|| cause.downcast_ref::<&str>().copied());
        let said = said.map_or_else(String::new, |said| format!(" ({})", said.replace('\n', " ")));
        let problem = Problem {
            what: String::from("NVIDIA libraries"),
            why: format!("they do not work with this program{said}"),
            how_to_get_it: String::from("Install the driver and the libraries of CUDA 13"),
            fatal: true,
        };
        ProbeReport { problems: vec![problem], ..ProbeReport::default() }
    })
}

fn look() -> ProbeReport {
    let mut report = ProbeReport::default();
    let mut find = |library: Library| match library.load() {
        Ok(found) => Some(found),
        Err(why) => {
            report.problems.push(missing(library, &why));
            None
        }
    };
    let (driver, nvrtc, cublas_lt) = (find(Library::Driver), find(Library::Nvrtc), find(Library::CublasLt));
    (report.driver, report.nvrtc, report.cublas_lt) = (driver, nvrtc, cublas_lt);
    match Cache::open() {
        Ok(cache) => report.kernel_cache = Some(cache.folder().to_owned()),
        Err(why) => report.problems.push(Problem {
            what: String::from("kernel cache"),
            why: format!("{why}; kernels are compiled in every run"),
            how_to_get_it: String::from("Set EBT_CACHE_DIR to a folder that can be written"),
            fatal: false,
        }),
    }
    let supported = match report.nvrtc {
        Some(_) => Compiler::new().and_then(|c| c.supported()).unwrap_or_default(),
        None => Vec::new(),
    };
    if report.driver.is_some() {
        look_at_devices(&mut report, &supported);
    }
    if let (Some(_), Some(_)) = (&report.driver, &report.nvrtc) {
        report.problems.extend(mismatch(library::driver_version(), library::nvrtc_version()));
    }
    report
}

/// Whether code of the compiler loads in the driver.
fn mismatch(driver: Result<i32, String>, nvrtc: Result<(i32, i32), String>) -> Option<Problem> {
    let (driver, (major, minor)) = (driver.ok()?, nvrtc.ok()?);
    let runs = format!("the driver runs CUDA {}.{}", driver / 1000, driver % 1000 / 10);
    let (why, fatal) = if major > driver / 1000 {
        (format!("{runs}, code of libnvrtc {major}.{minor} does not load in it"), true)
    } else if driver < DRIVER {
        (format!("{runs}, older than the 13.0 that this program is made for"), false)
    } else {
        return None;
    };
    let how = "Update the driver to 580 or newer, or install a libnvrtc of the driver's CUDA version";
    Some(Problem { what: String::from("driver version"), why, how_to_get_it: how.to_owned(), fatal })
}

fn look_at_devices(report: &mut ProbeReport, supported: &[u32]) {
    let mut problem = |why: String, how: &str, fatal: bool| {
        report.problems.push(Problem { what: String::from("GPU"), why, how_to_get_it: how.to_owned(), fatal });
    };
    let check = "See whether `nvidia-smi` lists a GPU; in a container start with `--gpus all`";
    let count = match device::device_count() {
        Ok(0) => return problem(String::from("the driver finds none"), check, true),
        Ok(count) => count,
        Err(why) => return problem(why, check, true),
    };
    let mut devices = Vec::new();
    let mut fitting = 0;
    for index in 0..count {
        match look_at(index, supported) {
            Ok(device) if device.capability < OLDEST => {
                let (major, minor) = device.capability;
                let why = format!("GPU {index} ({}) has compute capability {major}.{minor}", device.name);
                problem(why, "The kernels need 7.5 (Turing) or newer", false);
                devices.push(device);
            }
            Ok(device) => {
                fitting += 1;
                devices.push(device);
            }
            Err(why) => problem(format!("GPU {index}: {why}"), check, false),
        }
    }
    if fitting == 0 {
        problem(String::from("none can be used"), "The kernels need compute capability 7.5 (Turing) or newer", true);
    }
    report.devices = devices;
}

fn look_at(index: usize, supported: &[u32]) -> Result<DeviceReport, String> {
    let device = device::device(index)?;
    let name = cu::device::get_name(device).map_err(|e| device::words("name", e))?;
    // SAFETY: the device exists
    let memory = unsafe { cu::device::total_mem(device) }.map_err(|e| device::words("memory", e))?;
    let capability = device::capability(device);
    let (multiprocessors, shared_memory) = device::sizes(device);
    let arch = Arch::for_device(capability, supported).ok().map(|arch| arch.to_string());
    let memory_free = free_memory(device);
    Ok(DeviceReport { index, name, capability, arch, memory, memory_free, multiprocessors, shared_memory })
}

/// Free memory of a device, which only a context reports.
fn free_memory(device: cudarc::driver::sys::CUdevice) -> Option<usize> {
    let before = cu::ctx::get_current().ok()?;
    // SAFETY: the device exists; what is retained is released, and the thread gets back the context it had
    unsafe {
        let context = cu::primary_ctx::retain(device).ok()?;
        let free = cu::ctx::set_current(context).and_then(|()| cu::mem_get_info()).ok().map(|(free, _)| free);
        let _ = cu::ctx::set_current(before.unwrap_or(std::ptr::null_mut()));
        let _ = cu::primary_ctx::release(device);
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_looked_at_without_panic_and_problems_say_what_to_do() {
        let report = probe();
        assert_eq!(report.usable().is_err(), report.problems.iter().any(|p| p.fatal));
        assert_eq!(report.driver.is_none(), report.problems.iter().any(|p| p.what == Library::Driver.name()));
        for problem in &report.problems {
            assert!(!problem.why.is_empty() && !problem.how_to_get_it.is_empty(), "{problem}");
        }
    }

    #[test]
    fn an_old_driver_is_told_from_one_that_cannot_load_the_code() {
        assert_eq!(mismatch(Ok(13_000), Ok((13, 0))), None);
        assert_eq!(mismatch(Ok(13_020), Ok((12, 9))), None);
        assert!(!mismatch(Ok(12_080), Ok((12, 8))).unwrap().fatal);
        let fatal = mismatch(Ok(12_080), Ok((13, 0))).unwrap();
        assert!(fatal.fatal && fatal.why.contains("CUDA 12.8") && fatal.why.contains("13.0"), "{fatal}");
        assert_eq!(mismatch(Err(String::new()), Ok((13, 0))), None);
    }

    #[test]
    fn only_fatal_problems_make_a_report_unusable() {
        let mut report = ProbeReport::default();
        report.problems.push(Problem { fatal: false, ..missing(Library::Nvrtc, "slow") });
        assert_eq!(report.usable(), Ok(()));
        report.problems.push(missing(Library::CublasLt, "it was not found"));
        let text = report.usable().unwrap_err();
        let start = format!("{}: it was not found. ", Library::CublasLt.name());
        assert!(text.strip_prefix(&start).is_some_and(|remedy| !remedy.is_empty()), "{text}");
    }
}
