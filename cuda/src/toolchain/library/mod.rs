//! Finding NVIDIA's libraries, none of which this program links: they are looked for when a GPU is asked for.
//!
//! The bindings look where the dynamic linker looks and panic when they find nothing, so everything here comes before
//! them: a library that the linker does not find is looked for where toolkits and Python packages put it, opened by its
//! absolute path and kept (the linker then gives the same library to who asks for its name), and every function that is
//! called later is looked up once. `EBT_CUDA_LIBS` names folders to look in first.

mod places;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cudarc::{cublaslt, driver, nvrtc};

pub(crate) use places::loaded_file;
use places::{folders, own_folders, starting_with};

/// A library of NVIDIA's that is opened when a GPU is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Library {
    /// `libcuda`, part of the device driver.
    Driver,
    /// `libnvrtc`, the compiler.
    Nvrtc,
    /// `libcublasLt`, matrix products.
    CublasLt,
}

/// A library that was found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Found {
    /// Its version, `major.minor` or longer.
    pub version: String,
    /// Its file, where the system says which it is.
    pub path: Option<PathBuf>,
}

impl Library {
    const ALL: [Self; 3] = [Self::Driver, Self::Nvrtc, Self::CublasLt];

    /// The file name without version and suffix, by which messages call the library.
    pub fn name(self) -> &'static str {
        match (self, cfg!(windows)) {
            (Self::Driver, false) => "libcuda",
            (Self::Driver, true) => "nvcuda",
            (Self::Nvrtc, false) => "libnvrtc",
            (Self::Nvrtc, true) => "nvrtc",
            (Self::CublasLt, false) => "libcublasLt",
            (Self::CublasLt, true) => "cublasLt",
        }
    }

    /// File names in the order of preference; all of them are known to the bindings too.
    fn files(self) -> &'static [&'static str] {
        match (self, cfg!(windows)) {
            (Self::Driver, false) => &["libcuda.so.1", "libcuda.so"],
            (Self::Driver, true) => &["nvcuda.dll"],
            (Self::Nvrtc, false) => &["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"],
            (Self::Nvrtc, true) => &["nvrtc64_130_0.dll"],
            (Self::CublasLt, false) => &["libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"],
            (Self::CublasLt, true) => &["cublasLt64_13.dll", "cublasLt64_12.dll"],
        }
    }

    /// Functions that this crate calls.
    fn functions(self) -> &'static [&'static str] {
        match self {
            Self::Driver => &[
                "cuCtxSetCurrent",
                "cuCtxGetCurrent",
                "cuDeviceGet",
                "cuDeviceGetAttribute",
                "cuDeviceGetCount",
                "cuDeviceGetName",
                "cuDeviceGetUuid_v2",
                "cuDevicePrimaryCtxRelease_v2",
                "cuDevicePrimaryCtxRetain",
                "cuDeviceTotalMem_v2",
                "cuDriverGetVersion",
                "cuEventCreate",
                "cuEventDestroy_v2",
                "cuEventRecord",
                "cuEventSynchronize",
                "cuFuncGetAttribute",
                "cuFuncSetAttribute",
                "cuGetErrorName",
                "cuGetErrorString",
                "cuGraphDestroy",
                "cuGraphExecDestroy",
                "cuGraphInstantiateWithFlags",
                "cuGraphLaunch",
                "cuInit",
                "cuLaunchKernel",
                "cuMemAllocAsync",
                "cuMemAlloc_v2",
                "cuMemFreeAsync",
                "cuMemFreeHost",
                "cuMemFree_v2",
                "cuMemGetInfo_v2",
                "cuMemHostAlloc",
                "cuMemcpyDtoDAsync_v2",
                "cuMemcpyDtoHAsync_v2",
                "cuMemcpyHtoDAsync_v2",
                "cuMemsetD8Async",
                "cuModuleGetFunction",
                "cuModuleLoadData",
                "cuModuleUnload",
                "cuStreamBeginCapture_v2",
                "cuStreamCreate",
                "cuStreamDestroy_v2",
                "cuStreamEndCapture",
                "cuStreamQuery",
                "cuStreamSynchronize",
            ],
            Self::Nvrtc => &[
                "nvrtcCompileProgram",
                "nvrtcCreateProgram",
                "nvrtcDestroyProgram",
                "nvrtcGetCUBIN",
                "nvrtcGetCUBINSize",
                "nvrtcGetErrorString",
                "nvrtcGetNumSupportedArchs",
                "nvrtcGetPTX",
                "nvrtcGetPTXSize",
                "nvrtcGetProgramLog",
                "nvrtcGetProgramLogSize",
                "nvrtcGetSupportedArchs",
                "nvrtcVersion",
            ],
            Self::CublasLt => &[
                "cublasLtCreate",
                "cublasLtDestroy",
                "cublasLtGetVersion",
                "cublasLtMatmul",
                "cublasLtMatmulAlgoGetHeuristic",
                "cublasLtMatmulDescCreate",
                "cublasLtMatmulDescDestroy",
                "cublasLtMatmulDescSetAttribute",
                "cublasLtMatmulPreferenceCreate",
                "cublasLtMatmulPreferenceDestroy",
                "cublasLtMatmulPreferenceSetAttribute",
                "cublasLtMatrixLayoutCreate",
                "cublasLtMatrixLayoutDestroy",
            ],
        }
    }

    /// Finds and opens the library, once in the life of the program.
    ///
    /// # Errors
    ///
    /// A sentence that says what was looked for, or which function the library found lacks.
    pub fn load(self) -> Result<Found, String> {
        static RESULTS: [OnceLock<Result<Found, String>>; 3] = [const { OnceLock::new() }; 3];
        let at = Self::ALL.iter().position(|x| *x == self).unwrap_or_default();
        RESULTS[at].get_or_init(|| self.open()).clone()
    }

    fn open(self) -> Result<Found, String> {
        let mut failures = Vec::new();
        let (own, others) = nvidia_folders();
        let opened = self.open_in(&own, &mut failures) || self.is_known() || self.open_in(&others, &mut failures);
        if !self.is_known() {
            let mut text = format!("{} was not found", self.files()[0]);
            failures.extend(self.files().iter().filter_map(|name| unusable(name)));
            if opened {
                text = format!("{} was opened, but the linker does not find it again by its name", self.name());
            } else if !failures.is_empty() {
                text += &format!("; {} could not be opened", failures.join("; "));
            }
            return Err(text);
        }
        let missing: Vec<_> = self.functions().iter().filter(|name| !self.has(name)).copied().collect();
        if !missing.is_empty() {
            return Err(format!("{} is too old: it has no {}", self.name(), missing.join(", no ")));
        }
        Ok(Found { version: self.version()?, path: loaded_file(self.name()) })
    }

    /// Opens the first of the library's files in `folders` that can be; it stays open for ever.
    fn open_in(self, folders: &[PathBuf], failures: &mut Vec<String>) -> bool {
        for folder in folders {
            for file in self.files().iter().map(|name| folder.join(name)).filter(|file| file.is_file()) {
                if self == Self::Nvrtc {
                    open_beside(&file, if cfg!(windows) { "nvrtc-builtins64_" } else { "libnvrtc-builtins.so" });
                }
                match keep(&file) {
                    Ok(()) => return true,
                    Err(why) => failures.push(format!("{}: {why}", file.display())),
                }
            }
        }
        false
    }

    /// Whether the bindings will find the library.
    fn is_known(self) -> bool {
        // SAFETY: opening NVIDIA's libraries runs their initialisers, which is what they are for
        unsafe {
            match self {
                Self::Driver => driver::sys::is_culib_present(),
                Self::Nvrtc => nvrtc::sys::is_culib_present(),
                Self::CublasLt => cublaslt::sys::is_culib_present(),
            }
        }
    }

    /// Whether the library, which must be known, has a function.
    pub(crate) fn has(self, function: &str) -> bool {
        type Function = unsafe extern "C" fn();
        // SAFETY: the symbol is only looked up, never called, and the bindings find the library (see `is_known`)
        unsafe {
            let library = match self {
                Self::Driver => driver::sys::culib(),
                Self::Nvrtc => nvrtc::sys::culib(),
                Self::CublasLt => cublaslt::sys::culib(),
            };
            library.get::<Function>(function.as_bytes()).is_ok()
        }
    }

    fn version(self) -> Result<String, String> {
        match self {
            Self::Driver => driver_version().map(|v| format!("{}.{}", v / 1000, v % 1000 / 10)),
            Self::Nvrtc => nvrtc_version().map(|(major, minor)| format!("{major}.{minor}")),
            Self::CublasLt => {
                // SAFETY: no arguments; `open` saw that the function exists
                let v = unsafe { cublaslt::sys::cublasLtGetVersion() };
                Ok(format!("{}.{}.{}", v / 10_000, v / 100 % 100, v % 100))
            }
        }
    }
}

