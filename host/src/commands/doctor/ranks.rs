//! What joins processes that train together: libraries of MPI on the processor, NCCL on GPUs. One process needs neither.

use std::io::{self, Write};
use std::path::PathBuf;

use serde::Serialize;

use super::lines::lines;

/// What joins processes on this machine.
#[derive(Debug, Default, Serialize)]
pub struct Engines {
    /// Every library of MPI that is found.
    pub mpi: Vec<Engine>,
    /// NCCL, on builds for GPUs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nccl: Option<Engine>,
    /// What is not found.
    pub missing: Vec<Missing>,
}

/// A library.
#[derive(Debug, Serialize)]
pub struct Engine {
    /// What it calls itself: `MPICH 5.0.2`.
    pub version: String,
    /// Its file, or the name by which the system found it.
    pub file: Option<PathBuf>,
}

/// What is missing where processes are to train together.
#[derive(Debug, Serialize)]
pub struct Missing {
    /// The engine.
    pub what: &'static str,
    /// Why it cannot be used.
    pub why: String,
    /// What to do about it.
    pub how_to_get_it: String,
}

impl Engines {
    /// Looks for them.
    pub fn find() -> Self {
        let mut found = Self { mpi: mpi(), ..Self::default() };
        if found.mpi.is_empty() {
            found.missing.push(Missing {
                what: "MPI",
                why: String::from(NO_MPI),
                how_to_get_it: String::from(GET_MPI),
            });
        }
        #[cfg(feature = "cuda")]
        match ebt_cuda::nccl() {
            Ok(nccl) => found.nccl = Some(Engine { version: format!("NCCL {}", nccl.version), file: nccl.path }),
            Err(problem) => {
                found.missing.push(Missing { what: "NCCL", why: problem.why, how_to_get_it: problem.how_to_get_it })
            }
        }
        found
    }

    /// A line for each.
    pub fn print(&self, out: &mut impl Write) -> io::Result<()> {
        for (what, found) in self.mpi.iter().map(|mpi| ("MPI", mpi)).chain(self.nccl.iter().map(|nccl| ("NCCL", nccl)))
        {
            let file = found.file.as_deref().map_or_else(String::new, |file| file.display().to_string());
            writeln!(out, "{}", format!("{what:10} {:16} {file}", found.version).trim_end())?;
        }
        for missing in &self.missing {
            writeln!(out, "{:10} not found", missing.what)?;
        }
        Ok(())
    }

    /// What is missing, and how to get it.
    pub fn print_missing(&self, out: &mut impl Write) -> io::Result<()> {
        let entries = self.missing.iter().map(|missing| (missing.what, &*missing.why, &*missing.how_to_get_it));
        lines(out, "To train with several processes", entries)
    }
}

#[cfg(unix)]
const NO_MPI: &str = "no library of it was found beside mpirun or where the system looks";
#[cfg(not(unix))]
const NO_MPI: &str = "it is not supported on this system";

#[cfg(unix)]
const GET_MPI: &str = "Processes on processors need MPI: `apt install mpich` (or `openmpi-bin`) on Debian and Ubuntu, or without \
                       root `pip install mpich`; set EBT_MPI_LIB to its file if it lies elsewhere";
#[cfg(not(unix))]
const GET_MPI: &str = "One process uses all cores of this machine";

#[cfg(unix)]
fn mpi() -> Vec<Engine> {
    let found = ebt_ranks::mpi::survey(&|name| std::env::var(name).ok());
    found.into_iter().map(|found| Engine { version: found.version, file: Some(found.file) }).collect()
}

#[cfg(not(unix))]
fn mpi() -> Vec<Engine> {
    Vec::new()
}
