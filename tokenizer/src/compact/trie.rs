//! A double-array trie over bytes, read in place.
//!
//! A unit is a `u32`: label (bits 0..9), "a token ends here" (bit 9) and offset (bits 10..32). The child of a unit by
//! byte `c` is the unit at `offset ^ (c + 1)` if its label is `c + 1`; the token that ends at a unit is in the unit at
//! `offset`, which has label 0 and the token's id in bits 9..32. The root is unit 0 (Aoe 1989, in the layout of one
//! word a unit).

use super::words::Words;

/// Bits of a label: a byte plus one, and 0 for a unit that holds an id or nothing.
pub(crate) const LABEL_BITS: u32 = 9;
/// Where the offset begins.
pub(crate) const OFFSET_SHIFT: u32 = LABEL_BITS + 1;
/// Mask of a label.
pub(crate) const LABEL_MASK: u32 = (1 << LABEL_BITS) - 1;
/// The bit that says that a token ends here.
pub(crate) const END_BIT: u32 = 1 << LABEL_BITS;

/// A trie of all tokens that have bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trie<'a> {
    units: Words<'a>,
}

/// A place in the trie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node(u32);

impl<'a> Trie<'a> {
    pub(crate) fn new(units: Words<'a>) -> Self {
        Self { units }
    }

    /// Where every walk begins.
    #[inline]
    pub(crate) fn root(&self) -> Node {
        Node(self.units.get(0).unwrap_or(0))
    }

    /// The child by `byte`, if some token goes on with it.
    #[inline]
    pub(crate) fn child(&self, node: Node, byte: u8) -> Option<Node> {
        let label = u32::from(byte) + 1;
        let unit = self.units.get((node.0 >> OFFSET_SHIFT) ^ label)?;
        (unit & LABEL_MASK == label).then_some(Node(unit))
    }

    /// The token that ends at `node`.
    #[inline]
    pub(crate) fn token(&self, node: Node) -> Option<u32> {
        if node.0 & END_BIT == 0 {
            return None;
        }
        Some(self.units.get(node.0 >> OFFSET_SHIFT)? >> LABEL_BITS)
    }

    /// The token that is exactly `bytes`.
    pub(crate) fn find(&self, bytes: &[u8]) -> Option<u32> {
        let mut node = self.root();
        for &byte in bytes {
            node = self.child(node, byte)?;
        }
        self.token(node)
    }
}
