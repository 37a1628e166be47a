//! `ebt doctor`: what this machine can compute on.

#[cfg(feature = "cuda")]
mod kernels;
mod lines;
mod ranks;

use std::fmt;

/// Show which GPUs this program can use, what joins processes (MPI, NCCL), what is missing, and how to get it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ebt doctor
  ebt doctor --json
  ebt doctor --compile sm_80,sm_90a

Exit status: 0 a GPU can be used, 3 none can, 1 failure, 2 wrong usage; MPI and NCCL do not change it.
With --compile, which needs libnvrtc only: 0 all kernels compile and no hot one spills registers, else 1.
Hot is every kernel from sm_80 on but those of attention with heads 16 or 256 wide.")]
pub struct Args {
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
    /// Compile all kernels for these architectures and show what they need
    #[arg(long, value_name = "ARCH", value_delimiter = ',')]
    compile: Vec<String>,
}

/// No GPU can be used; what is in the way has been printed.
#[derive(Debug)]
pub struct NoGpu;

impl NoGpu {
    /// Exit status that distinguishes this from a failure.
    pub const STATUS: u8 = 3;
}

impl fmt::Display for NoGpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no GPU can be used")
    }
}

impl std::error::Error for NoGpu {}

pub use device::run;

#[cfg(not(feature = "cuda"))]
mod device {
    use std::io::Write;

    use anyhow::Result;
    use ebt_data::program;
    use serde::Serialize;

    use super::ranks::Engines;
    use super::{Args, NoGpu};
    use crate::cli::{Output, write_json};

    /// What is printed.
    #[derive(Serialize)]
    struct Report {
        usable: bool,
        cuda: bool,
        /// What joins processes.
        ranks: Engines,
    }

    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`NoGpu`]: this build has no CUDA backend.
    pub fn run(args: Args) -> Result<()> {
        if !args.compile.is_empty() {
            return Err(program::lacks("--compile", "cuda"));
        }
        let (ranks, mut out) = (Engines::find(), Output::of_results());
        match args.json {
            true => write_json(&mut out, &Report { usable: false, cuda: false, ranks })?,
            false => {
                ranks.print(&mut out)?;
                ranks.print_missing(&mut out)?;
                writeln!(out, "\nNo GPU can be used: {}.", program::lacks("the CUDA backend", "cuda"))?;
            }
        }
        out.flush()?;
        Err(NoGpu.into())
    }
}

#[cfg(feature = "cuda")]
mod device {
    use std::io::{self, Write};
    use std::path::Path;

    use anyhow::{Error, Result};
    use ebt_cuda::{Found, KernelReport};
    use serde::Serialize;

    use super::lines::lines;
    use super::ranks::Engines;
    use super::{Args, NoGpu, kernels};
    use crate::cli::{Output, write_json};
    use ebt_data::progress::size;

