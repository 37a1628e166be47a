//! How all ranks find rank 0: it listens, they come, and nobody goes on until all are there.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};

use super::wire::{Hello, LONGEST, LONGEST_HELLO, Message, Peer};

/// How long somebody who connected may wait with the first words.
const FIRST_WORDS: Duration = Duration::from_secs(5);
/// How long is waited from one look to the next.
const PAUSE: Duration = Duration::from_millis(10);

/// Listens at an address of this machine, and nowhere else; port 0 is any free one.
///
/// # Errors
///
/// An address that is not of this machine, or that others cannot reach though ranks run `elsewhere`; a port that is taken.
pub fn listen(address: &str, port: u16, elsewhere: bool) -> Result<TcpListener> {
    let here = machine();
    let found = resolve(address, port)?;
    let at = if elsewhere { reachable(address, &found)? } else { found.first() };
    let at = at.with_context(|| format!("{address} is nothing on {here}: set MASTER_ADDR to an address"))?;
    TcpListener::bind(at).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => anyhow!(
            "port {port} of {address} is taken by another program: set MASTER_PORT (or EBT_MASTER_PORT) to a free one"
        ),
        ErrorKind::AddrNotAvailable => anyhow!(
            "{address} ({}) is not an address of {here}, where rank 0 runs: set MASTER_ADDR to one that is",
            at.ip()
        ),
        _ => anyhow!(error).context(format!("rank 0 cannot listen at {address}, port {port}")),
    })
}

/// The first of the addresses of rank 0 that another machine can reach.
///
/// # Errors
///
/// All of them are those by which every machine calls itself.
fn reachable<'a>(address: &str, found: &'a [SocketAddr]) -> Result<Option<&'a SocketAddr>> {
    let at = found.iter().find(|at| !at.ip().is_loopback());
    if let (None, Some(own)) = (at, found.first()) {
        bail!(
            "{address} is {} on {}, which other machines cannot reach: set MASTER_ADDR to the address of rank 0's machine \
             in the network (torchrun: --local-addr there, or --master-addr)",
            own.ip(),
            machine()
        );
    }
    Ok(at)
}

/// Refuses an address by which ranks of several machines cannot find rank 0. One that is not known yet may be later.
///
/// # Errors
///
/// It is one by which every machine calls itself.
pub fn check_address(address: &str) -> Result<()> {
    reachable(address, &resolve(address, 0).unwrap_or_default()).map(|_| ())
}

fn resolve(address: &str, port: u16) -> Result<Vec<SocketAddr>> {
    let found = (address, port).to_socket_addrs();
    found
        .map(Iterator::collect)
        .with_context(|| format!("no machine named {address} is known: set MASTER_ADDR to an address"))
}

/// The address by which other machines reach this one, as far as it can be known without asking them.
///
/// # Errors
///
/// None is found.
pub fn own_address() -> Result<IpAddr> {
    let here = machine();
    let by_name = (&*here, 0).to_socket_addrs().into_iter().flatten().map(|at| at.ip()).find(|ip| !ip.is_loopback());
    // no packet is sent by this: the system says which of its addresses it would take
    let by_route = || {
        let socket = std::net::UdpSocket::bind(("0.0.0.0", 0)).ok()?;
        socket.connect(("192.0.2.1", 9)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    by_name.or_else(by_route).with_context(|| {
        format!("no address of {here} in the network is known: set MASTER_ADDR to that of the machine of rank 0")
    })
}

/// Waits for all other ranks, and tells each that all are there. Their streams come back in the order of ranks, without 0.
///
/// # Errors
///
/// Ranks that did not come in time, or do not fit this job; those that came are told.
pub fn gather(listener: &TcpListener, me: &Hello, patience: Duration) -> Result<Vec<(Peer, TcpStream)>> {
    let mut there: Vec<Option<(Peer, TcpStream)>> = (1..me.world).map(|_| None).collect();
    let end = Instant::now() + patience;
    let all = loop {
        if there.iter().all(Option::is_some) {
            break Ok(());
        }
        match accept(listener, me, &mut there, end) {
            Ok(true) => {}
            Ok(false) => break Err(anyhow!(missing(listener, &there, patience))),
            Err(error) => break Err(error),
        }
    };
    let answer = match &all {
        Ok(()) => Message::Welcome(me.peer.clone()),
        Err(error) => Message::Refused(error.to_string()),
    };
    for (_, stream) in there.iter().flatten() {
        // who is gone by now is noticed by whoever listens to it
        let _ = answer.write(stream);
    }
    all.map(|()| there.into_iter().flatten().collect())
}

/// Takes the next who comes, if it is of this job; false if nobody came until the end.
fn accept(listener: &TcpListener, me: &Hello, there: &mut [Option<(Peer, TcpStream)>], end: Instant) -> Result<bool> {
    listener.set_nonblocking(true).context("rank 0 cannot wait for the others")?;
    let stream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(_) if Instant::now() < end => thread::sleep(PAUSE),
            Err(_) => return Ok(false),
        }
    };
    let first = stream.set_nonblocking(false).and_then(|()| stream.set_nodelay(true));
    let first = first.and_then(|()| stream.set_read_timeout(Some(FIRST_WORDS)));
    // whoever says something else is no rank
    let Ok(Message::Hello(hello)) = first.and_then(|()| Message::read(&stream, LONGEST_HELLO)) else { return Ok(true) };
    let refuse = |why: &str| {
        let _ = Message::Refused(why.to_owned()).write(&stream);
    };
    if hello.secret != me.secret {
        refuse("rank 0 of another job listens there: set MASTER_PORT (or EBT_MASTER_PORT) to a port of this job's own");
        return Ok(true);
    }
    let check = check(&hello, me, there);
    if let Err(error) = &check {
        refuse(&error.to_string());
    }
    check?;
    if let Some(place) = hello.peer.rank.checked_sub(1).and_then(|at| there.get_mut(at)) {
        *place = Some((hello.peer, stream));
    }
    Ok(true)
}

