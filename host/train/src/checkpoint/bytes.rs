//! Little-endian arrays with their lengths, and a checksum over everything.

use std::io::{self, Write};

use anyhow::{Result, bail};

/// Writes and sums up what it writes.
#[derive(Debug)]
pub struct Writer<W> {
    inner: W,
    sum: crc32fast::Hasher,
}

impl<W: Write> Writer<W> {
    /// Around a sink.
    pub fn new(inner: W) -> Self {
        Self { inner, sum: crc32fast::Hasher::new() }
    }

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.update(bytes);
        self.inner.write_all(bytes)
    }

    /// A number as eight bytes.
    pub fn number(&mut self, x: u64) -> io::Result<()> {
        self.raw(&x.to_le_bytes())
    }

    /// Bytes after their number.
    pub fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.number(bytes.len() as u64)?;
        self.raw(bytes)
    }

    /// Words after their number.
    pub fn words(&mut self, words: impl ExactSizeIterator<Item = u32>) -> io::Result<()> {
        self.number(words.len() as u64)?;
        let mut buffer = Vec::with_capacity(1 << 16);
        for word in words {
            buffer.extend_from_slice(&word.to_le_bytes());
            if buffer.len() >= (1 << 16) - 4 {
                self.raw(&buffer)?;
                buffer.clear();
            }
        }
        self.raw(&buffer)
    }

    /// Floats after their number.
    pub fn floats(&mut self, floats: &[f32]) -> io::Result<()> {
        self.words(floats.iter().map(|x| x.to_bits()))
    }

    /// The checksum of all so far, as the last four bytes.
    pub fn finish(mut self) -> io::Result<()> {
        let sum = self.sum.finalize();
        self.inner.write_all(&sum.to_le_bytes())
    }
}

/// Reads what [`Writer`] wrote; every length is held against what is left.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Checks and strips the checksum.
    pub fn new(bytes: &'a [u8]) -> Result<Self> {
        let Some((rest, sum)) = bytes.split_last_chunk::<4>() else { bail!("it is cut off") };
        if crc32fast::hash(rest) != u32::from_le_bytes(*sum) {
            bail!("it is cut off or damaged: the checksum does not match");
        }
        Ok(Self { rest })
    }

    /// Takes the next `n` bytes; it is an error if fewer are left.
    pub fn raw(&mut self, n: u64) -> Result<&'a [u8]> {
        match usize::try_from(n).ok().and_then(|n| self.rest.split_at_checked(n)) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => bail!("it is damaged: {n} bytes are promised where {} are left", self.rest.len()),
        }
    }

    /// Takes the number in the next eight bytes; it is an error if fewer are left.
    pub fn number(&mut self) -> Result<u64> {
        let mut x = [0; 8];
        x.copy_from_slice(self.raw(8)?);
        Ok(u64::from_le_bytes(x))
    }

    /// Bytes after their number.
    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let n = self.number()?;
        self.raw(n)
    }

    /// Words after their number.
    pub fn words(&mut self) -> Result<Vec<u32>> {
        let n = self.number()?;
        let bytes = self.raw(n.saturating_mul(4))?;
        Ok(bytes.chunks_exact(4).map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]])).collect())
    }

    /// Floats after their number.
    pub fn floats(&mut self) -> Result<Vec<f32>> {
        let n = self.number()?;
        let bytes = self.raw(n.saturating_mul(4))?;
        Ok(bytes.chunks_exact(4).map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]])).collect())
    }

    /// Refuses what is left over.
    pub fn finish(self) -> Result<()> {
        if !self.rest.is_empty() {
            bail!("it is damaged: {} bytes are left over", self.rest.len());
        }
        Ok(())
    }
}
