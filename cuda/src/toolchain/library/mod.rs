//! Finding NVIDIA's libraries, none of which this program links: they are looked for when a GPU is asked for.
//!
//! The bindings look where the dynamic linker looks and panic when they find nothing, so everything here comes before
//! them: a library that the linker does not find is looked for where toolkits and Python packages put it, opened by its
//! absolute path and kept (the linker then gives the same library to who asks for its name), and every function that is
//! called later is looked up once. `EBT_CUDA_LIBS` names folders to look in first.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cudarc::{cublaslt, driver, nvrtc};

/// Folders to look in before all others, separated as in `PATH`.
const OWN_FOLDERS: &str = "EBT_CUDA_LIBS";

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

    /// The file name without its suffix, by which messages call the library.
    pub fn name(self) -> &'static str {
        match self {
            Self::Driver => "libcuda",
            Self::Nvrtc => "libnvrtc",
            Self::CublasLt => "libcublasLt",
        }
    }

    /// File names in the order of preference.
    fn files(self) -> &'static [&'static str] {
        match self {
            Self::Driver => &["libcuda.so.1", "libcuda.so"],
            Self::Nvrtc => &["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"],
            Self::CublasLt => &["libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"],
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
        let own = own_folders(&|name| std::env::var_os(name));
        let opened = self.open_in(&own, &mut failures)
            || self.is_known()
            || self.open_in(&folders(&|name| std::env::var_os(name), Path::new("/")), &mut failures);
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
                    open_beside(&file, "libnvrtc-builtins.so");
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
    let error = unsafe { libloading::Library::new(name) }.err()?.to_string();
    is_found(name, &error).then_some(error)
}

/// Whether the linker's words speak of a file that is there: of one that it does not find it says so, under its name; of
/// one that needs another which is missing, under the name of the other.
fn is_found(name: &str, error: &str) -> bool {
    !(error.starts_with(name) && error.contains("No such file or directory"))
}

/// Opens a library for the life of the program.
fn keep(file: &Path) -> Result<(), String> {
    // SAFETY: the file is one of NVIDIA's libraries by name and place; its initialisers are what it is opened for
    match unsafe { libloading::Library::new(file) } {
        Ok(library) => {
            std::mem::forget(library);
            Ok(())
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Opens what lies beside `file` under a name that begins with `prefix`; the compiler asks for it by name only.
fn open_beside(file: &Path, prefix: &str) {
    let Some(folder) = file.parent() else { return };
    for entry in starting_with(folder, prefix) {
        // a failure shows when something is compiled, in the compiler's words
        let _ = keep(&entry);
    }
}

/// Entries of a folder whose names begin with `prefix`, the last in the alphabet (the newest version) first.
fn starting_with(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<_> =
        entries.filter(|e| e.file_name().to_string_lossy().starts_with(prefix)).map(|e| e.path()).collect();
    found.sort();
    found.reverse();
    found
}

type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

fn own_folders(environment: Environment<'_>) -> Vec<PathBuf> {
    environment(OWN_FOLDERS).map(|list| std::env::split_paths(&list).collect()).unwrap_or_default()
}

/// Where toolkits, drivers and Python packages put their libraries, below `root`; only folders that exist.
fn folders(environment: Environment<'_>, root: &Path) -> Vec<PathBuf> {
    let variable = |name: &str| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let mut list = Vec::new();
    let mut toolkit = |home: PathBuf| {
        list.extend(["lib64", "lib", "targets/x86_64-linux/lib", "targets/sbsa-linux/lib"].map(|lib| home.join(lib)));
    };
    ["CUDA_HOME", "CUDA_PATH", "CUDA_ROOT"].into_iter().filter_map(variable).for_each(&mut toolkit);
    toolkit(root.join("usr/local/cuda"));
    starting_with(&root.join("usr/local"), "cuda-").into_iter().for_each(&mut toolkit);

    let mut pythons = Vec::new();
    for prefix in ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(variable) {
        list.push(prefix.join("lib"));
        pythons.push(prefix.join("lib"));
    }
    pythons.extend(variable("HOME").map(|home| home.join(".local/lib")));
    pythons.extend(["usr/local/lib", "usr/lib", "opt/conda/lib"].map(|lib| root.join(lib)));
    for python in pythons.iter().flat_map(|lib| starting_with(lib, "python3")) {
        for packages in ["site-packages", "dist-packages"].map(|name| python.join(name).join("nvidia")) {
            list.push(packages.join("cu13/lib"));
            list.extend(starting_with(&packages, "").into_iter().map(|package| package.join("lib")));
        }
    }

    let driver = ["usr/lib/wsl/lib", "usr/local/nvidia/lib64", "run/opengl-driver/lib", "usr/lib/x86_64-linux-gnu"];
    list.extend(driver.map(|lib| root.join(lib)));
    list.extend(["usr/lib/aarch64-linux-gnu", "usr/lib64"].map(|lib| root.join(lib)));
    list.retain(|folder| folder.is_dir());
    let mut seen = std::collections::HashSet::new();
    list.retain(|folder| seen.insert(folder.clone()));
    list
}

/// File of a loaded library, as the system maps it.
fn loaded_file(name: &str) -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    mapped_file(&maps, name)
}

fn mapped_file(maps: &str, name: &str) -> Option<PathBuf> {
    let paths = maps.lines().filter_map(|line| line.find('/').map(|at| Path::new(&line[at..])));
    let is_it = |path: &&Path| {
        let file = path.file_name().and_then(|f| f.to_str()).unwrap_or_default();
        file.strip_prefix(name).is_some_and(|rest| rest.starts_with(".so"))
    };
    paths.into_iter().find(is_it).map(Path::to_path_buf)
}

#[cfg(test)]
mod tests;