    /// What is printed.
    #[derive(Debug, Serialize)]
    struct Report {
        /// Whether a GPU can be used.
        usable: bool,
        /// Whether this build has the CUDA backend.
        cuda: bool,
        #[serde(flatten)]
        machine: ebt_cuda::ProbeReport,
        /// What joins processes.
        ranks: Engines,
        #[serde(skip_serializing_if = "Option::is_none")]
        kernels: Option<Vec<KernelReport>>,
    }

    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`NoGpu`] where no GPU can be used; kernels that do not compile, hot ones that spill.
    pub fn run(args: Args) -> Result<()> {
        let compiled = match args.compile.as_slice() {
            [] => None,
            archs => Some(ebt_cuda::compile_report(archs).map_err(Error::msg)?),
        };
        let machine = ebt_cuda::probe();
        let (usable, ranks) = (machine.usable().is_ok(), Engines::find());
        let report = Report { usable, cuda: true, machine, ranks, kernels: compiled };
        let mut out = Output::of_results();
        match args.json {
            true => write_json(&mut out, &report)?,
            false => print(&mut out, &report)?,
        }
        out.flush()?;
        match &report.kernels {
            Some(compiled) => kernels::enough_registers(compiled),
            None if report.usable => Ok(()),
            None => Err(NoGpu.into()),
        }
    }

    fn print(out: &mut impl Write, report: &Report) -> Result<()> {
        let machine = &report.machine;
        library(out, "driver", "CUDA ", machine.driver.as_ref())?;
        library(out, "compiler", "NVRTC ", machine.nvrtc.as_ref())?;
        library(out, "products", "cublasLt ", machine.cublas_lt.as_ref())?;
        let cache = machine.kernel_cache.as_deref().map_or_else(|| "not kept".into(), Path::to_string_lossy);
        writeln!(out, "kernels    {cache}")?;
        report.ranks.print(out)?;

        for gpu in &machine.devices {
            let (major, minor) = gpu.capability;
            let arch = gpu.arch.as_ref().map_or_else(String::new, |arch| format!(" ({arch})"));
            let free = gpu.memory_free.map_or_else(String::new, |free| format!(", {} free", size(free as f64)));
            writeln!(out, "\nGPU {}      {}", gpu.index, gpu.name)?;
            writeln!(out, "           compute capability {major}.{minor}{arch}")?;
            let shared = size(gpu.shared_memory as f64);
            writeln!(out, "           {} multiprocessors, {shared} of shared memory for a block", gpu.multiprocessors)?;
            writeln!(out, "           {} of memory{free}", size(gpu.memory as f64))?;
        }
        for (title, fatal) in [("In the way", true), ("To know", false)] {
            let problems = machine.problems.iter().filter(|p| p.fatal == fatal);
            lines(out, title, problems.map(|p| (&*p.what, &*p.why, &*p.how_to_get_it)))?;
        }
        report.ranks.print_missing(out)?;
        if let Some(compiled) = &report.kernels {
            kernels::table(out, compiled)?;
        }
        writeln!(out, "\n{}", if report.usable { "A GPU can be used." } else { "No GPU can be used: the CPU can." })?;
        Ok(())
    }

    fn library(out: &mut impl Write, what: &str, name: &str, found: Option<&Found>) -> io::Result<()> {
        let Some(found) = found else { return writeln!(out, "{what:10} not found") };
        let path = found.path.as_deref().map_or_else(|| "".into(), Path::to_string_lossy);
        let version = format!("{name}{}", found.version);
        writeln!(out, "{}", format!("{what:10} {version:16} {path}").trim_end())
    }

    #[cfg(test)]
    mod tests {
        use ebt_cuda::Problem;

        use super::super::ranks::{Engine, Missing};
        use super::*;

        fn text(report: &Report) -> String {
            let mut out = Vec::new();
            print(&mut out, report).unwrap();
            String::from_utf8(out).unwrap()
        }

        #[test]
        fn what_is_missing_comes_with_how_to_get_it() {
            let problem = Problem {
                what: String::from("libcuda"),
                why: String::from("it was not found"),
                how_to_get_it: "Install the driver ".repeat(10),
                fatal: true,
            };
            let machine = ebt_cuda::ProbeReport { problems: vec![problem], ..ebt_cuda::ProbeReport::default() };
            let (version, file) = (String::from("MPICH 5.0.2"), Some("/opt/lib/libmpi_abi.so.1".into()));
            let missing =
                Missing { what: "NCCL", why: String::from("it is lost"), how_to_get_it: String::from("Look.") };
            let ranks = Engines { mpi: vec![Engine { version, file }], nccl: None, missing: vec![missing] };
            let text = text(&Report { usable: false, cuda: true, machine, ranks, kernels: None });
            assert!(
                text.contains("MPI        MPICH 5.0.2      /opt/lib/libmpi_abi.so.1\nNCCL       not found\n"),
                "{text}"
            );
            assert!(text.contains("To train with several processes\n  NCCL: it is lost\n      Look.\n"), "{text}");
            assert!(
                text.contains("driver     not found\n") && text.contains("In the way\n  libcuda: it was not found\n")
            );
            assert!(text.lines().all(|line| line.len() <= 110) && text.matches("Install").count() == 10, "{text}");
            assert!(text.ends_with("No GPU can be used: the CPU can.\n"));
        }
    }
}
