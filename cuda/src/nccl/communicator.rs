//! The ranks' common channel. Nothing here waits without asking whether somebody died.

use std::cell::{Cell, OnceCell};
use std::ffi::{c_int, c_void};
use std::time::{Duration, Instant};

use super::library;
use super::ranks::{MOST_RANKS, Ranks};
use super::table::{Config, F32, Handle, IN_PROGRESS, Id, SUCCESS, SUM, Table, U8};
use crate::driver::Collective;

/// Between two looks at what is waited for; work that only has to be started is looked at without pause for as long.
const PAUSE: Duration = Duration::from_micros(100);
/// How long the ranks may take to leave, how long the stream to come to rest after an abort, and how long news of who died
/// may be behind NCCL's own.
const LEAVING: Duration = Duration::from_secs(10);
const RESTING: Duration = Duration::from_secs(1);
const NEWS: Duration = Duration::from_millis(500);

/// One end of the channel.
#[derive(Debug)]
pub(crate) struct Communicator {
    table: &'static Table,
    /// Null once it was given up.
    handle: Cell<Handle>,
    ranks: Ranks,
    /// Why it was given up.
    over: OnceCell<String>,
}

impl Communicator {
    /// Meets the other ranks; the context of this rank's GPU is current.
    pub(crate) fn open(ranks: &Ranks) -> Result<Self, String> {
        let &Ranks { rank, world, id, .. } = ranks;
        if world > MOST_RANKS || rank >= world {
            return Err(format!(
                "there is no rank {rank} of {world}: ranks are counted from 0, and at most {MOST_RANKS}"
            ));
        }
        let table = library::table().map_err(|problem| problem.to_string())?;
        let mut handle: Handle = std::ptr::null_mut();
        let number = |x: usize| c_int::try_from(x).unwrap_or(c_int::MAX);
        let mut config = Config::non_blocking();
        // SAFETY: writes the handle; the structure says how much of it there is and is read before the call returns
        let code = unsafe {
            (table.ncclCommInitRankConfig)(&raw mut handle, number(world), Id(id.0), number(rank), &raw mut config)
        };
        let this = Self { table, handle: Cell::new(handle), ranks: ranks.clone(), over: OnceCell::new() };
        this.settle("the ranks do not meet", code, Some(ranks.patience)).map(|()| this)
    }

    /// Starts work that all ranks do together, in the order of `stream`.
    pub(crate) fn run(&self, work: Collective, stream: *mut c_void) -> Result<(), String> {
        self.check()?;
        let (t, handle) = (self.table, self.handle.get());
        // SAFETY: the handle lives, because `check` found that it was not given up; the addresses are device memory of these
        // sizes by the contract of `Driver::collective`, and stay so until the stream has done the work
        let code = unsafe {
            match work {
                Collective::Exchange { from, to, part } => self.exchange(from, to, part, stream),
                Collective::Gather { from, to, part } => (t.ncclAllGather)(from, to, part, F32, handle, stream),
                Collective::Sum { at, count } => (t.ncclAllReduce)(at, at, count, F32, SUM, handle, stream),
                Collective::Broadcast { at, bytes } => (t.ncclBroadcast)(at, at, bytes, U8, 0, handle, stream),
            }
        };
        self.settle("the ranks' common work does not start", code, None)
    }

    /// Part `i` of `from` to rank `i`, and from it part `i` of `to`; the first result that is no success.
    ///
    /// # Safety
    ///
    /// The handle lives, and the addresses are device memory of `world` parts of that many numbers.
    unsafe fn exchange(&self, from: u64, to: u64, part: usize, stream: *mut c_void) -> c_int {
        let (t, handle) = (self.table, self.handle.get());
        // SAFETY: the caller's contract; the group is ended whatever happens in it
        unsafe {
            let mut code = (t.ncclGroupStart)();
            for (peer, at) in (0..).zip((0..self.ranks.world).map(|i| 4 * (i * part) as u64)) {
                for step in 0..2 {
                    if code == SUCCESS || code == IN_PROGRESS {
                        code = match step {
                            0 => (t.ncclSend)(from + at, part, F32, peer, handle, stream),
                            _ => (t.ncclRecv)(to + at, part, F32, peer, handle, stream),
                        };
                    }
                }
            }
            let end = (t.ncclGroupEnd)();
            if code == SUCCESS || code == IN_PROGRESS { end } else { code }
        }
    }

