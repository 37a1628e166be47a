//! Connections: so many at once, none slower than it may be, and all of them ended in order.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use ebt_data::progress::eprint_line;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::limits::{Limits, MOST_HEAD, MOST_HEADERS, READING};
use super::timed::Timed;

/// Exit status of a program that is interrupted twice.
const INTERRUPTED: i32 = 130;

/// What the system is asked for between two connections that it cannot give.
const PAUSE: Duration = Duration::from_millis(50);

/// Answers connections until the program is asked to end (Ctrl-C, SIGTERM); then takes no more, and waits for those that are
/// answered, for so long as the limits grant. True where all were answered.
///
/// # Errors
///
/// Signals that cannot be listened for.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: &Limits,
    open: Gauge,
    ready: impl FnOnce() -> Result<()>,
) -> Result<bool> {
    let places = Arc::new(Semaphore::new(limits.connections));
    let (ending, ends) = watch::channel(false);
    let mut asked = pin!(asked_to_end()?);
    ready()?;
    loop {
        let mut next = pin!(accept(&listener, &places));
        let next = poll_fn(|context| match asked.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => next.as_mut().poll(context).map(Some),
        });
        let Some((stream, place)) = next.await else { break };
        let (router, ends, open, patience) = (router.clone(), ends.clone(), open.clone(), limits.writing);
        tokio::spawn(async move {
            open.inc();
            connection(stream, router, ends, patience).await;
            open.dec();
            drop(place);
        });
    }
    drop(listener);
    let busy = limits.connections - places.available_permits();
    eprint_line(format_args!("ending: {busy} connections are open; interrupt again to end at once"));
    tokio::spawn(async {
        if let Ok(again) = asked_to_end() {
            again.await;
            std::process::exit(INTERRUPTED);
        }
    });
    // nobody is told where nobody listens
    let _ = ending.send(true);
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    Ok(timeout(limits.grace, places.acquire_many(all)).await.is_ok())
}

/// The next connection, once there is a place for it.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    loop {
        // the semaphore is never closed
        let Ok(place) = Arc::clone(places).acquire_owned().await else { return std::future::pending().await };
        match listener.accept().await {
            Ok((stream, _)) => return (stream, place),
            // too many open files, or a client that is gone: others may come
            Err(_) => sleep(PAUSE).await,
        }
    }
}

/// Answers the requests of a connection; one that is idle ends when the server does.
async fn connection(stream: TcpStream, router: Router, mut ends: watch::Receiver<bool>, patience: Duration) {
    // pieces of an answer are sent as they come
    let _ = stream.set_nodelay(true);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(READING).max_buf_size(MOST_HEAD).max_headers(MOST_HEADERS);
    let io = TokioIo::new(Timed::new(stream, patience));
    let mut connection = pin!(http.serve_connection(io, TowerToHyperService::new(router)));
    let mut ending = pin!(ends.wait_for(|ends| *ends));
    let mut told = false;
    // what went wrong is the client's: it left, or sent what is no HTTP, which it was told
    let _ = poll_fn(|context| {
        if !told && ending.as_mut().poll(context).is_ready() {
            told = true;
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(context)
    })
    .await;
}

/// The address is bound.
///
/// # Errors
///
/// One that is in use or not of this machine; the sentence names the flag.
pub async fn bind(address: std::net::SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::AddrInUse => "the port is in use by another program; port 0 takes a free one",
            io::ErrorKind::AddrNotAvailable => {
                "this machine has no such address; 127.0.0.1 is itself, 0.0.0.0 all of its addresses"
            }
            io::ErrorKind::PermissionDenied => "this port needs more rights; those above 1023 do not",
            _ => "the address cannot be listened on",
        };
        anyhow::Error::from(error).context(format!("--bind {address}: {why}"))
    })
}

/// Waits for Ctrl-C or a request to end.
#[cfg(unix)]
fn asked_to_end() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = "cannot listen for Ctrl-C";
    let mut interrupt = signal(SignalKind::interrupt()).context(failed)?;
    let mut terminate = signal(SignalKind::terminate()).context(failed)?;
    Ok(poll_fn(move |context| match (interrupt.poll_recv(context), terminate.poll_recv(context)) {
        (Poll::Pending, Poll::Pending) => Poll::Pending,
        _ => Poll::Ready(()),
    }))
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
fn asked_to_end() -> Result<impl Future<Output = ()>> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