/// Folders that NVIDIA's libraries are looked for in: before the linker's own, and after them.
pub(crate) fn nvidia_folders() -> (Vec<PathBuf>, Vec<PathBuf>) {
    let environment = |name: &str| std::env::var_os(name);
    (own_folders(&environment), folders(&environment, Path::new("/")))
}

/// CUDA version of the driver, `1000 major + 10 minor`; the driver's library must be known.
pub(crate) fn driver_version() -> Result<i32, String> {
    let mut version = 0;
    // SAFETY: writes one integer
    unsafe { driver::sys::cuDriverGetVersion(&raw mut version) }
        .result()
        .map_err(|e| format!("the driver does not tell its version: {e}"))?;
    Ok(version)
}

/// Version of the compiler, whose library must be known.
pub(crate) fn nvrtc_version() -> Result<(i32, i32), String> {
    let (mut major, mut minor) = (0, 0);
    // SAFETY: writes two integers
    unsafe { nvrtc::sys::nvrtcVersion(&raw mut major, &raw mut minor) }
        .result()
        .map_err(|e| format!("libnvrtc does not tell its version: {e}"))?;
    Ok((major, minor))
}

/// Why the linker, which finds a library by its name, cannot open it; `None` where it finds none.
fn unusable(name: &str) -> Option<String> {
    // SAFETY: the library is one of NVIDIA's by its name; its initialisers are what it is opened for
    let error = reason(&unsafe { libloading::Library::new(name) }.err()?);
    is_found(name, &error).then_some(error)
}

