//! Who was started, and by what: read from the environment of this process.
//!
//! | started by | read |
//! |---|---|
//! | `mpirun` of Open MPI | `OMPI_COMM_WORLD_{RANK,SIZE,LOCAL_RANK,LOCAL_SIZE}` |
//! | `mpirun` of MPICH, Intel MPI; `srun --mpi=pmi2` | `PMI_{RANK,SIZE}`, `MPI_LOCALRANKID`, `MPI_LOCALNRANKS` |
//! | `srun --mpi=pmix` | `PMIX_RANK`, and what `srun` sets |
//! | `torchrun`, and what does as it does | `RANK`, `WORLD_SIZE`, `LOCAL_RANK`, `LOCAL_WORLD_SIZE`, `MASTER_ADDR`, `MASTER_PORT` |
//! | `srun` | in steps only: `SLURM_{PROCID,NTASKS,LOCALID,NODEID,STEP_NODELIST,JOB_ID,TASKS_PER_NODE}` |
//!
//! Of several the first that is there counts. Others that contradict it are refused, but for those of what merely started
//! the launcher: `mpirun` and `torchrun` inside of a step of Slurm.

mod read;

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

pub use self::read::Environment;
use self::read::{Found, first_node, number};
use crate::Place;

/// The flag `--ranks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ranks {
    /// What the environment says.
    #[default]
    Auto,
    /// This process is alone, whatever the environment says.
    Off,
}

impl FromStr for Ranks {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            _ => bail!("`{text}` is neither auto nor off"),
        }
    }
}

/// What a launcher and a library of MPI speak to each other; both must be of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `mpirun` of Open MPI.
    OpenMpi,
    /// PMI: `mpirun` of MPICH and of what comes from it, `srun --mpi=pmi2`.
    Pmi,
    /// PMIx without Open MPI's own launcher: `srun --mpi=pmix`. Libraries of either family may speak it.
    Pmix,
}

impl Family {
    /// The launcher in the words of a sentence.
    pub fn launcher(self) -> &'static str {
        match self {
            Self::OpenMpi => "mpirun of Open MPI",
            Self::Pmi => "a launcher of MPICH's family (mpirun, or srun --mpi=pmi2)",
            Self::Pmix => "srun --mpi=pmix",
        }
    }
}

/// What the processes were started by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// There is one process.
    Alone,
    /// A launcher of MPI, which also carries what ranks exchange.
    Mpi(Family),
    /// `torchrun`, or variables of its names.
    Env,
    /// `srun` without MPI.
    Slurm,
}

/// The processes that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World {
    /// This process among all.
    pub place: Place,
    /// This process among those of its machine: which GPU is its own.
    pub local_rank: usize,
    /// Processes on this machine, 1 where the launcher does not tell.
    pub local_world: usize,
    /// What started them.
    pub how: How,
    /// Address of rank 0's machine and a port there. Under MPI the port is 0 and the address may be missing: rank 0 finds
    /// both, and MPI carries them.
    pub master: Option<(String, u16)>,
    /// What ranks of this job know and other processes do not; under MPI, where none is given, rank 0 makes one.
    pub secret: Option<String>,
    /// How long a rank may be silent until it counts as dead (`EBT_RANK_TIMEOUT`, in seconds; 30 otherwise). Four times as
    /// long all wait for each other at the start.
    pub timeout: Duration,
}

impl World {
    /// One process.
    pub fn alone() -> Self {
        let (local_rank, local_world, timeout) = (0, 1, Duration::from_secs(30));
        Self { place: Place::ALONE, local_rank, local_world, how: How::Alone, master: None, secret: None, timeout }
    }

