//! What a tokenizer consists of, and its compact form.

use std::collections::BTreeMap;

use regex_syntax::hir::{Class, HirKind};

use super::TrieBuilder;
use crate::compact::crc32;
use crate::compact::segment::Class as CharClass;
use crate::compact::{Algorithm, CompactHeader, CompactTokenizer, LONGEST_TOKEN, MAGIC, Segmentation, merges};
use crate::{Special, TokenizerError};

/// How tokens are chosen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Rules {
    /// A cost for every token; that of a special token is never looked at.
    Costs(Vec<u16>),
    /// Pairs of tokens with what they become, the first learned first.
    Merges(Vec<(u32, u32, u32)>),
}

/// What a tokenizer consists of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parts {
    pub segmentation: Segmentation,
    /// The bytes of every token, by id; none for a special one.
    pub tokens: Vec<Vec<u8>>,
    pub rules: Rules,
    /// Ids in the order of [`Special::ALL`].
    pub specials: [Option<u32>; Special::ALL.len()],
}

impl Parts {
    /// The compact form. `fingerprint` is that of the JSON.
    ///
    /// # Errors
    ///
    /// What the compact form cannot hold.
    pub(crate) fn to_compact(&self, fingerprint: u64) -> Result<Vec<u8>, TokenizerError> {
        let cannot = |problem: &str| TokenizerError::Compact { problem: problem.to_owned() };
        let mut sorted: BTreeMap<&[u8], u32> = BTreeMap::new();
        for (bytes, id) in self.tokens.iter().zip(0..) {
            if !bytes.is_empty() && sorted.insert(bytes, id).is_some() {
                return Err(cannot("two tokens have the same bytes"));
            }
            if bytes.len() > LONGEST_TOKEN && matches!(self.rules, Rules::Costs(_)) {
                return Err(cannot("a token is too long"));
            }
        }
        let list: Vec<(&[u8], u32)> = sorted.into_iter().collect();
        let units = TrieBuilder::build(&list).ok_or_else(|| cannot("the vocabulary is too large"))?;
        let ends = self.tokens.iter().scan(0u32, |end, bytes| {
            *end += bytes.len() as u32;
            Some(*end)
        });
        let (algorithm, costs, merges) = match &self.rules {
            Rules::Costs(costs) => (Algorithm::Lattice, costs.as_slice(), Vec::new()),
            Rules::Merges(merges) => (Algorithm::Merges, [].as_slice(), merge_table(merges)),
        };
        let classes = match self.segmentation {
            Segmentation::Lines => Vec::new(),
            Segmentation::Words => class_table()?,
        };
        let tables: [Vec<u8>; 6] = [
            numbers(units),
            numbers(ends),
            self.tokens.concat(),
            costs.iter().flat_map(|cost| cost.to_le_bytes()).collect(),
            numbers(merges),
            numbers(classes),
        ];
        let header = CompactHeader {
            algorithm,
            segmentation: self.segmentation,
            vocabulary: self.tokens.len() as u32,
            specials: self.specials,
            fingerprint,
            lengths: std::array::from_fn(|i| tables[i].len() as u32),
        };
        let head = postcard::to_allocvec(&header).map_err(|error| cannot(&error.to_string()))?;
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&(head.len() as u32).to_le_bytes());
        out.extend_from_slice(&head);
        tables.iter().for_each(|table| out.extend_from_slice(table));
        out.extend_from_slice(&crc32(&out).to_le_bytes());
        Ok(out)
    }

    /// What a compact tokenizer consists of.
    pub(crate) fn of_compact(bytes: &[u8]) -> Result<Self, TokenizerError> {
        let tokenizer = CompactTokenizer::from_bytes(bytes)?;
        let (header, tables) = crate::compact::read(bytes)?;
        let tokens: Vec<Vec<u8>> =
            (0..header.vocabulary).filter_map(|id| tokenizer.token_bytes(id)).map(<[u8]>::to_vec).collect();
        let words = |bytes: &[u8]| bytes.as_chunks().0.iter().map(|&b| u32::from_le_bytes(b)).collect::<Vec<u32>>();
        let rules = match header.algorithm {
            Algorithm::Lattice => {
                Rules::Costs(tables.costs.as_chunks().0.iter().map(|&b| u16::from_le_bytes(b)).collect())
            }
            Algorithm::Merges => {
                let table = words(tables.merges);
                let entries = table.as_chunks::<4>().0.iter().filter(|entry| entry[0] != u32::MAX);
                let by_rank: BTreeMap<u32, (u32, u32, u32)> =
                    entries.map(|&[left, right, rank, product]| (rank, (left, right, product))).collect();
                Rules::Merges(by_rank.into_values().collect())
            }
        };
        Ok(Self { segmentation: header.segmentation, tokens, rules, specials: header.specials })
    }
}

fn numbers(values: impl IntoIterator<Item = u32>) -> Vec<u8> {
    values.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// The hash table of merges.
fn merge_table(list: &[(u32, u32, u32)]) -> Vec<u32> {
    let slots = (2 * list.len()).next_power_of_two().max(2);
    let mut table = vec![u32::MAX; 4 * slots];
    for (&(left, right, product), rank) in list.iter().zip(0..) {
        let mut at = merges::slot(left, right) as usize % slots;
        while table[4 * at] != u32::MAX && table[4 * at..4 * at + 2] != [left, right] {
            at = (at + 1) % slots;
        }
        if table[4 * at] == u32::MAX {
            table[4 * at..4 * at + 4].copy_from_slice(&[left, right, rank, product]);
        }
    }
    table
}

/// Runs of characters of one class, by the tables of the regular expressions that the library uses.
pub(crate) fn class_table() -> Result<Vec<u32>, TokenizerError> {
    let mut runs: Vec<(u32, u32, CharClass)> = Vec::new();
    let classes = [(r"[\p{L}\p{M}]", CharClass::Letter), (r"\p{N}", CharClass::Number), (r"\s", CharClass::Space)];
    for (pattern, class) in classes {
        let failed = |problem: String| TokenizerError::Compact { problem };
        let hir = regex_syntax::parse(pattern).map_err(|error| failed(error.to_string()))?;
        let HirKind::Class(Class::Unicode(set)) = hir.kind() else {
            return Err(failed(format!("{pattern} is no class of characters")));
        };
        runs.extend(set.iter().map(|range| (u32::from(range.start()), u32::from(range.end()), class)));
    }
    runs.sort_unstable_by_key(|run| run.0);
    let mut table = Vec::new();
    let mut at = 0;
    for (start, end, class) in runs {
        if start > at {
            table.push(at << 2 | CharClass::Other.code());
        }
        table.push(start << 2 | class.code());
        at = end + 1;
    }
    table.push(at << 2 | CharClass::Other.code());
    Ok(table)
}
