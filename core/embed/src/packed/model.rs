//! A packed model, checked and used in place.

use ebt_core::config::{Config, ModelKind};
use serde::Deserialize;

use super::error::ReadError;
use super::header::{CHECKSUM_BYTES, DescentDefaults, HEADER_START, MAGIC, OLDEST, VERSION};
use super::layout::{self, Places, Sections, View, aligned};
use super::matrix::{Floats, Matrix};
use super::older::{Config2, Config3};
use super::parts::{Block, BlockCondition, ConditionOf, HeadCondition, Marks, Output};
use super::storage::Storage;

/// A checked packed model: views of its bytes.
#[derive(Clone, Debug)]
pub struct Model<'m> {
    /// Sizes and semantics.
    pub config: Config,
    /// How it descends.
    pub descent: DescentDefaults,
    /// Storage of its matrices.
    pub storage: Storage,
    sections: &'m [u8],
    places: Places,
    /// Tokenizer or table of words.
    language: Option<&'m [u8]>,
    provenance: Provenance<'m>,
}

/// Iterator over the (key, value) pairs that say where a model comes from.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Provenance<'m> {
    rest: &'m [u8],
    left: u32,
}

impl<'m> Iterator for Provenance<'m> {
    type Item = (&'m str, &'m str);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (pair, rest) = postcard::take_from_bytes(self.rest).ok()?;
        self.rest = rest;
        Some(pair)
    }
}

/// The header fields that were not read yet.
struct Header<'m>(&'m [u8]);

impl<'m> Header<'m> {
    fn take<T: Deserialize<'m>>(&mut self, field: &'static str) -> Result<T, ReadError> {
        let (value, rest) = postcard::take_from_bytes(self.0).map_err(|_| ReadError::Header { field })?;
        self.0 = rest;
        Ok(value)
    }
}

/// A file whose magic, version, length and checksum were checked.
struct Frame<'m> {
    version: u32,
    header: &'m [u8],
    /// What follows the header, with the place where it begins.
    body: &'m [u8],
    start: u64,
}

fn frame(bytes: &[u8]) -> Result<Frame<'_>, ReadError> {
    let found = bytes.len() as u64;
    let Some((head, rest)) = bytes.split_first_chunk::<HEADER_START>() else {
        let foreign = bytes.is_empty() || bytes.iter().zip(MAGIC).any(|(&a, b)| a != b);
        return Err(if foreign {
            ReadError::Foreign
        } else {
            ReadError::CutShort { found, whole: HEADER_START as u64 }
        });
    };
    let &[m0, m1, m2, m3, m4, m5, m6, m7, v0, v1, v2, v3, h0, h1, h2, h3, t0, t1, t2, t3, t4, t5, t6, t7] = head;
    if [m0, m1, m2, m3, m4, m5, m6, m7] != MAGIC {
        return Err(ReadError::Foreign);
    }
    let version = u32::from_le_bytes([v0, v1, v2, v3]);
    if !(OLDEST..=VERSION).contains(&version) {
        return Err(ReadError::Version { found: version });
    }
    let whole = u64::from_le_bytes([t0, t1, t2, t3, t4, t5, t6, t7]);
    if found < whole {
        return Err(ReadError::CutShort { found, whole });
    }
    if found > whole {
        return Err(ReadError::TooLong { extra: found.saturating_sub(whole) });
    }
    let cut = ReadError::CutShort { found, whole: (HEADER_START + CHECKSUM_BYTES) as u64 };
    let (checked, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(cut)?;
    let body = rest.len().checked_sub(CHECKSUM_BYTES).and_then(|length| rest.get(..length)).ok_or(cut)?;
    if ebt_core::checksum::crc32(checked) != u32::from_le_bytes(*checksum) {
        return Err(ReadError::Checksum);
    }
    let length = u32::from_le_bytes([h0, h1, h2, h3]);
    let parts = usize::try_from(length).ok().and_then(|length| body.split_at_checked(length));
    let (header, body) = parts.ok_or(ReadError::Header { field: "the length" })?;
    Ok(Frame { version, header, body, start: (HEADER_START as u64).saturating_add(u64::from(length)) })
}

