//! The way to machine code for a device: NVIDIA's libraries ([`library`]) and devices ([`device`]) on this machine, the
//! kernel texts ([`kernels`]), the compiler ([`compile`]) and what it made before ([`cache`]).

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

pub use device::device_uuid;
pub use library::{Found, Library};
pub use probe::{DeviceReport, ProbeReport, probe};
pub use problem::Problem;
pub use report::{KernelReport, compile_report};
