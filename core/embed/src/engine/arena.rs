//! Allocating typed buffers out of one borrowed block of memory.
//!
//! One function allocates all buffers of a session. Run on [`Arena::measure`] it counts bytes; run on [`Arena::over`] it
//! hands the buffers out: the count is exact by construction.

use super::error::Error;

/// Every buffer starts at a multiple of this many bytes.
const ALIGNMENT: usize = 4;

/// Hands out disjoint buffers from front to back, or counts them.
#[derive(Debug)]
pub struct Arena<'a> {
    /// What is left; nothing when measuring.
    rest: Option<&'a mut [u8]>,
    used: usize,
    given: usize,
}

impl<'a> Arena<'a> {
    /// Counts only: every buffer handed out is empty, so constructors must not read them.
    pub fn measure() -> Self {
        Self { rest: None, used: 0, given: 0 }
    }

    /// Hands out pieces of `memory`.
    ///
    /// # Errors
    ///
    /// [`Error::Alignment`] where it does not start at a multiple of 4.
    pub fn over(memory: &'a mut [u8]) -> Result<Self, Error> {
        if !memory.is_empty() && !memory.as_ptr().addr().is_multiple_of(ALIGNMENT) {
            return Err(Error::Alignment);
        }
        let given = memory.len();
        Ok(Self { rest: Some(memory), used: 0, given })
    }

    /// Bytes handed out or counted so far.
    pub fn used(&self) -> usize {
        self.used
    }

    /// `n` numbers, all zero.
    ///
    /// # Errors
    ///
    /// [`Error::Arena`] where the memory is used up (with the bytes needed so far), [`Error::Size`] on overflow.
    pub fn floats(&mut self, n: usize) -> Result<&'a mut [f32], Error> {
        let Some(bytes) = self.bytes(n, 4)? else { return Ok(&mut []) };
        bytemuck::try_cast_slice_mut(bytes).map_err(|_| Error::Alignment)
    }

    /// `rows * width` numbers, all zero.
    ///
    /// # Errors
    ///
    /// As [`Self::floats`].
    pub fn matrix(&mut self, rows: usize, width: usize) -> Result<&'a mut [f32], Error> {
        self.floats(rows.checked_mul(width).ok_or(Error::Size { what: "a buffer" })?)
    }

    /// `n` words, all zero.
    ///
    /// # Errors
    ///
    /// As [`Self::floats`].
    pub fn words(&mut self, n: usize) -> Result<&'a mut [u32], Error> {
        let Some(bytes) = self.bytes(n, 4)? else { return Ok(&mut []) };
        bytemuck::try_cast_slice_mut(bytes).map_err(|_| Error::Alignment)
    }

    /// `n` flags, all false.
    ///
    /// # Errors
    ///
    /// As [`Self::floats`].
    pub fn flags(&mut self, n: usize) -> Result<&'a mut [bool], Error> {
        let Some(bytes) = self.bytes(n, 1)? else { return Ok(&mut []) };
        bytemuck::checked::try_cast_slice_mut(bytes).map_err(|_| Error::Alignment)
    }

    /// `n` bytes, all zero; what follows them starts aligned.
    ///
    /// # Errors
    ///
    /// As [`Self::floats`].
    pub fn octets(&mut self, n: usize) -> Result<&'a mut [u8], Error> {
        Ok(self.bytes(n, 1)?.unwrap_or_default())
    }

    /// `n` elements of `size` bytes, zeroed; what follows them starts aligned. None when measuring, and of
    /// no elements.
    fn bytes(&mut self, n: usize, size: usize) -> Result<Option<&'a mut [u8]>, Error> {
        let too_large = Error::Size { what: "a buffer" };
        let wanted = n.checked_mul(size).ok_or(too_large)?;
        let padded = wanted.checked_next_multiple_of(ALIGNMENT).ok_or(too_large)?;
        self.used = self.used.checked_add(padded).ok_or(too_large)?;
        let Some(rest) = self.rest.take() else {
            return Ok(None);
        };
        let short = Error::Arena { needed: self.used, given: self.given };
        let (piece, rest) = rest.split_at_mut_checked(padded).ok_or(short)?;
        self.rest = Some(rest);
        let (piece, _) = piece.split_at_mut_checked(wanted).ok_or(short)?;
        piece.iter_mut().for_each(|b| *b = 0);
        Ok(Some(piece).filter(|piece| !piece.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pieces<'a> = (&'a mut [f32], &'a mut [bool], &'a mut [u32]);

    fn alloc<'a>(c: &mut Arena<'a>) -> Result<Pieces<'a>, Error> {
        Ok((c.matrix(3, 5)?, c.flags(7)?, c.words(2)?))
    }

    #[test]
    fn what_was_measured_is_what_is_used_and_all_that_is_needed() {
        let mut counting = Arena::measure();
        assert!(alloc(&mut counting).is_ok_and(|(a, b, c)| a.is_empty() && b.is_empty() && c.is_empty()));
        let needed = counting.used();
        let mut words = [u32::MAX; 64];
        let memory: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
        let mut over = Arena::over(&mut memory[..needed]).expect("aligned");
        let (a, b, c) = alloc(&mut over).expect("enough");
        assert_eq!((a.len(), b.len(), c.len(), over.used()), (15, 7, 2, needed));
        assert!(a.iter().all(|x| *x == 0.0) && b.iter().all(|x| !x) && c.iter().all(|x| *x == 0));
    }

    #[test]
    fn too_little_and_crooked_memory_is_refused_with_a_reason() {
        let mut words = [0u32; 8];
        let memory: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
        assert!(matches!(Arena::over(&mut memory[1..]), Err(Error::Alignment)));
        let mut over = Arena::over(memory).expect("aligned");
        assert_eq!(alloc(&mut over).err(), Some(Error::Arena { needed: 60, given: 32 }));
        assert_eq!(Arena::measure().matrix(usize::MAX, 2).err(), Some(Error::Size { what: "a buffer" }));
    }
}
