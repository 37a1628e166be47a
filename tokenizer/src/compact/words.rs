//! Little-endian numbers inside a byte slice of any alignment.

/// A table of `u32`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Words<'a>(&'a [[u8; 4]]);

impl<'a> Words<'a> {
    /// The table in `bytes`; bytes that do not fill a number are ignored.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes.as_chunks().0)
    }

    /// The number at place `index`, counted from 0; `None` beyond the last.
    #[inline]
    pub(crate) fn get(&self, index: u32) -> Option<u32> {
        self.0.get(index as usize).map(|&bytes| u32::from_le_bytes(bytes))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many numbers at the start satisfy `before`, in a table where those that do come first.
    pub(crate) fn partition_point(&self, before: impl Fn(u32) -> bool) -> usize {
        self.0.partition_point(|&bytes| before(u32::from_le_bytes(bytes)))
    }
}

/// A table of `u16`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Halves<'a>(&'a [[u8; 2]]);

impl<'a> Halves<'a> {
    /// The table in `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes.as_chunks().0)
    }

    /// The number at place `index`, counted from 0; `None` beyond the last.
    #[inline]
    pub(crate) fn get(&self, index: u32) -> Option<u16> {
        self.0.get(index as usize).map(|&bytes| u16::from_le_bytes(bytes))
    }
}
