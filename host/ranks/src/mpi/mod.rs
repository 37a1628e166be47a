//! Ranks that MPI joins, by a library that is opened when the program runs.

// the functions of a library that is found at run time are called through their addresses
#![allow(unsafe_code)]

mod abi;
mod join;
mod library;
mod pieces;

use std::ffi::c_int;
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use anyhow::{Result, bail, ensure};

pub use self::join::join;
pub use self::library::Found;
use self::library::Library;
use self::pieces::LIMIT;
use crate::collective::{Collective, Lost};
use crate::launch::{Environment, Family};
use crate::place::{Place, check_parts};
use crate::sum::Scratch;

/// All processes that one launcher of MPI started.
///
/// MPI is called by the thread that started it alone.
pub struct Mpi {
    library: Library,
    place: Place,
    scratch: Scratch,
    /// Stays in its thread.
    _here: PhantomData<*const ()>,
}

/// The libraries of MPI on this machine, those that `EBT_MPI_LIB` and the launcher on the path name first.
pub fn survey(env: Environment) -> Vec<Found> {
    Library::survey(env)
}

impl Mpi {
    /// Starts MPI. It can be started once in a process.
    ///
    /// # Errors
    ///
    /// No library fits the launcher, or it finds other ranks than the launcher promised; a sentence says what to do.
    pub fn start(family: Family, promised: Place, env: Environment) -> Result<Self> {
        let library = Library::find(family, env)?;
        let mut provided: c_int = 0;
        let none = std::ptr::null_mut();
        // SAFETY: MPI takes null for the arguments of the program; the level is one of its constants
        let code =
            unsafe { (library.functions.init_thread)(none, none.cast(), library.constants.funneled, &mut provided) };
        ensure!(
            code == 0,
            "{} ({}) does not start: see whether its mpirun started this program",
            library.version,
            library.name.display()
        );
        let (mut rank, mut world): (c_int, c_int) = (0, 1);
        let (functions, constants) = (&library.functions, &library.constants);
        // SAFETY: MPI is started, and the handles are its own
        let codes = unsafe {
            [
                (functions.set_errors)(constants.world, constants.errors_return),
                (functions.rank)(constants.world, &mut rank),
                (functions.size)(constants.world, &mut world),
            ]
        };
        ensure!(codes == [0; 3], "{} does not tell its ranks", library.version);
        let place = Place { rank: usize::try_from(rank).unwrap_or(0), world: usize::try_from(world).unwrap_or(0) };
        let mpi = Self { library, place, scratch: Scratch::default(), _here: PhantomData };
        if place != promised {
            bail!(mpi.not_found(family, promised));
        }
        Ok(mpi)
    }

    /// Why others are found than were promised, and what helps.
    fn not_found(&self, family: Family, promised: Place) -> String {
        let (n, version, file) = (promised.world, &self.library.version, self.library.name.display());
        let found = match self.place.world {
            world if world == n => "other ranks".to_owned(),
            world => world.to_string(),
        };
        let slurm = if self.library.is_open_mpi() { "pmix" } else { "pmi2" };
        format!(
            "{} started {n} processes, and {version} ({file}) finds {found}: it is the library of another launcher. Start \
             with its own `mpirun -n {n}` or with `srun --mpi={slurm} -n {n}`, or name the launcher's library in EBT_MPI_LIB",
            family.launcher()
        )
    }

    /// What the library calls itself: `MPICH 5.0.2`.
    pub fn version(&self) -> &str {
        &self.library.version
    }

    /// The library's file, or the name by which the system found it.
    pub fn file(&self) -> &Path {
        &self.library.name
    }

    /// Turns an error code into a sentence.
    fn check(&self, function: &str, code: c_int) -> Result<(), Lost> {
        if code == 0 {
            return Ok(());
        }
        // SAFETY: MPI is started; the buffer is longer than MPI_MAX_ERROR_STRING of every library
        let why = library::text(|to, length| unsafe { (self.library.functions.error_string)(code, to, length) });
        Err(Lost(format!("{function} of {} failed on rank {}: {why}", self.library.version, self.place.rank)))
    }
}

/// A count of MPI; what is counted is at most [`LIMIT`].
fn count(length: usize) -> c_int {
    length as c_int
}

impl Collective for Mpi {
    fn place(&self) -> Place {
        self.place
    }

    fn exchange(&self, send: &[u8], into: &mut [u8]) -> Result<(), Lost> {
        check_parts(self.place, into.len(), None);
        check_parts(self.place, send.len(), Some(into.len() / self.place.world));
        let (f, c) = (&self.library.functions, &self.library.constants);
        pieces::exchange(self.place.world, send, into, LIMIT, |send, into| {
            let part = count(send.len() / self.place.world);
            let (from, to) = (send.as_ptr().cast(), into.as_mut_ptr().cast());
            // SAFETY: both buffers hold a part for every rank
            self.check("MPI_Alltoall", unsafe { (f.all_to_all)(from, part, c.byte, to, part, c.byte, c.world) })
        })
    }

    fn gather(&self, mine: &[u8], all: &mut [u8]) -> Result<(), Lost> {
        check_parts(self.place, all.len(), Some(mine.len()));
        let (f, c) = (&self.library.functions, &self.library.constants);
        pieces::gather(self.place.world, mine, all, LIMIT, |mine, all| {
            let part = count(mine.len());
            let (from, to) = (mine.as_ptr().cast(), all.as_mut_ptr().cast());
            // SAFETY: one buffer holds a part, the other one for every rank
            self.check("MPI_Allgather", unsafe { (f.all_gather)(from, part, c.byte, to, part, c.byte, c.world) })
        })
    }

    fn broadcast(&self, bytes: &mut [u8]) -> Result<(), Lost> {
        let (f, c) = (&self.library.functions, &self.library.constants);
        bytes.chunks_mut(LIMIT).try_for_each(|bytes| {
            let (to, length) = (bytes.as_mut_ptr().cast(), count(bytes.len()));
            // SAFETY: the buffer has this length
            self.check("MPI_Bcast", unsafe { (f.broadcast)(to, length, c.byte, 0, c.world) })
        })
    }

    fn all_reduce(&self, values: &mut [f32]) -> Result<(), Lost> {
        let (f, c) = (&self.library.functions, &self.library.constants);
        values.chunks_mut(LIMIT / size_of::<f32>()).try_for_each(|values| {
            let (to, length) = (values.as_mut_ptr().cast(), count(values.len()));
            // SAFETY: the buffer has this length, and what it holds is summed where it lies
            let code = unsafe { (f.all_reduce)(c.in_place, to, length, c.float, c.sum, c.world) };
            self.check("MPI_Allreduce", code)
        })
    }

    /// Waits until all others are at their end too (`MPI_Finalize`).
    fn finish(&self) -> Result<(), Lost> {
        // SAFETY: MPI is started, and what is called after its end fails by the contract of the trait
        match unsafe { (self.library.functions.finalize)() } {
            0 => Ok(()),
            _ => Err(Lost(format!("{} does not end well on rank {}", self.library.version, self.place.rank))),
        }
    }

    /// Ends all processes of the launcher, this one too.
    fn abandon(&self, _why: &str) {
        // SAFETY: MPI is started. It does not return in the libraries that are known
        unsafe { (self.library.functions.abort)(self.library.constants.world, 1) };
    }

    fn scratch(&self) -> &Scratch {
        &self.scratch
    }
}

impl fmt::Debug for Mpi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mpi").field("place", &self.place).field("version", &self.version()).finish_non_exhaustive()
    }
}
