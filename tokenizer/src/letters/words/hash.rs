//! Where a word is kept: three cells in segments that follow each other, and bits that check it.

/// The bits of a slot that are checked.
pub(super) const CHECKED: u16 = 0xfc00;

/// Hashing of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hash {
    /// Chosen so that all words have a cell of their own in some order.
    pub seed: u32,
    /// Cells of a segment, above 0.
    pub segment: u32,
    /// Segments, at least 3.
    pub segments: u32,
}

/// The finalizer of SplitMix64.
fn mixed(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A number below `n` from 32 bits.
fn below(bits: u64, n: u32) -> u32 {
    (((bits & 0xffff_ffff) * u64::from(n)) >> 32) as u32
}

impl Hash {
    /// The state before the first letter.
    pub fn start(self) -> u64 {
        mixed(u64::from(self.seed).wrapping_add(0x9e37_79b9_7f4a_7c15))
    }

    /// The state after another letter.
    pub fn push(state: u64, letter: u8) -> u64 {
        mixed(state ^ u64::from(letter).wrapping_add(1))
    }

    /// The cells of a word, all different, and its check bits.
    pub fn places(self, state: u64) -> ([u32; 3], u16) {
        let (first, second) = (mixed(state), mixed(state ^ 0x6a09_e667_f3bc_c909));
        let start = below(first, self.segments.saturating_sub(2));
        let at = |segment: u32, bits: u64| {
            start.saturating_add(segment).saturating_mul(self.segment).saturating_add(below(bits, self.segment))
        };
        let places = [at(0, first >> 32), at(1, second), at(2, second >> 32)];
        (places, mixed(first ^ second) as u16 & CHECKED)
    }
}
