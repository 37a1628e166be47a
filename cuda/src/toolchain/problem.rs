//! What stands in the way of using a GPU, and what to do about it.

use std::fmt;

use serde::Serialize;

use super::library::Library;

/// Something that is missing or does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What has the problem: a library, the GPU, the kernel cache or the driver version.
    pub what: String,
    /// What is wrong with it, without a full stop.
    pub why: String,
    /// What to do about it.
    pub how_to_get_it: String,
    /// Whether a GPU cannot be used for it.
    pub fatal: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}. {}", self.what, self.why, self.how_to_get_it)
    }
}

/// A library that cannot be used, and how to get one that can.
pub(crate) fn missing(library: Library, why: &str) -> Problem {
    let how_to_get_it = match library {
        _ if cfg!(target_os = "macos") => "There is no CUDA for macOS: compute on the processor",
        Library::Driver if cfg!(windows) => "It comes with the NVIDIA driver (580 or newer for CUDA 13): install that",
        Library::Nvrtc if cfg!(windows) => {
            "It comes with the CUDA toolkit 13.0, or by `pip install nvidia-cuda-nvrtc==13.0.*`; set EBT_CUDA_LIBS to its \
             folder if it lies elsewhere"
        }
        Library::CublasLt if cfg!(windows) => {
            "It comes with the CUDA toolkit 13, or by `pip install nvidia-cublas==13.*`; set EBT_CUDA_LIBS to its folder \
             if it lies elsewhere"
        }
        Library::Driver => {
            "It comes with the NVIDIA driver (580 or newer for CUDA 13): install your distribution's package, on \
             Debian `nvidia-driver`; in a container start with `--gpus all`"
        }
        Library::Nvrtc => {
            "It comes with the CUDA toolkit 13 (on Debian and Ubuntu `cuda-nvrtc-13-0` of NVIDIA's repository), or \
             without root by `pip install nvidia-cuda-nvrtc==13.0.*`; set EBT_CUDA_LIBS to its folder if it lies \
             elsewhere"
        }
        Library::CublasLt => {
            "It comes with the CUDA toolkit 13 (on Debian and Ubuntu `libcublas-13-0` of NVIDIA's repository), or \
             without root by `pip install nvidia-cublas==13.*`; set EBT_CUDA_LIBS to its folder if it lies elsewhere"
        }
    };
    let (why, how_to_get_it) = (why.to_owned(), how_to_get_it.to_owned());
    Problem { what: library.name().to_owned(), why, how_to_get_it, fatal: true }
}
