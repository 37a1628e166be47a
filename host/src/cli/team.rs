//! The processes that a launcher started to do one command together.

use std::path::PathBuf;
use std::process;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::thread;

use anyhow::Result;
use ebt_data::progress::{Progress, Stretch, eprint_line};
use ebt_device::{Device, Ranks};
use ebt_ranks::launch::Ranks as Wanted;
use ebt_ranks::{Joined, Lost, Place, World, join};
use ebt_train::checkpoint::Store;
use ebt_train::session::resume_command;

/// The flag that says whether this process belongs to others.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct RanksArgs {
    /// Compute as one of the processes that mpirun, srun or torchrun started (auto), or alone (off)
    #[arg(long, value_name = "auto|off", default_value = "auto")]
    ranks: Wanted,
}

/// Where a run is saved, once that is known: whoever ends early says it.
type Saved = Arc<OnceLock<PathBuf>>;

/// One of the processes.
#[derive(Debug)]
pub struct Team {
    joined: Joined,
    saved: Saved,
}

impl RanksArgs {
    /// Finds the others.
    ///
    /// # Errors
    ///
    /// A launcher that contradicts itself, and others that are not found; the message says the command that would work.
    pub fn join(self) -> Result<Team> {
        let env = |name: &str| std::env::var(name).ok();
        let world = World::find(self.ranks, &env)?;
        let saved = Saved::default();
        let (place, told) = (world.place, Arc::clone(&saved));
        let on_loss = Box::new(move |lost: &Lost| {
            if speaks(place, lost) {
                eprint_line(format_args!("error: {lost}{}", remains(&told)));
            }
            // whoever waits for the lost one waits for ever, destructors too
            process::exit(1)
        });
        let joined = join(world, env!("CARGO_PKG_VERSION"), &env, on_loss)?;
        Ok(Team { joined, saved })
    }
}

/// Whether it is this rank that says that somebody was lost: the first one, or where that is lost the second.
fn speaks(place: Place, lost: &Lost) -> bool {
    place.is_first() || place.rank == 1 && lost.0.starts_with("rank 0 ")
}

/// What is left of a run.
fn remains(saved: &Saved) -> String {
    let Some(out) = saved.get() else { return String::new() };
    match Store::new(out, 1).list().ok().and_then(|list| list.last().map(|(step, _)| *step)) {
        Some(step) => {
            format!("; the last checkpoint is of step {step}; go on with: {}", resume_command(out))
        }
        None => format!("; {} holds no checkpoint yet", out.display()),
    }
}

impl Team {
    /// Which of them this is.
    pub fn place(&self) -> Place {
        self.joined.world.place
    }

    /// Whether there are others.
    pub fn is_many(&self) -> bool {
        self.place().world > 1
    }

    /// What a device needs to know of them; `fast` sums or those of the canonical tree.
    pub fn ranks(&self, fast: bool) -> Ranks {
        let patience = 4 * self.joined.world.timeout;
        Ranks { collective: Rc::clone(&self.joined.collective), fast, patience, lost: self.joined.control.watch() }
    }

    /// Number of this one among those of its machine.
    pub fn local_rank(&self) -> usize {
        self.joined.world.local_rank
    }

    /// Machines that they are on, where the launcher tells how many are on one.
    pub fn machines(&self) -> usize {
        self.place().world.div_ceil(self.joined.world.local_world.max(1))
    }

    /// What carries sums between such devices: `MPICH 5.0.2`.
    pub fn engine_on(&self, device: &Device) -> String {
        match device {
            Device::Cpu { .. } => self.joined.engine.clone().unwrap_or_default(),
            #[cfg(feature = "cuda")]
            Device::Cuda(_) => {
                ebt_cuda::nccl().map_or_else(|why| why.to_string(), |nccl| format!("NCCL {}", nccl.version))
            }
        }
    }

    /// Threads of the processor for each of the ranks of a machine that has so many.
    pub fn share_of(&self, threads: usize) -> usize {
        (threads / self.joined.world.local_world.max(1)).max(1)
    }

    /// Refuses a device on which these processes cannot exchange gradients.
    ///
    /// # Errors
    ///
    /// The processor without MPI; the message says the command that would work.
    pub fn check(&self, device: &Device) -> Result<()> {
        match device {
            Device::Cpu { .. } => self.joined.world.check_processor(),
            #[cfg(feature = "cuda")]
            Device::Cuda(_) => Ok(()),
        }
    }

    /// The text of the first rank, on all.
    ///
    /// # Errors
    ///
    /// A rank that is lost.
    pub fn share(&self, name: &str, text: String) -> Result<String> {
        Ok(String::from_utf8(self.joined.control.broadcast(name, text.into_bytes())?)?)
    }

    /// Tells where the run is saved, for sentences about its end.
    pub fn saved_in(&self, out: PathBuf) {
        let _ = self.saved.set(out);
    }

    /// `work` of this rank; where it fails the others are told and end, too. Only the first rank says why.
    ///
    /// # Errors
    ///
    /// Those of `work`.
    pub fn run<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let done = work();
        if let Err(error) = &done
            && self.is_many()
        {
            // whoever is called for that says it, and ends the process
            while self.joined.control.lost_by_now().is_some() {
                thread::park();
            }
            let why = error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ");
            self.joined.control.last_words(&why);
            if !self.place().is_first() {
                process::exit(1);
            }
        }
        done
    }

    /// All have come to a good end, and wait here for each other.
    ///
    /// # Errors
    ///
    /// A rank that was lost after all.
    pub fn finish(self) -> Result<()> {
        Ok(self.joined.finish()?)
    }

    /// How many there are and what joins them, in a line.
    pub fn describe(&self, lanes: usize, fast: bool) -> String {
        let place = self.place();
        let machines = match self.machines() {
            1 => String::from("1 machine"),
            n => format!("{n} machines"),
        };
        let engine = self.joined.engine.as_ref().map_or_else(String::new, |engine| format!(" ({engine})"));
        let each = lanes / place.world;
        let plural = if each == 1 { "" } else { "s" };
        let sums = if fast { "sums as fast as may be" } else { "sums in fixed order" };
        format!("ranks: {} on {machines}{engine}, {each} lane{plural} each, {sums}", place.world)
    }

    /// Progress that tells the others what is being done, for sentences about who ends meanwhile.
    pub fn telling<'a>(&'a self, inner: Box<dyn Progress + Send>) -> Box<dyn Progress + 'a> {
        Box::new(Telling { inner, team: self })
    }
}

struct Telling<'a> {
    inner: Box<dyn Progress + Send>,
    team: &'a Team,
}

impl Progress for Telling<'_> {
    fn note(&mut self, text: &str) {
        self.inner.note(text);
    }
    fn begin(&mut self, stretch: Stretch) {
        self.inner.begin(stretch);
    }
    fn advance(&mut self, position: u64, message: &dyn Fn() -> String) {
        self.inner.advance(position, message);
    }
    fn stage(&mut self, text: &str) {
        self.inner.stage(text);
    }
    fn end(&mut self) {
        self.inner.end();
    }
    fn during(&mut self, what: &str) {
        self.team.joined.control.during(what);
    }
}