/// Whether a rank fits the others.
fn check(hello: &Hello, me: &Hello, there: &[Option<(Peer, TcpStream)>]) -> Result<()> {
    let (peer, rank) = (&hello.peer, hello.peer.rank);
    ensure!(
        hello.version == me.version,
        "{peer} is {}, and {} is {}: install the same program on all machines",
        hello.version,
        me.peer,
        me.version
    );
    ensure!(
        hello.world == me.world,
        "{peer} is one of {} ranks, and {} one of {}: start all by one command",
        hello.world,
        me.peer,
        me.world
    );
    let other = match rank.checked_sub(1).map(|at| there.get(at)) {
        None => Some(&me.peer),
        Some(None) => bail!("{peer} is none of {} ranks: start all by one command", me.world),
        Some(Some(there)) => there.as_ref().map(|(peer, _)| peer),
    };
    match other {
        Some(other) => bail!("{other} and {peer} say that they are the same rank: start all by one command"),
        None => Ok(()),
    }
}

/// Who did not come.
fn missing(listener: &TcpListener, there: &[Option<(Peer, TcpStream)>], patience: Duration) -> String {
    let missing: Vec<String> =
        there.iter().enumerate().filter(|(_, there)| there.is_none()).map(|(at, _)| (at + 1).to_string()).collect();
    let (ranks, shown) = (if missing.len() == 1 { "rank" } else { "ranks" }, missing.len().min(8));
    let more = if missing.len() > shown { format!(" and {} more", missing.len() - shown) } else { String::new() };
    let at = listener.local_addr().map_or_else(|_| "rank 0".to_owned(), |at| at.to_string());
    format!(
        "{ranks} {}{more} did not come to {at} within {} s: see whether they were started, and can reach that address",
        missing[..shown].join(", "),
        patience.as_secs_f32()
    )
}

/// Goes to rank 0, and waits until all are there.
///
/// # Errors
///
/// Rank 0 is not to be reached in time, or refuses.
pub fn join(address: &str, port: u16, me: &Hello, patience: Duration) -> Result<(Peer, TcpStream)> {
    let (end, hello) = (Instant::now() + patience, Message::Hello(me.clone()));
    loop {
        let left = end.saturating_duration_since(Instant::now());
        ensure!(
            !left.is_zero(),
            "rank {} on {} did not reach rank 0 at {address}, port {port}, within {} s: see whether it was started, and set \
             MASTER_ADDR to an address by which its machine is reached",
            me.peer.rank,
            me.peer.host,
            patience.as_secs_f32()
        );
        let connect = |at| TcpStream::connect_timeout(&at, left.min(FIRST_WORDS)).ok();
        // a name may be known a little later than whoever asks for it is started
        if let Some(stream) = resolve(address, port).into_iter().flatten().find_map(connect) {
            // rank 0 waits for others as long; its refusal may come just after that
            let ready = stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(patience + FIRST_WORDS)));
            let answer = ready.and_then(|()| hello.write(&stream)).and_then(|()| Message::read(&stream, LONGEST));
            match answer {
                Ok(Message::Welcome(peer)) => return Ok((peer, stream)),
                Ok(Message::Refused(why)) => bail!("{why}"),
                // something else listens there yet
                _ => {}
            }
        }
        thread::sleep(PAUSE);
    }
}

/// The name of this machine.
#[cfg(unix)]
pub fn machine() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The name of this machine.
#[cfg(not(unix))]
pub fn machine() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_else(|_| String::from("this machine"))
}
