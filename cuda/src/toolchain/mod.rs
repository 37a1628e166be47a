//! From what a machine has of NVIDIA's to machine code for its device: the libraries ([`library`]) and devices
//! ([`device`]) found, the kernel texts ([`kernels`]), the compiler ([`compile`]) and what it made before ([`cache`]).

pub(crate) mod arch;
mod cache;
pub(crate) mod compile;
pub(crate) mod device;
pub(crate) mod kernels;
pub(crate) mod library;
mod probe;
pub(crate) mod problem;
mod ptxas;
mod report;

pub use library::{Found, Library};
pub use probe::{DeviceReport, Report, probe};
pub use problem::Problem;
pub use report::{KernelReport, compile_report};