/// What the linker said, which the error itself leaves to its cause.
pub(crate) fn reason(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// Whether the linker's words speak of a file that is there: of one that it does not find it says so, under its name; of
/// one that needs another which is missing, under the name of the other.
fn is_found(name: &str, error: &str) -> bool {
    !(error.starts_with(name) && error.contains("No such file or directory"))
}

/// Opens a library for the life of the program.
fn keep(file: &Path) -> Result<(), String> {
    // SAFETY: the file is one of NVIDIA's libraries by name and place; its initialisers are what it is opened for
    match unsafe { open_with_neighbours(file) } {
        Ok(library) => {
            std::mem::forget(library);
            Ok(())
        }
        Err(error) => Err(reason(&error)),
    }
}

/// Opens a library by its absolute path; what it needs is looked for beside it too.
///
/// # Safety
///
/// The library's initialisers are run.
#[cfg(windows)]
unsafe fn open_with_neighbours(file: &Path) -> Result<libloading::os::windows::Library, libloading::Error> {
    use libloading::os::windows::{LOAD_WITH_ALTERED_SEARCH_PATH, Library};
    // SAFETY: the caller's contract
    unsafe { Library::load_with_flags(file, LOAD_WITH_ALTERED_SEARCH_PATH) }
}

/// Opens a library by its absolute path; the library itself says where it looks for what it needs.
///
/// # Safety
///
/// The library's initialisers are run.
#[cfg(not(windows))]
unsafe fn open_with_neighbours(file: &Path) -> Result<libloading::Library, libloading::Error> {
    // SAFETY: the caller's contract
    unsafe { libloading::Library::new(file) }
}

/// Opens what lies beside `file` under a name that begins with `prefix`; the compiler asks for it by name only.
fn open_beside(file: &Path, prefix: &str) {
    let Some(folder) = file.parent() else { return };
    for entry in starting_with(folder, prefix) {
        // a failure shows when something is compiled, in the compiler's words
        let _ = keep(&entry);
    }
}

#[cfg(test)]
mod tests;
