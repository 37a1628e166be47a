//! When a program is killed.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{self, Duration};

use ebt_core::random::{Purpose, Stream};

/// Where a program is killed.
#[derive(Clone, Copy, Debug)]
pub enum Instant {
    /// At its call number `n` that changes files, counted from 0: before it, or `within` a write, of which half is done.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    Call { n: u64, within: bool },
    /// After a while.
    Moment(Duration),
}

impl Instant {
    /// Runs a command and kills it; false if it was done before, with success.
    pub fn kill(self, command: &mut Command, place: &str) -> bool {
        match self {
            #[cfg(all(target_os = "linux", target_env = "gnu"))]
            Self::Call { n, within } => match super::calls::run(command.stderr(Stdio::null()), Some((n, within))) {
                super::calls::Ended::Killed => true,
                super::calls::Ended::Exited { status, .. } => {
                    assert_eq!(status, 0, "{place}: the command failed");
                    false
                }
            },
            Self::Moment(moment) => {
                let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
                sleep(moment);
                child.kill().unwrap();
                let output = child.wait_with_output().unwrap();
                // one that was killed has no status, or on other systems the one that the kill gives
                let failed = output.status.code().is_some_and(|code| code != 0) && cfg!(unix);
                assert!(!failed, "{place}: {}", String::from_utf8_lossy(&output.stderr));
                !output.status.success()
            }
        }
    }
}

/// How long a command is.
#[derive(Debug)]
pub struct Extent {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    calls: u64,
    time: Duration,
}

impl Extent {
    /// Runs a command to its end, which must be a success.
    pub fn of(command: &mut Command) -> Self {
        let start = time::Instant::now();
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        let calls = match super::calls::run(command, None) {
            super::calls::Ended::Exited { status: 0, calls } => calls,
            other => panic!("{command:?}: {other:?}"),
        };
        #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
        assert!(command.status().unwrap().success(), "{command:?}");
        Self {
            #[cfg(all(target_os = "linux", target_env = "gnu"))]
            calls,
            time: start.elapsed(),
        }
    }
}

/// A sequence of instants, drawn by a seed.
#[derive(Debug)]
pub struct Instants {
    stream: Stream,
    drawn: u64,
}

impl Instants {
    /// Those of a seed for work of this name.
    pub fn new(seed: u64, name: &str) -> Self {
        let step = name.bytes().fold(0u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)));
        Self { stream: Stream::new(seed, step, Purpose::Test), drawn: 0 }
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.drawn += 1;
        self.stream.below(self.drawn, bound)
    }

    /// An instant of a command of this extent: mostly a call, where calls can be counted.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    pub fn draw(&mut self, extent: &Extent) -> Instant {
        match self.below(4) {
            0 => self.moment(extent),
            kind => Instant::Call { n: self.below(extent.calls), within: kind == 1 },
        }
    }

    /// An instant of a command of this extent.
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    pub fn draw(&mut self, extent: &Extent) -> Instant {
        self.moment(extent)
    }

    fn moment(&mut self, extent: &Extent) -> Instant {
        Instant::Moment(Duration::from_micros(self.below(extent.time.as_micros() as u64)))
    }
}
