//! Standard output, the one way of every command to it.

use std::fmt;
use std::io::{self, ErrorKind, Stdout, Write};

/// Standard output.
///
/// Where its reader has gone away (`ebt generate ... | head`), what is written goes nowhere and the command does the rest
/// of its work, so that files and exit status are those of a whole run; [`Output::is_closed`] tells a command that has
/// nothing else to do. Every other failure names standard output.
#[derive(Debug)]
pub struct Output {
    out: Stdout,
    streams: bool,
    closed: bool,
}

/// Standard output could not be written.
#[derive(Debug)]
struct Unwritten(io::Error);

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot write standard output: {}", self.0)
    }
}

impl std::error::Error for Unwritten {}

impl Output {
    /// For results, after which or beside which there is other work.
    pub fn of_results() -> Self {
        Self { out: io::stdout(), streams: false, closed: false }
    }

    /// For a stream that is all the work: a reader that has gone away is an error of the kind
    /// [`BrokenPipe`](ErrorKind::BrokenPipe), which ends the command as if it were done.
    pub fn of_stream() -> Self {
        Self { streams: true, ..Self::of_results() }
    }

    /// Whether the reader has gone away.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Does `write`, and puts `otherwise` in the place of its result where the reader has gone away.
    fn unless_closed<T>(&mut self, otherwise: T, write: impl FnOnce(&mut Stdout) -> io::Result<T>) -> io::Result<T> {
        if self.closed {
            return Ok(otherwise);
        }
        match write(&mut self.out) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe && !self.streams => {
                self.closed = true;
                Ok(otherwise)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Err(error),
            result => result.map_err(|error| io::Error::new(error.kind(), Unwritten(error))),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.unless_closed(bytes.len(), |out| out.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.unless_closed((), Stdout::flush)
    }
}