impl<'m> Model<'m> {
    /// Reads a packed model in place.
    ///
    /// # Errors
    ///
    /// Bytes that are foreign, cut short, lengthened or damaged, of another version, or whose configuration is not
    /// valid or asks for other sizes.
    pub fn read(bytes: &'m [u8]) -> Result<Model<'m>, ReadError> {
        let Frame { version, header, body, start } = frame(bytes)?;
        let mut header = Header(header);
        const FIELD: &str = "the configuration";
        let config: Config = match version {
            OLDEST => header.take::<Config2>(FIELD)?.into(),
            3 => header.take::<Config3>(FIELD)?.into(),
            _ => header.take(FIELD)?,
        };
        config.check()?;
        let descent: DescentDefaults = header.take("the descent")?;
        descent.check()?;
        let storage: Storage = header.take("the storage")?;
        let left: u32 = header.take("the provenance")?;
        let provenance = Provenance { rest: header.0, left };
        for _ in 0..left {
            // every pair takes bytes, so this ends with the header
            header.take::<(&str, &str)>("the provenance")?;
        }
        let language: Option<u64> = header.take("the length of the tokenizer")?;
        if !header.0.is_empty() {
            return Err(ReadError::Header { field: "what follows the last field" });
        }
        let sections = View::from(storage, body, aligned(start).saturating_sub(start)).rest;
        let places = Places::new(&config, storage);
        let length = places.end().checked_add(language.unwrap_or(0));
        if length != Some(sections.len() as u64) {
            return Err(ReadError::Sections);
        }
        let language = language.map(|_| View::from(storage, sections, places.end()).rest);
        Ok(Model { config, descent, storage, sections, places, language, provenance })
    }

    fn at(&self, place: u64) -> View<'m> {
        View::from(self.storage, self.sections, place)
    }

    /// Token embedding `(V, D)`; of a joint model that of [`Self::vocabulary`].
    pub fn embedding(&self) -> Matrix<'m> {
        self.at(0).matrix(self.config.vocab, self.config.dim)
    }

    /// Candidate mixing matrix `(V, D)`, in the baseline the output matrix; the embedding itself when tied.
    pub fn vocabulary(&self) -> Matrix<'m> {
        self.at(self.places.vocabulary()).matrix(self.config.vocab, self.config.dim)
    }

    /// What tells positions apart; none but in a joint model.
    pub fn marks(&self) -> Option<Marks<'m>> {
        Some(layout::marks(&mut self.at(self.places.marks()?), &self.config))
    }

    /// The condition of an energy on a landscape: its own, or the plain one where the model has no AdaLN.
    pub fn condition_of(&self, landscape: usize) -> ConditionOf {
        if self.config.has_condition() { ConditionOf::Landscape(landscape) } else { ConditionOf::Plain }
    }

    /// Matrices of block `layer`; none outside the model.
    pub fn block(&self, layer: usize) -> Option<Block<'m>> {
        let mut view = self.at(self.places.block(layer));
        (layer < self.config.layers).then(|| layout::block(&mut view, &self.config, layer))
    }

    /// Condition vectors of block `layer`; none outside the model, and for conditions that it does not use.
    pub fn block_condition(&self, of: ConditionOf, layer: usize) -> Option<BlockCondition<'m>> {
        let inside = layer < self.config.layers;
        let (place, modulated) = self.condition(of, layer)?;
        inside.then(|| layout::block_condition(&mut self.at(place), self.config.dim, modulated))
    }

    /// Condition vectors of the final norm; none for conditions that the model does not use.
    pub fn head_condition(&self, of: ConditionOf) -> Option<HeadCondition<'m>> {
        let (place, modulated) = self.condition(of, self.config.layers)?;
        Some(layout::head_condition(&mut self.at(place), self.config.dim, modulated))
    }

    fn condition(&self, of: ConditionOf, layer: usize) -> Option<(u64, bool)> {
        match of {
            ConditionOf::Landscape(s) => Some((self.places.conditions(s, layer)?, true)),
            ConditionOf::Plain => Some((self.places.plain(layer)?, false)),
        }
    }

    /// Energy head `(D)`; none in the baseline, and where the head makes logits.
    pub fn head(&self) -> Option<Floats<'m>> {
        let place = self.places.head().filter(|_| self.config.has_energy())?;
        Some(self.at(place).floats(self.config.dim))
    }

    /// Head of logits; none but in a joint model that has one instead of an energy.
    pub fn output(&self) -> Option<Output<'m>> {
        let place = self.places.head().filter(|_| !self.config.has_energy())?;
        Some(layout::output(&mut self.at(place), &self.config))
    }

    /// The tokenizer in its compact form, if the file holds one.
    pub fn tokenizer(&self) -> Option<&'m [u8]> {
        self.language.filter(|_| self.config.kind != ModelKind::Joint)
    }

    /// The table of words of a joint model of letters ([`ebt_tokenizer::letters::words`]), if the file holds one.
    pub fn words(&self) -> Option<&'m [u8]> {
        self.language.filter(|_| self.config.kind == ModelKind::Joint)
    }

    /// Where the model comes from, as (key, value) pairs.
    pub fn provenance(&self) -> Provenance<'m> {
        self.provenance
    }

    /// Bytes of all matrices and vectors, with the padding between them.
    pub fn weight_bytes(&self) -> usize {
        self.sections.len().saturating_sub(self.language.map_or(0, <[u8]>::len))
    }
}
