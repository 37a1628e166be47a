//! Bounds of everything that a client decides.

use std::time::Duration;

/// Bytes of a body.
pub const MOST_BODY: usize = 1 << 20;

/// Bytes of the head of a request, and its lines.
pub const MOST_HEAD: usize = 16 << 10;

/// Header lines of a request.
pub const MOST_HEADERS: usize = 64;

/// Completions of one request: its prompts times `n`.
pub const MOST_CHOICES: usize = 64;

/// Stop strings of a request.
pub const MOST_STOPS: usize = 16;

/// Bytes of a stop string.
pub const MOST_STOP_BYTES: usize = 256;

/// Alternatives that are listed beside a token.
pub const MOST_ALTERNATIVES: u64 = 20;

/// Time for a client to send the head of a request, and then its body; an idle connection is closed after as long.
pub const READING: Duration = Duration::from_secs(30);

/// Pieces that wait between a worker and a client who reads slower than it generates.
pub const PIECES: usize = 16;

/// The bounds that flags set.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Tokens of a completion.
    pub tokens: usize,
    /// Tokens of a prompt.
    pub prompt: usize,
    /// Descent steps of a token.
    pub steps: usize,
    /// Candidates of a token.
    pub candidates: usize,
    /// Requests that wait for a session.
    pub queue: usize,
    /// Connections that are open.
    pub connections: usize,
    /// Time of a request, from its arrival to the end of its computing; sending it is bounded by `writing`.
    pub request: Duration,
    /// Time for a client to take what was written to it.
    pub writing: Duration,
    /// Time that running requests are given when the server is asked to end.
    pub grace: Duration,
}
