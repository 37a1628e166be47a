//! The header of a compact tokenizer, and its tables.

use serde::{Deserialize, Serialize};

use super::checksum::crc32;
use super::error::CompactError;
use super::lattice::{LONGEST_TOKEN, Lattice};
use super::magic::MAGIC;
use super::merges::Merges;
use super::segment::{Classes, Segmentation};
use super::trie::Trie;
use super::words::{Halves, Words};
use crate::Special;

/// How the tokens of a segment are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// The cheapest path over all tokens.
    Lattice,
    /// Byte-pair encoding: the pair learned first is merged first, until no pair is left that was learned.
    Merges,
}

/// What stands before the tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CompactHeader {
    pub algorithm: Algorithm,
    pub segmentation: Segmentation,
    pub vocabulary: u32,
    /// Ids in the order of [`Special::ALL`].
    pub specials: [Option<u32>; Special::ALL.len()],
    pub fingerprint: u64,
    /// Bytes of each table, in the order of [`Tables`].
    pub lengths: [u32; 6],
}

/// The tables as borrowed little-endian bytes of any alignment; one that the tokenizer does not need is empty.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tables<'a> {
    /// Units of the trie of all tokens, `u32`.
    pub trie: &'a [u8],
    /// Where the bytes of each token end, `u32`.
    pub ends: &'a [u8],
    /// The bytes of all tokens.
    pub bytes: &'a [u8],
    /// Costs of all tokens, `u16`; lattice only.
    pub costs: &'a [u8],
    /// Hash table of merges, `u32`; merges only.
    pub merges: &'a [u8],
    /// Classes of characters, `u32`; words only.
    pub classes: &'a [u8],
}

/// Splits checked bytes into header and tables.
pub(crate) fn read(bytes: &[u8]) -> Result<(CompactHeader, Tables<'_>), CompactError> {
    let [signature @ .., version] = &MAGIC;
    let (found, body) = bytes.strip_prefix(signature).and_then(<[u8]>::split_first).ok_or(CompactError::NotCompact)?;
    if found != version {
        return Err(CompactError::Version { found: *found });
    }
    let short = CompactError::Length { expected: bytes.len() + 1, found: bytes.len() };
    let (length, body) = body.split_first_chunk::<4>().ok_or(short)?;
    let (head, rest) = body.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or(short)?;
    let header: CompactHeader = postcard::from_bytes(head).map_err(|_| CompactError::Damaged { table: "header" })?;
    let sum = header.lengths.iter().try_fold(0usize, |sum, &n| sum.checked_add(n as usize));
    let expected = sum.and_then(|sum| sum.checked_add(bytes.len() - rest.len() + 4)).unwrap_or(usize::MAX);
    if expected != bytes.len() {
        return Err(CompactError::Length { expected, found: bytes.len() });
    }
    let (checked, crc) = bytes.split_last_chunk::<4>().ok_or(short)?;
    if crc32(checked) != u32::from_le_bytes(*crc) {
        return Err(CompactError::Checksum);
    }
    let tables = tables(&header, bytes);
    Ok((header, tables))
}

/// The tables of bytes whose header and length were checked.
pub(crate) fn tables<'a>(header: &CompactHeader, bytes: &'a [u8]) -> Tables<'a> {
    let sum: usize = header.lengths.iter().map(|&n| n as usize).sum();
    let mut rest = bytes.get(bytes.len().saturating_sub(sum + 4)..).unwrap_or_default();
    let mut next = header.lengths.iter().map(move |&length| {
        let (table, after) = rest.split_at_checked(length as usize).unwrap_or_default();
        rest = after;
        table
    });
    let mut next = || next.next().unwrap_or_default();
    Tables { trie: next(), ends: next(), bytes: next(), costs: next(), merges: next(), classes: next() }
}

/// Header and tables, ready for use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub algorithm: Algorithm,
    pub segmentation: Segmentation,
    pub vocabulary: u32,
    pub specials: [Option<u32>; Special::ALL.len()],
    pub fingerprint: u64,
    trie: Trie<'a>,
    ends: Words<'a>,
    bytes: &'a [u8],
    costs: Halves<'a>,
    merges: Words<'a>,
    classes: Words<'a>,
}

impl<'a> View<'a> {
    pub fn new(header: &CompactHeader, tables: Tables<'a>) -> Self {
        Self {
            algorithm: header.algorithm,
            segmentation: header.segmentation,
            vocabulary: header.vocabulary,
            specials: header.specials,
            fingerprint: header.fingerprint,
            trie: Trie::new(Words::new(tables.trie)),
            ends: Words::new(tables.ends),
            bytes: tables.bytes,
            costs: Halves::new(tables.costs),
            merges: Words::new(tables.merges),
            classes: Words::new(tables.classes),
        }
    }

    #[inline]
    pub fn bytes(&self, id: u32) -> Option<&'a [u8]> {
        let end = self.ends.get(id)?;
        let start = id.checked_sub(1).map_or(Some(0), |before| self.ends.get(before))?;
        self.bytes.get(start as usize..end as usize)
    }

    /// The bytes of a token of the vocabulary.
    pub fn known(&self, id: u32) -> Result<&'a [u8], CompactError> {
        self.bytes(id).ok_or(CompactError::IdOutOfRange { id, vocabulary: self.vocabulary })
    }

    #[inline]
    pub fn length(&self, id: u32) -> usize {
        self.bytes(id).map_or(0, <[u8]>::len)
    }

    #[inline]
    pub fn lattice(&self) -> Lattice<'a> {
        Lattice { trie: self.trie, costs: self.costs }
    }

    pub fn merges(&self) -> Merges<'a> {
        Merges { trie: self.trie, table: self.merges }
    }

    pub fn classes(&self) -> Classes<'a> {
        Classes(self.classes)
    }

    /// Every byte is a token, every token with bytes is found by them, and lengths and costs are there.
    pub fn check(&self) -> Result<(), CompactError> {
        let damaged = |table| Err(CompactError::Damaged { table });
        if self.ends.len() != self.vocabulary as usize {
            return damaged("token table");
        }
        for byte in 0..=u8::MAX {
            if self.trie.find(&[byte]).is_none() {
                return damaged("alphabet");
            }
        }
        for id in 0..self.vocabulary {
            let Some(bytes) = self.bytes(id) else { return damaged("token table") };
            let special = self.specials.contains(&Some(id));
            if bytes.is_empty() != special || !special && self.trie.find(bytes) != Some(id) {
                return damaged("trie");
            }
            let lattice = self.algorithm == Algorithm::Lattice;
            if lattice && (bytes.len() > LONGEST_TOKEN || self.costs.get(id).is_none()) {
                return damaged("cost table");
            }
        }
        Ok(())
    }
}
