//! Building the double array.

use crate::compact::trie::{END_BIT, LABEL_BITS, OFFSET_SHIFT};

/// Most units: what an offset can address.
const MOST_UNITS: usize = 1 << (32 - OFFSET_SHIFT);
/// Labels span this many units around an offset.
const BLOCK: usize = 1 << LABEL_BITS;
/// Free places that are examined before the array grows instead.
const TRIES: usize = 512;
/// How far from its parent a lone child is looked for a place, in units.
const NEAR: usize = 32;

/// A double array in the making.
#[derive(Debug, Default)]
pub(crate) struct TrieBuilder {
    units: Vec<u32>,
    taken: Vec<bool>,
    /// Offsets in use: two nodes with one offset would share children.
    offsets: Vec<bool>,
    /// No place before this is free.
    first_free: usize,
}

impl TrieBuilder {
    /// The units of the trie of `tokens`, which are sorted by their bytes, each once, none empty.
    /// `None` if there are too many.
    pub(crate) fn build(tokens: &[(&[u8], u32)]) -> Option<Vec<u32>> {
        let mut builder = Self::default();
        builder.grow();
        builder.taken[0] = true;
        // nodes still to be placed: a range of tokens that share `depth` bytes, and the unit of their node
        let mut open = vec![(0, tokens.len(), 0usize, 0usize)];
        while let Some((from, to, depth, unit)) = open.pop() {
            let mut labels = Vec::new();
            let mut children = Vec::new();
            let mut at = from;
            if tokens.get(at).is_some_and(|(bytes, _)| bytes.len() == depth) {
                labels.push(0);
                at += 1;
            }
            while at < to {
                let byte = tokens[at].0[depth];
                let end = at + tokens[at..to].partition_point(|(bytes, _)| bytes[depth] == byte);
                labels.push(u32::from(byte) + 1);
                children.push((at, end));
                at = end;
            }
            let offset = builder.place(&labels, unit)?;
            builder.units[unit] |= u32::try_from(offset).ok()? << OFFSET_SHIFT;
            if labels.first() == Some(&0) {
                builder.units[unit] |= END_BIT;
                builder.units[offset] = tokens[from].1 << LABEL_BITS;
            }
            let inner = labels.iter().filter(|&&label| label != 0);
            for (&label, &(from, to)) in inner.zip(&children) {
                let child = offset ^ label as usize;
                builder.units[child] |= label;
                open.push((from, to, depth + 1, child));
            }
        }
        Some(builder.units)
    }

    /// Finds an offset at which all labels are free, and takes their units. A lone label goes near its parent `unit`,
    /// so that a walk stays within few cache lines.
    fn place(&mut self, labels: &[u32], unit: usize) -> Option<usize> {
        let first = *labels.first().unwrap_or(&0) as usize;
        while self.taken.get(self.first_free) == Some(&true) {
            self.first_free += 1;
        }
        if let &[label] = labels {
            let free = |at: &usize| self.taken.get(*at) == Some(&false) && self.offsets.get(at ^ first) == Some(&false);
            if let Some(at) = (unit + 1..unit + NEAR).find(|at| free(at) && at ^ first != 0) {
                self.taken[at] = true;
                self.offsets[at ^ label as usize] = true;
                return Some(at ^ first);
            }
        }
        let mut at = self.first_free;
        let mut tries = 0;
        loop {
            if at >= self.units.len() || tries == TRIES {
                at = at.max(self.units.len());
                tries = 0;
                self.grow();
            }
            if self.units.len() > MOST_UNITS {
                return None;
            }
            if !self.taken[at] {
                tries += 1;
                let offset = at ^ first;
                let fits = |&label: &u32| self.taken.get(offset ^ label as usize) == Some(&false);
                if offset != 0 && !self.offsets[offset] && labels.iter().all(fits) {
                    for &label in labels {
                        self.taken[offset ^ label as usize] = true;
                    }
                    self.offsets[offset] = true;
                    return Some(offset);
                }
            }
            at += 1;
        }
    }

    /// Adds one block; an offset never points outside its own block.
    fn grow(&mut self) {
        let size = self.units.len() + BLOCK;
        self.units.resize(size, 0);
        self.taken.resize(size, false);
        self.offsets.resize(size, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compact::trie::Trie;
    use crate::compact::words::Words;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn finds_every_token_and_nothing_else(
            tokens in prop::collection::btree_set(prop::collection::vec(prop_oneof![0u8..4, any::<u8>()], 1..6), 1..200),
            other in prop::collection::vec(0u8..4, 1..6),
        ) {
            let ids: BTreeMap<&[u8], u32> = tokens.iter().map(Vec::as_slice).zip(0..).collect();
            let list: Vec<(&[u8], u32)> = ids.iter().map(|(&bytes, &id)| (bytes, id)).collect();
            let units: Vec<u8> = TrieBuilder::build(&list).unwrap().into_iter().flat_map(u32::to_le_bytes).collect();
            let trie = Trie::new(Words::new(&units));
            for (bytes, id) in &list {
                prop_assert_eq!(trie.find(bytes), Some(*id));
            }
            prop_assert_eq!(trie.find(&other), ids.get(other.as_slice()).copied());
        }
    }
}
