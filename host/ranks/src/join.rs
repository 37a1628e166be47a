//! From what the environment says to ranks that are joined.

use std::rc::Rc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::control::{Control, OnLoss, Values, check_address, listen};
use crate::launch::{Environment, Family, How, World};
use crate::{Alone, Collective, Lost};

/// The ranks of a run, as one of them sees them. A rank ends by [`finish`](Self::finish) or by [`abandon`](Self::abandon).
#[derive(Debug)]
pub struct Joined {
    /// What carries exchanges between the memories of processes: MPI, or for small values alone the channel.
    pub collective: Rc<dyn Collective>,
    /// How ranks find each other and learn that one ended.
    pub control: Rc<Control>,
    /// Who belongs together.
    pub world: World,
    /// What carries exchanges, in words: `MPICH 5.0.2`.
    pub engine: Option<String>,
}

impl Joined {
    /// This rank is at a good end. What carries exchanges ends first, so that who ends in between is noticed.
    ///
    /// # Errors
    ///
    /// What carries exchanges does not end well.
    pub fn finish(&self) -> Result<(), Lost> {
        self.collective.finish()?;
        self.control.finish();
        Ok(())
    }

    /// All others end too, and are told why. Under MPI this does not return.
    pub fn abandon(&self, why: &str) {
        /// How long the others have to say why they end, before MPI kills them.
        const GRACE: Duration = Duration::from_millis(200);
        self.control.last_words(why);
        if matches!(self.world.how, How::Mpi(_)) {
            thread::sleep(GRACE);
            self.collective.abandon(why);
        }
    }
}

/// Joins the processes of a world. `version` is that of the program; `on_loss` is called once, on a thread of its own,
/// when a rank is lost, and may end the process.
///
/// # Errors
///
/// The others are not found, or do not fit; every message says what to do.
pub fn join(world: World, version: &str, env: Environment, on_loss: OnLoss) -> Result<Joined> {
    match world.how {
        How::Alone => {
            let control = Rc::new(Control::alone());
            Ok(Joined { collective: Rc::new(Alone::default()), control, world, engine: None })
        }
        How::Mpi(family) => by_mpi(world, family, version, env, on_loss),
        How::Env | How::Slurm => {
            let (address, port) =
                world.master.clone().context("the address of rank 0 is not known: set MASTER_ADDR")?;
            let elsewhere = world.local_world < world.place.world;
            if elsewhere {
                check_address(&address)?;
            }
            let listener = world.place.is_first().then(|| listen(&address, port, elsewhere)).transpose()?;
            let control = Rc::new(Control::start(&world, (&address, port), listener, version, on_loss)?);
            let collective = Rc::new(Values::new(Rc::clone(&control)));
            Ok(Joined { collective, control, world, engine: None })
        }
    }
}

#[cfg(unix)]
fn by_mpi(world: World, family: Family, version: &str, env: Environment, on_loss: OnLoss) -> Result<Joined> {
    let (mpi, control, world) = crate::mpi::join(world, family, version, env, on_loss)?;
    let engine = Some(mpi.version().to_owned());
    let control = Rc::new(control);
    Ok(Joined { collective: Rc::new(mpi), control, world, engine })
}

#[cfg(not(unix))]
fn by_mpi(_: World, family: Family, _: &str, _: Environment, _: OnLoss) -> Result<Joined> {
    anyhow::bail!("{} started this, and MPI is not supported on this system: say --ranks off", family.launcher())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Place;

    #[test]
    fn processes_without_mpi_are_joined_by_the_channel_alone() {
        let free = listen("127.0.0.1", 0, false).unwrap().local_addr().unwrap().port();
        let rank = |rank| {
            let place = Place { rank, world: 2 };
            let master = Some(("127.0.0.1".to_owned(), free));
            let world = World { place, local_rank: rank, local_world: 2, how: How::Env, master, ..World::alone() };
            let joined = join(world, "1", &|_| None, Box::new(|_| {})).unwrap();
            let said = joined.control.broadcast("id", vec![rank as u8 + 7; 128]).unwrap();
            joined.finish().unwrap();
            assert!(joined.engine.is_none());
            said
        };
        thread::scope(|scope| {
            let other = scope.spawn(|| rank(1));
            assert_eq!((rank(0), other.join().unwrap()), (vec![7; 128], vec![7; 128]));
        });
        let alone = join(World::alone(), "1", &|_| None, Box::new(|_| {})).unwrap();
        assert_eq!(alone.control.gather("x", &[1]).unwrap(), [[1]]);
        alone.finish().unwrap();
    }
}
