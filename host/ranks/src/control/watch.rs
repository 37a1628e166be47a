//! What the threads of the channel share: one listens to each connection, one says regularly that this rank is alive.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::wire::{LONGEST, Message, Peer};
use crate::Lost;

/// Bytes of the stack of a thread that listens: rank 0 has one for each rank.
const STACK: usize = 256 << 10;
/// Looks without a word until somebody counts as gone. There are several, so that processes that were all stopped for a
/// while, and go on, do not bury each other.
const LOOKS: u32 = 3;

/// What is called once when a rank is lost.
pub type OnLoss = Box<dyn Fn(&Lost) + Send + Sync>;

pub struct Shared {
    me: Peer,
    /// Of rank 0 to all others in their order, of others to rank 0 alone.
    links: Vec<Link>,
    state: Mutex<State>,
    changed: Condvar,
    /// Whether the others were told of a loss: only the first one is told, and nothing else is said until all have heard it.
    told: Mutex<bool>,
    /// Whether `State::lost` holds something.
    is_lost: AtomicBool,
    during: Mutex<String>,
    on_loss: OnLoss,
}

struct Link {
    peer: Peer,
    /// To write to; a message is written as a whole.
    stream: Mutex<TcpStream>,
}

#[derive(Default)]
struct State {
    /// What came over each link and was not yet asked for.
    came: Vec<VecDeque<(String, Vec<u8>)>>,
    /// Whether who is at a link said that all is well.
    left: Vec<bool>,
    lost: Option<Lost>,
    /// Whether this rank has said its last.
    closed: bool,
}

/// Nothing that is held is half written, so a panic of its holder spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("me", &self.me).field("lost", &self.lost()).finish_non_exhaustive()
    }
}

impl Shared {
    pub fn new(me: Peer, links: Vec<(Peer, TcpStream)>, on_loss: OnLoss) -> Arc<Self> {
        let count = links.len();
        let links = links.into_iter().map(|(peer, stream)| Link { peer, stream: Mutex::new(stream) }).collect();
        let state = State { came: vec![VecDeque::new(); count], left: vec![false; count], ..State::default() };
        Arc::new(Self {
            me,
            links,
            state: Mutex::new(state),
            changed: Condvar::new(),
            told: Mutex::default(),
            is_lost: AtomicBool::new(false),
            during: Mutex::default(),
            on_loss,
        })
    }

    /// Starts the threads. Who is silent for as long as `timeout` is gone.
    pub fn watch(self: &Arc<Self>, timeout: Duration) -> io::Result<()> {
        let builder = || thread::Builder::new().name("ebt-ranks".to_owned()).stack_size(STACK);
        for link in 0..self.links.len() {
            let stream = lock(&self.links[link].stream).try_clone()?;
            stream.set_read_timeout(Some(timeout / LOOKS))?;
            stream.set_write_timeout(Some(timeout))?;
            let shared = Arc::clone(self);
            builder().spawn(move || {
                let end = shared.listen(link, &stream, timeout);
                if let Some(end) = end {
                    shared.tell(link, &end);
                }
            })?;
        }
        let shared = Arc::clone(self);
        builder().spawn(move || shared.beat(timeout / (2 * LOOKS)))?;
        Ok(())
    }

    /// Says that this rank is alive, until it has said its last.
    fn beat(&self, pause: Duration) {
        let mut state = lock(&self.state);
        while !state.closed {
            state = self.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0;
            if !state.closed {
                drop(state);
                (0..self.links.len()).for_each(|link| drop(self.write(link, &Message::Beat)));
                state = lock(&self.state);
            }
        }
    }