    /// Waits until `ready`. An error if the ranks cannot go on together.
    pub(crate) fn watch(&self, mut ready: impl FnMut() -> Result<bool, String>) -> Result<(), String> {
        let was_over = self.over.get().is_some();
        let mut until = None;
        while !ready()? {
            if self.check().is_err() {
                // what was given up ends soon, and then nothing writes memory that the caller gives back
                let until = *until.get_or_insert_with(|| Instant::now() + RESTING);
                if was_over || Instant::now() > until {
                    break;
                }
            }
            std::thread::sleep(PAUSE);
        }
        self.over.get().map_or(Ok(()), |why| Err(why.clone()))
    }

    /// Whether the ranks can go on together as far as is known.
    fn check(&self) -> Result<(), String> {
        if let Some(why) = self.over.get() {
            return Err(why.clone());
        }
        match self.state() {
            SUCCESS | IN_PROGRESS => match self.lost() {
                None => Ok(()),
                Some(who) => Err(self.give_up(&who)),
            },
            code => Err(self.broken("the ranks' common work failed", code)),
        }
    }

    /// Waits for a call that may end later. After an error the communicator is given up.
    fn settle(&self, what: &str, code: c_int, patience: Option<Duration>) -> Result<(), String> {
        let begun = Instant::now();
        let mut code = code;
        loop {
            match code {
                SUCCESS => return Ok(()),
                IN_PROGRESS => {}
                code => return Err(self.broken(what, code)),
            }
            if let Some(who) = self.lost() {
                return Err(self.give_up(&who));
            }
            if let Some(patience) = patience.filter(|patience| begun.elapsed() > *patience) {
                return Err(self.give_up(&format!("{what} within {} s", patience.as_secs_f64())));
            }
            if begun.elapsed() < PAUSE {
                std::thread::yield_now();
            } else {
                std::thread::sleep(PAUSE);
            }
            code = self.state();
        }
    }

    /// What NCCL knows of work that was started.
    fn state(&self) -> c_int {
        let mut state = SUCCESS;
        // SAFETY: callers saw that the handle was not given up; writes one integer
        let code = unsafe { (self.table.ncclCommGetAsyncError)(self.handle.get(), &raw mut state) };
        if code == SUCCESS { state } else { code }
    }

    fn lost(&self) -> Option<String> {
        self.ranks.lost.as_ref().and_then(|lost| lost())
    }

    /// Gives up after a failure that NCCL reports; who died explains more, if it is known in time.
    fn broken(&self, what: &str, code: c_int) -> String {
        let words = self.table.words(what, code);
        let begun = Instant::now();
        let who = loop {
            let who = self.lost();
            if who.is_some() || self.ranks.lost.is_none() || begun.elapsed() > NEWS {
                break who;
            }
            std::thread::sleep(PAUSE);
        };
        self.give_up(&who.unwrap_or(words))
    }

    /// Aborts: what waits for other ranks ends, and nothing more is started.
    fn give_up(&self, why: &str) -> String {
        let Ranks { rank, world, .. } = &self.ranks;
        let handle = self.handle.replace(std::ptr::null_mut());
        if !handle.is_null() {
            // SAFETY: the handle is used no more
            let _ = unsafe { (self.table.ncclCommAbort)(handle) };
        }
        self.over.get_or_init(|| format!("rank {rank} of {world} cannot go on: {why}")).clone()
    }
}

impl Drop for Communicator {
    fn drop(&mut self) {
        if self.handle.get().is_null() {
            return;
        }
        // SAFETY: the handle lives; what was started on it is done, because the context waits before it drops this
        let code = unsafe { (self.table.ncclCommFinalize)(self.handle.get()) };
        if self.settle("the ranks do not part", code, Some(LEAVING)).is_ok() {
            // SAFETY: the handle is used no more
            let _ = unsafe { (self.table.ncclCommDestroy)(self.handle.get()) };
        }
    }
}