    /// The processes that the environment tells of.
    ///
    /// # Errors
    ///
    /// Numbers that are none or do not fit each other, launchers that contradict each other, and what is missing to find
    /// rank 0. Every message says what to do.
    pub fn find(ranks: Ranks, env: Environment) -> Result<Self> {
        let timeout = match number(env, "EBT_RANK_TIMEOUT")? {
            Some(0) => bail!("EBT_RANK_TIMEOUT=0: give the seconds after which a silent rank counts as dead"),
            seconds => Duration::from_secs(seconds.unwrap_or(30) as u64),
        };
        let alone = Self { timeout, ..Self::alone() };
        if ranks == Ranks::Off {
            return Ok(alone);
        }
        let open_mpi = Found::open_mpi(env)?;
        let pmi = Found::pmi(env)?;
        let slurm = Found::slurm(env)?;
        let torch = Found::torch(env)?;
        // a step of Slurm starts what starts the ranks where these were not started by itself
        let nested = env("TORCHELASTIC_RUN_ID").is_some();
        if let (Some(a), Some(b), None) = (&open_mpi, &pmi, &slurm) {
            a.agrees_with(b)?;
        }
        let pmix = slurm.clone().filter(|_| env("PMIX_RANK").is_some());
        let by_mpi = [(open_mpi, Family::OpenMpi), (pmi, Family::Pmi), (pmix, Family::Pmix)];
        let by_mpi = by_mpi.into_iter().find_map(|(found, family)| found.map(|found| (found, How::Mpi(family))));
        let outer = by_mpi.or(slurm.map(|found| (found, How::Slurm)));
        let (found, how) = match (outer, torch) {
            (Some((_, How::Slurm)), Some(torch)) if nested => (torch, How::Env),
            (Some((found, how)), Some(torch)) => {
                found.agrees_with(&torch)?;
                if how == How::Slurm { (torch, How::Env) } else { (found, how) }
            }
            (Some((found, how)), None) => {
                found.agrees_with_single(env, "RANK", found.rank)?;
                found.agrees_with_single(env, "WORLD_SIZE", found.world)?;
                (found, how)
            }
            (None, Some(torch)) => (torch, How::Env),
            (None, None) => return Ok(alone),
        };
        if found.world == 1 {
            return Ok(alone);
        }
        let place = Place { rank: found.rank, world: found.world };
        let (local_rank, local_world) = found.local.unwrap_or((0, 1));
        let master = master(env, how, local_world == place.world)?;
        let secret = env("EBT_JOB_SECRET").or_else(|| secret(env, how, master.as_ref()));
        Ok(Self { place, local_rank, local_world, how, master, secret, timeout })
    }

    /// Refuses to compute on the processor where no MPI carries what ranks exchange.
    ///
    /// # Errors
    ///
    /// Several processes that no launcher of MPI started: the message says the command.
    pub fn check_processor(&self) -> Result<()> {
        let by = match self.how {
            How::Alone | How::Mpi(_) => return Ok(()),
            How::Env => "RANK and WORLD_SIZE, as torchrun sets them,",
            How::Slurm => "srun without MPI",
        };
        let n = self.place.world;
        bail!(
            "{by} can join {n} processes on GPUs only; on the processor MPI joins them: put `mpirun -n {n}` before the \
             command instead, or `srun --mpi=pmi2 -n {n}` (`--mpi=pmix` for Open MPI), or say --ranks off for one process \
             alone"
        )
    }
}

/// Where rank 0 is to be found.
fn master(env: Environment, how: How, one_machine: bool) -> Result<Option<(String, u16)>> {
    let port = |name: &str| -> Result<Option<u16>> {
        let Some(port) = number(env, name)? else { return Ok(None) };
        let port = u16::try_from(port).ok().filter(|port| *port > 0);
        port.map(Some).with_context(|| format!("{name} is no port: give a number from 1 to 65535"))
    };
    let address = env("MASTER_ADDR").filter(|address| !address.is_empty());
    let (own, given) = (port("EBT_MASTER_PORT")?, port("MASTER_PORT")?);
    match how {
        How::Alone => Ok(None),
        How::Mpi(_) => Ok(address.map(|address| (address, 0))),
        How::Env => {
            let (Some(address), Some(given)) = (address, given) else {
                bail!(
                    "RANK and WORLD_SIZE are set, but not both MASTER_ADDR and MASTER_PORT: set them to the address of \
                     rank 0's machine and to a free port there, or say --ranks off"
                );
            };
            // torchrun itself listens at the port that it names
            let taken = env("TORCHELASTIC_USE_AGENT_STORE").as_deref() == Some("True");
            let next = if taken { given.checked_add(1).unwrap_or(given - 1) } else { given };
            Ok(Some((address, own.unwrap_or(next))))
        }
        How::Slurm => {
            let first = || env("SLURM_STEP_NODELIST").and_then(|list| first_node(&list));
            let address = address.or_else(|| if one_machine { Some("127.0.0.1".to_owned()) } else { first() });
            let address = address.context(
                "SLURM_STEP_NODELIST names no machine: set MASTER_ADDR to the address of the first one, or say --ranks off",
            )?;
            let job = number(env, "SLURM_JOB_ID")?.unwrap_or(0);
            Ok(Some((address, own.or(given).unwrap_or((20_000 + job % 20_000) as u16))))
        }
    }
}

/// What the launcher gives a job alone. Whoever listens on the network learns it.
fn secret(env: Environment, how: How, master: Option<&(String, u16)>) -> Option<String> {
    let value = |name| env(name).unwrap_or_default();
    match how {
        How::Alone | How::Mpi(_) => None,
        How::Env => master.map(|(address, port)| format!("{} at {address}:{port}", value("TORCHELASTIC_RUN_ID"))),
        How::Slurm => Some(format!("step {}.{}", value("SLURM_JOB_ID"), value("SLURM_STEP_ID"))),
    }
}

#[cfg(test)]
mod tests;