    /// Listens to one connection until it ends; how it ended, if that is not well.
    fn listen(&self, link: usize, stream: &TcpStream, timeout: Duration) -> Option<String> {
        let (peer, mut silent) = (&self.links[link].peer, 0);
        loop {
            let looked = stream.peek(&mut [0]);
            if looked.as_ref().is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)) {
                silent += 1;
                if silent < LOOKS {
                    continue;
                }
            } else {
                silent = 0;
            }
            let message = if silent == 0 { Message::read(stream, LONGEST) } else { Err(ErrorKind::TimedOut.into()) };
            let mut state = lock(&self.state);
            match message {
                Ok(Message::Value { name, bytes }) => {
                    state.came[link].push_back((name, bytes));
                    self.changed.notify_all();
                }
                Ok(Message::Beat) => {}
                // rank 0 says whole sentences, of whomever
                Ok(Message::LastWords(why)) if self.me.rank == 0 => return Some(format!("{peer}: {why}")),
                Ok(Message::LastWords(sentence)) => return Some(sentence),
                Ok(Message::Leave) => {
                    state.left[link] = true;
                    self.changed.notify_all();
                    return None;
                }
                _ if state.closed => return None,
                Ok(_) => return Some(format!("{peer} said something that makes no sense here{}", self.at())),
                Err(error) => {
                    let how = match error.kind() {
                        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                            format!("has not been heard for {} s", timeout.as_secs_f32())
                        }
                        ErrorKind::InvalidData => "sent something that is no message".to_owned(),
                        _ => "ended".to_owned(),
                    };
                    return Some(format!("{peer} {how}{}", self.at()));
                }
            }
        }
    }

    fn at(&self) -> String {
        let during = lock(&self.during);
        if during.is_empty() { String::new() } else { format!(" during {during}") }
    }

    /// Tells of a loss that was noticed at a link: first the others, then this rank, which may end the process at once.
    fn tell(&self, link: usize, sentence: &str) {
        let mut told = lock(&self.told);
        if !std::mem::replace(&mut *told, true) {
            let words = Message::LastWords(sentence.to_owned());
            (0..self.links.len()).filter(|other| *other != link).for_each(|other| drop(self.write(other, &words)));
        }
        let lost = Lost(sentence.to_owned());
        let mut state = lock(&self.state);
        if state.lost.is_some() {
            return;
        }
        state.lost = Some(lost.clone());
        self.is_lost.store(true, Ordering::Release);
        let closed = state.closed;
        self.changed.notify_all();
        drop(state);
        drop(told);
        if !closed {
            (self.on_loss)(&lost);
        }
    }

    fn write(&self, link: usize, message: &Message) -> io::Result<()> {
        message.write(&*lock(&self.links[link].stream))
    }

    pub fn send(&self, link: usize, name: &str, bytes: &[u8]) -> Result<(), Lost> {
        let message = Message::Value { name: name.to_owned(), bytes: bytes.to_vec() };
        self.write(link, &message).map_err(|error| match (self.lost(), error.kind()) {
            (Some(lost), _) => lost,
            (None, ErrorKind::InvalidInput) => Lost(format!("`{name}` cannot be told to the other ranks: {error}")),
            (None, _) => Lost(format!("{} is not to be reached: {error}", self.links[link].peer)),
        })
    }

    /// The next value that comes over a link.
    pub fn receive(&self, link: usize, name: &str) -> Result<Vec<u8>, Lost> {
        let peer = &self.links[link].peer;
        let mut state = lock(&self.state);
        loop {
            if let Some((there, bytes)) = state.came[link].pop_front() {
                if there == name {
                    return Ok(bytes);
                }
                return Err(Lost(format!(
                    "{peer} tells `{there}` where {} waits for `{name}`: the ranks do not run the same command",
                    self.me
                )));
            }
            if let Some(lost) = &state.lost {
                return Err(lost.clone());
            }
            if state.left[link] {
                return Err(Lost(format!("{peer} has left, and {} waits for its `{name}`", self.me)));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub fn during(&self, what: &str) {
        let mut during = lock(&self.during);
        during.clear();
        during.push_str(what);
    }

    pub fn lost(&self) -> Option<Lost> {
        if self.is_lost.load(Ordering::Acquire) { lock(&self.state).lost.clone() } else { None }
    }

    /// [`lost`](Self::lost), or none in all this time.
    pub fn lost_within(&self, patience: Duration) -> Option<Lost> {
        if self.links.is_empty() {
            return None;
        }
        let state = lock(&self.state);
        let waited = self.changed.wait_timeout_while(state, patience, |state| state.lost.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.lost.clone()
    }

    /// Says the last message to all; a second one is not said.
    pub fn close(&self, message: &Message) {
        let mut state = lock(&self.state);
        if std::mem::replace(&mut state.closed, true) {
            return;
        }
        self.changed.notify_all();
        drop(state);
        let message = match message {
            Message::LastWords(why) if self.me.rank == 0 => Message::LastWords(format!("{}: {why}", self.me)),
            other => other.clone(),
        };
        let mut told = lock(&self.told);
        *told |= matches!(message, Message::LastWords(_));
        for link in 0..self.links.len() {
            let _ = self.write(link, &message);
            let _ = lock(&self.links[link].stream).shutdown(Shutdown::Write);
        }
    }
}
