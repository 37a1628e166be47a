//! A reader whose next bytes can be looked at.

use std::io::{self, BufRead, Read};

/// Reads what `inner` reads; what was looked at is read again.
pub struct Peek<R> {
    held: Vec<u8>,
    /// Bytes of `held` that are read.
    at: usize,
    inner: R,
}

impl<R: BufRead> Peek<R> {
    /// Nothing is read yet.
    pub fn new(inner: R) -> Self {
        Self { held: Vec::new(), at: 0, inner }
    }

    /// The next `n` bytes; fewer only where the input ends before.
    ///
    /// # Errors
    ///
    /// What reading returns.
    pub fn peek(&mut self, n: usize) -> io::Result<&[u8]> {
        self.held.drain(..std::mem::take(&mut self.at));
        let missing = n.saturating_sub(self.held.len()) as u64;
        (&mut self.inner).take(missing).read_to_end(&mut self.held)?;
        Ok(&self.held[..n.min(self.held.len())])
    }
}

impl<R: BufRead> Read for Peek<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(buffer)?;
        self.consume(n);
        Ok(n)
    }
}

impl<R: BufRead> BufRead for Peek<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at < self.held.len() { Ok(&self.held[self.at..]) } else { self.inner.fill_buf() }
    }

    fn consume(&mut self, n: usize) {
        if self.at < self.held.len() {
            self.at += n;
        } else {
            self.inner.consume(n);
        }
    }
}
