//! Tokens in the making: what each costs, how often it is used, what would be lost without it.

use std::collections::BTreeSet;

use rayon::prelude::*;

use super::vocabulary::{specials, tokens};
use crate::build::{Parts, Rules, TrieBuilder};
use crate::compact::lattice::Lattice;
use crate::compact::segment::Classes;
use crate::compact::trie::Trie;
use crate::compact::words::{Halves, Words};
use crate::compact::{LONGEST_TOKEN, Segmentation};
use crate::format::model::COST_UNIT;
use crate::{Special, TokenizerError};

/// Share of the pieces that a pruning keeps.
const KEPT: f64 = 0.8;
/// Rounds of estimation before each.
const ROUNDS: usize = 2;
/// Improbability of a token before anything is known, in nats.
const FIRST_GUESS: f64 = 10.0;
/// Uses that a token without any is taken to have.
const UNUSED: f64 = 0.25;
/// Text that one task counts, in texts.
const TEXTS_A_TASK: usize = 64;

/// The 256 bytes, then all other tokens in the order of their bytes.
#[derive(Debug)]
pub(super) struct Lexicon {
    tokens: Vec<Vec<u8>>,
    costs: Vec<u16>,
    uses: Vec<u64>,
    trie: Vec<u8>,
}

/// First of the tokens that are no single bytes.
const PIECES: usize = 256;

impl Lexicon {
    /// The bytes and `pieces`, about which nothing is known yet.
    pub(super) fn new(pieces: BTreeSet<Vec<u8>>) -> Result<Self, TokenizerError> {
        let tokens: Vec<Vec<u8>> = (0..=u8::MAX).map(|byte| vec![byte]).chain(pieces).collect();
        let costs = vec![cost(FIRST_GUESS); tokens.len()];
        let uses = vec![0; tokens.len()];
        let trie = trie(&tokens)?;
        Ok(Self { tokens, costs, uses, trie })
    }

    /// How many tokens there are beside the bytes.
    pub(super) fn pieces(&self) -> usize {
        self.tokens.len() - PIECES
    }

    /// Adds pieces that are not there yet.
    pub(super) fn add(&mut self, pieces: impl Iterator<Item = Vec<u8>>) -> Result<(), TokenizerError> {
        let all = self.tokens.drain(..).skip(PIECES).chain(pieces).collect();
        *self = Self::new(all)?;
        Ok(())
    }

