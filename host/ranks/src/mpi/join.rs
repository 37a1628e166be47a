//! Ranks of MPI find the control channel: MPI itself carries where rank 0 listens.

use std::hash::{BuildHasher as _, RandomState};
use std::net::TcpListener;

use anyhow::{Context as _, Result, bail, ensure};

use super::Mpi;
use crate::collective::Collective as _;
use crate::control::{Control, OnLoss, listen, own_address};
use crate::launch::{Environment, Family, World};

/// Bytes that carry where rank 0 listens and the secret of the job, or why there is neither.
const LETTER: usize = 1024;

/// Starts MPI and the channel. The world comes back with what rank 0 told.
///
/// # Errors
///
/// As those of [`Mpi::start`] and [`Control::start`]; what rank 0 cannot do is an error on all ranks.
pub fn join(
    mut world: World,
    family: Family,
    version: &str,
    env: Environment,
    on_loss: OnLoss,
) -> Result<(Mpi, Control, World)> {
    let mpi = Mpi::start(family, world.place, env)?;
    let (mut letter, mut listener) = (vec![0; LETTER], None);
    if world.place.is_first() {
        let text = match listen_anywhere(&world) {
            Ok((heard, address, port, secret)) => {
                listener = Some(heard);
                format!("{address}\n{port}\n{secret}")
            }
            Err(error) => format!("\n\n{error:#}"),
        };
        let length = text.len().min(LETTER);
        letter[..length].copy_from_slice(&text.as_bytes()[..length]);
    }
    mpi.broadcast(&mut letter)?;
    let text = String::from_utf8_lossy(&letter);
    let mut parts = text.trim_end_matches('\0').splitn(3, '\n');
    let (address, port) = (parts.next().unwrap_or_default(), parts.next().and_then(|port| port.parse().ok()));
    let rest = parts.next().unwrap_or_default().to_owned();
    let Some(port) = port else { bail!("{rest}") };
    world.secret = Some(rest);
    let control = Control::start(&world, (address, port), listener, version, on_loss)?;
    world.master = Some((address.to_owned(), port));
    Ok((mpi, control, world))
}

/// Listens at any free port of the address that is given or found: listener, address, port and the job's secret.
fn listen_anywhere(world: &World) -> Result<(TcpListener, String, u16, String)> {
    let elsewhere = world.local_world < world.place.world;
    let address = match &world.master {
        Some((address, _)) => address.clone(),
        None if elsewhere => own_address()?.to_string(),
        None => "127.0.0.1".to_owned(),
    };
    let listener = listen(&address, 0, elsewhere)?;
    let at = listener.local_addr().context("the port at which rank 0 listens is not known")?;
    let secret = world.secret.clone().unwrap_or_else(secret);
    ensure!(secret.len() <= LETTER / 2, "EBT_JOB_SECRET is longer than {} bytes: take a shorter one", LETTER / 2);
    Ok((listener, at.ip().to_string(), at.port(), secret))
}

/// What nobody guesses: the system draws the keys of a process's tables.
fn secret() -> String {
    let drawn = || RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}", drawn(), drawn())
}
