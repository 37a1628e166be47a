//! From what the environment says to ranks that are joined.

use std::rc::Rc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::control::{Control, OnLoss, Values, listen};
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
            let listener = world.place.is_first().then(|| listen(&address, port, elsewhere)).transpose()?;
            let control = Rc::new(Control::start(&world, (&address, port), listener, version, on_loss)?);
            let collective = Rc::new(Values::new(Rc::clone(&control)));
            Ok(Joined { collective, control, world, engine: None })
        }
    }
}

/// Where rank 0 listens, and the secret of the job.
const LETTER: usize = 1024;

#[cfg(unix)]
fn by_mpi(mut world: World, family: Family, version: &str, env: Environment, on_loss: OnLoss) -> Result<Joined> {
    let mpi = crate::mpi::Mpi::start(family, world.place, env)?;
    let engine = Some(mpi.version().to_owned());
    let (mut letter, mut listener) = (vec![0; LETTER], None);
    // what rank 0 cannot do it says to the others, who wait for it
    if world.place.is_first() {
        match listen_anywhere(&world) {
            Ok((heard, address, port)) => {
                let secret = world.secret.take().unwrap_or_else(secret);
                write(&mut letter, &format!("{address}\n{port}\n{secret}"))?;
                listener = Some(heard);
            }
            Err(error) => write(&mut letter, &format!("\n\n{error:#}"))?,
        }
    }
    mpi.broadcast(&mut letter)?;
    let text = String::from_utf8_lossy(&letter);
    let mut parts = text.trim_end_matches('\0').splitn(3, '\n');
    let (address, port) = (parts.next().unwrap_or_default(), parts.next().and_then(|port| port.parse().ok()));
    let rest = parts.next().unwrap_or_default().to_owned();
    let Some(port) = port else { bail!("{rest}") };
    world.secret = Some(rest);
    let control = Rc::new(Control::start(&world, (address, port), listener, version, on_loss)?);
    world.master = Some((address.to_owned(), port));
    Ok(Joined { collective: Rc::new(mpi), control, world, engine })
}

#[cfg(not(unix))]
fn by_mpi(_: World, family: Family, _: &str, _: Environment, _: OnLoss) -> Result<Joined> {
    bail!("{} started this, and MPI is not supported on this system: say --ranks off", family.launcher())
}

/// Listens at any free port of the address that is given or found.
#[cfg(unix)]
fn listen_anywhere(world: &World) -> Result<(std::net::TcpListener, String, u16)> {
    let elsewhere = world.local_world < world.place.world;
    let address = match &world.master {
        Some((address, _)) => address.clone(),
        None if elsewhere => crate::control::own_address()?.to_string(),
        None => "127.0.0.1".to_owned(),
    };
    let listener = listen(&address, 0, elsewhere)?;
    let at = listener.local_addr().context("the port at which rank 0 listens is not known")?;
    Ok((listener, at.ip().to_string(), at.port()))
}

#[cfg(unix)]
fn write(letter: &mut [u8], text: &str) -> Result<()> {
    match letter.get_mut(..text.len()) {
        Some(place) => place.copy_from_slice(text.as_bytes()),
        None => bail!("EBT_JOB_SECRET is longer than some {LETTER} bytes: take a shorter one"),
    }
    Ok(())
}

/// What nobody guesses: keys that the system draws for a process's tables.
#[cfg(unix)]
fn secret() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    let drawn = || RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}", drawn(), drawn())
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