    /// Counts the tokens of `texts` at the present costs, and sets the costs by the counts.
    pub(super) fn estimate(&mut self, texts: &[String]) {
        let costs: Vec<u8> = self.costs.iter().flat_map(|cost| cost.to_le_bytes()).collect();
        let lattice = self.lattice(&costs);
        let lengths: Vec<usize> = self.tokens.iter().map(Vec::len).collect();
        let nothing = || vec![0u64; self.tokens.len()];
        let count = |texts: &[String]| {
            let (mut uses, mut ids) = (nothing(), Vec::new());
            for line in texts.iter().flat_map(|text| Segmentation::Lines.segments(Classes::default(), text)) {
                ids.resize(line.len().max(ids.len()), 0);
                let length = |id: u32| lengths.get(id as usize).copied().unwrap_or(1);
                let count = lattice.encode(line.as_bytes(), &mut ids, length).unwrap_or(0);
                ids[..count].iter().for_each(|&id| uses[id as usize] += 1);
            }
            uses
        };
        let add = |mut a: Vec<u64>, b: Vec<u64>| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
            a
        };
        self.uses = texts.par_chunks(TEXTS_A_TASK).map(count).reduce(nothing, add);
        self.set_costs();
    }

    fn set_costs(&mut self) {
        let all: u64 = self.uses.iter().sum();
        let nats = |uses: u64| (all.max(1) as f64 / (uses as f64).max(UNUSED)).ln();
        self.costs = self.uses.iter().map(|&uses| cost(nats(uses))).collect();
    }

    /// Estimates and prunes in turn until at most `wanted` pieces are left, and estimates once more.
    pub(super) fn shrink(
        &mut self,
        texts: &[String],
        wanted: usize,
        step: &mut dyn FnMut(),
    ) -> Result<(), TokenizerError> {
        loop {
            for _ in 0..ROUNDS {
                step();
                self.estimate(texts);
            }
            if self.pieces() <= wanted {
                return Ok(());
            }
            self.prune(((self.pieces() as f64 * KEPT) as usize).max(wanted))?;
        }
    }

    /// Keeps the `keep` pieces that would be missed most, and all bytes.
    fn prune(&mut self, keep: usize) -> Result<(), TokenizerError> {
        let losses: Vec<u64> = (PIECES..self.tokens.len())
            .into_par_iter()
            .map(|id| self.uses[id].saturating_mul(self.replacement(id).saturating_sub(u64::from(self.costs[id]))))
            .collect();
        let mut order: Vec<usize> = (PIECES..self.tokens.len()).collect();
        let loss = |id: usize| (losses[id - PIECES], self.uses[id]);
        order.sort_by(|&a, &b| loss(b).cmp(&loss(a)).then_with(|| self.tokens[a].cmp(&self.tokens[b])));
        order.truncate(keep);
        self.keep(order)
    }

    /// Drops pieces that are used less often than `least`.
    pub(super) fn drop_unused(&mut self, least: u64) -> Result<(), TokenizerError> {
        self.keep((PIECES..self.tokens.len()).filter(|&id| self.uses[id] >= least).collect())
    }

    fn keep(&mut self, mut pieces: Vec<usize>) -> Result<(), TokenizerError> {
        pieces.sort_unstable();
        let kept = || (0..PIECES).chain(pieces.iter().copied());
        self.tokens = kept().map(|id| std::mem::take(&mut self.tokens[id])).collect();
        self.costs = kept().map(|id| self.costs[id]).collect();
        self.uses = kept().map(|id| self.uses[id]).collect();
        self.trie = trie(&self.tokens)?;
        Ok(())
    }

    /// The least cost of writing a piece with other tokens.
    fn replacement(&self, piece: usize) -> u64 {
        let (bytes, trie) = (&self.tokens[piece], Trie::new(Words::new(&self.trie)));
        let mut best = vec![u64::MAX; bytes.len() + 1];
        best[0] = 0;
        for start in 0..bytes.len() {
            let mut node = trie.root();
            for end in start + 1..=bytes.len() {
                let Some(next) = trie.child(node, bytes[end - 1]) else { break };
                node = next;
                if let Some(id) = trie.token(node).map(|id| id as usize).filter(|&id| id != piece) {
                    best[end] = best[end].min(best[start].saturating_add(u64::from(self.costs[id])));
                }
            }
        }
        best[bytes.len()]
    }

    fn lattice<'a>(&'a self, costs: &'a [u8]) -> Lattice<'a> {
        Lattice { trie: Trie::new(Words::new(&self.trie)), costs: Halves::new(costs) }
    }

    /// The finished tokenizer: the most used pieces get the lowest ids.
    pub(super) fn into_parts(mut self) -> Parts {
        let mut order: Vec<usize> = (PIECES..self.tokens.len()).collect();
        order.sort_by(|&a, &b| self.uses[b].cmp(&self.uses[a]).then_with(|| self.tokens[a].cmp(&self.tokens[b])));
        let unused = std::iter::repeat_n(u16::MAX, Special::ALL.len());
        let costs = unused.chain(self.costs[..PIECES].iter().copied()).chain(order.iter().map(|&id| self.costs[id]));
        let rules = Rules::Costs(costs.collect());
        let pieces = order.iter().map(|&id| std::mem::take(&mut self.tokens[id]));
        Parts { segmentation: Segmentation::Lines, tokens: tokens(pieces), rules, specials: specials() }
    }
}

/// A cost in nats as the whole number that all implementations add up.
fn cost(nats: f64) -> u16 {
    (nats * COST_UNIT).round().clamp(1.0, f64::from(u16::MAX - 1)) as u16
}

/// Whether bytes can be a piece: whole characters that end where lines end or before, at least two bytes.
pub(super) fn is_whole(piece: &[u8]) -> bool {
    let content = piece.iter().rev().skip_while(|&&byte| byte == b'\n');
    std::str::from_utf8(piece).is_ok()
        && (2..=LONGEST_TOKEN).contains(&piece.len())
        && content.into_iter().all(|&byte| byte != b'\n')
}

fn trie(tokens: &[Vec<u8>]) -> Result<Vec<u8>, TokenizerError> {
    let mut list: Vec<(&[u8], u32)> = tokens.iter().map(Vec::as_slice).zip(0..).collect();
    list.sort_unstable();
    let units = TrieBuilder::build(&list);
    let units = units.ok_or_else(|| TokenizerError::Compact { problem: String::from("too many candidates") })?;
    Ok(units.into_iter().flat_map(u32::to_le_bytes).collect())
}
