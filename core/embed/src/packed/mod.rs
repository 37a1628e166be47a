//! The packed model: a file that inference uses in place, from flash or from a memory map, without heap.
//!
//! ```text
//! 0    magic         89 'E' 'B' 'P' 0D 0A 1A 0A   (a transfer as text damages it visibly)
//! 8    version       u32
//! 12   header bytes  u32
//! 16   file bytes    u64
//! 24   header        postcard: Config, Defaults, Storage, number of provenance pairs, the pairs, tokenizer bytes
//! ...  sections      each at a multiple of 64, zeros between:
//!        token embedding (V, D); candidate mixing or output matrix (V, D) unless tied
//!        of every block: qkv, wo, then w13 and w2, or gate, routing bias, experts' w13 and w2, shared w13 and w2
//!        plain gains, if something is unmodulated: w1, w2 of every block, then w of the final norm
//!        of every landscape: w1, b1, a1, w2, b2, a2 of every block, then w, b of the final norm
//!        energy head (D)
//!        tokenizer (compact form)
//! end  checksum      u32: CRC-32 of everything before
//! ```
//!
//! All integers are little-endian. A matrix is two sections: values row by row, and scales row by row (none for floats).
//! Vectors are singles. The order and the sizes follow from the configuration, so there is no table to keep. AdaLN's
//! modulation depends on the landscape alone and is folded: `w1 = gain1 (1 + g1)`, so the file holds vectors instead of the
//! `(6D, D)` matrices.
//!
//! [`Model::read`] takes any bytes of any alignment: it checks every size against the file before it believes it, never
//! panics, allocates nothing, and its time is linear in the length of the file. [`VERSION`] changes whenever
//! [`Config`] or [`Defaults`] do, because postcard stores fields by position.

mod error;
mod kernel;
mod layout;
mod matrix;
#[cfg(feature = "pack")]
mod pack;
mod parts;
mod storage;

pub use error::ReadError;
pub use kernel::{Avx2, Avx512, Kernel};
pub use matrix::{Floats, Matrix};
#[cfg(feature = "pack")]
pub use pack::{Contents, pack};
pub use parts::{Block, BlockCondition, ConditionOf, FeedForward, HeadCondition, HeadConditionOf, Mixture, Swiglu};
pub use storage::{GROUP, Storage};

use serde::{Deserialize, Serialize};

use ebt_core::config::Config;
use ebt_core::config_error::{ConfigError, not_negative, positive, require};
use ebt_core::objective::InitialState;
use layout::{Places, Sections, View, aligned};

/// First bytes of every packed model.
pub const MAGIC: [u8; 8] = [0x89, b'E', b'B', b'P', b'\r', b'\n', 0x1a, b'\n'];

/// Version written; no other is read.
pub const VERSION: u32 = 1;

/// Sections begin at multiples of this, so that mapped weights suit any vector unit.
pub const ALIGNMENT: usize = 64;

const HEADER_START: usize = 24;
const CHECKSUM_BYTES: usize = 4;

/// How the model descends unless it is told otherwise: what it was trained with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Defaults {
    /// Descent steps.
    pub steps: usize,
    /// Initial state.
    pub initial: InitialState,
    /// Standard deviation of noise starts.
    pub sigma0: f32,
    /// Limit of `|alpha G|`, elementwise; 0 = off.
    pub max_change: f32,
    /// Limit of `|Y'|`, elementwise; 0 = off.
    pub absolute: f32,
    /// Temperature dividing every new state; 1 = off.
    pub sharpen: f32,
    /// Step size.
    pub alpha: f32,
}

impl Defaults {
    fn check(&self) -> Result<(), ConfigError> {
        require("steps", self.steps as f64, (1..=4096).contains(&self.steps), "must be between 1 and 4096")?;
        let numbers = [("sigma0", self.sigma0), ("max_change", self.max_change), ("absolute", self.absolute)];
        for (field, x) in numbers {
            not_negative(field, f64::from(x))?;
        }
        for (field, x) in [("sharpen", self.sharpen), ("alpha", self.alpha)] {
            positive(field, f64::from(x))?;
        }
        Ok(())
    }
}

/// A checked packed model: views of its bytes.
#[derive(Clone, Debug)]
pub struct Model<'m> {
    /// Sizes and semantics.
    pub config: Config,
    /// How it descends.
    pub descent: Defaults,
    /// Storage of its matrices.
    pub storage: Storage,
    sections: &'m [u8],
    places: Places,
    tokenizer: Option<&'m [u8]>,
    provenance: Provenance<'m>,
}

/// Iterator over the (key, value) pairs that say where a model comes from.
#[derive(Clone, Copy, Debug)]
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

/// Checks magic, version, length and checksum; returns the header, and what follows it with the place where it begins.
fn frame(bytes: &[u8]) -> Result<(&[u8], &[u8], u64), ReadError> {
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
    if version != VERSION {
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
    let (header, sections) = parts.ok_or(ReadError::Header { field: "the length" })?;
    Ok((header, sections, (HEADER_START as u64).saturating_add(u64::from(length))))
}

/// Block `layer` of a model and its condition vectors as sizes without values.
pub(crate) fn shapes(config: &Config, layer: usize, modulated: bool) -> (Block<'static>, BlockCondition<'static>) {
    let sections = &mut layout::Shapes;
    (layout::block(sections, config, layer), layout::block_condition(sections, config.dim, modulated))
}

impl<'m> Model<'m> {
    /// Reads a packed model in place.
    ///
    /// # Errors
    ///
    /// Bytes that are foreign, cut short, lengthened or damaged, of another version, or whose configuration is not
    /// valid or asks for other sizes.
    pub fn read(bytes: &'m [u8]) -> Result<Model<'m>, ReadError> {
        let (header, body, start) = frame(bytes)?;
        let mut header = Header(header);
        let config: Config = header.take("the configuration")?;
        config.check()?;
        let descent: Defaults = header.take("the descent")?;
        descent.check()?;
        let storage: Storage = header.take("the storage")?;
        let left: u32 = header.take("the provenance")?;
        let provenance = Provenance { rest: header.0, left };
        for _ in 0..left {
            // every pair takes bytes, so this ends with the header
            header.take::<(&str, &str)>("the provenance")?;
        }
        let tokenizer: Option<u64> = header.take("the length of the tokenizer")?;
        if !header.0.is_empty() {
            return Err(ReadError::Header { field: "what follows the last field" });
        }
        let sections = View::from(storage, body, aligned(start).saturating_sub(start)).rest;
        let places = Places::new(&config, storage);
        let length = places.end().checked_add(tokenizer.unwrap_or(0));
        if length != Some(sections.len() as u64) {
            return Err(ReadError::Sections);
        }
        let tokenizer = tokenizer.map(|_| View::from(storage, sections, places.end()).rest);
        Ok(Model { config, descent, storage, sections, places, tokenizer, provenance })
    }

    fn at(&self, place: u64) -> View<'m> {
        View::from(self.storage, self.sections, place)
    }

    /// Token embedding `(V, D)`.
    pub fn embedding(&self) -> Matrix<'m> {
        self.at(0).matrix(self.config.vocab, self.config.dim)
    }

    /// Candidate mixing matrix `(V, D)`, in the baseline the output matrix; the embedding itself when tied.
    pub fn vocabulary(&self) -> Matrix<'m> {
        let place = self.places.table(u64::from(!self.config.tied));
        self.at(place).matrix(self.config.vocab, self.config.dim)
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

    /// Energy head `(D)`; none in the baseline.
    pub fn head(&self) -> Option<Floats<'m>> {
        Some(self.at(self.places.head()?).floats(self.config.dim))
    }

    /// The tokenizer in its compact form, if the file holds one.
    pub fn tokenizer(&self) -> Option<&'m [u8]> {
        self.tokenizer
    }

    /// Where the model comes from, as (key, value) pairs.
    pub fn provenance(&self) -> Provenance<'m> {
        self.provenance
    }

    /// Bytes of all matrices and vectors, with the padding between them.
    pub fn weight_bytes(&self) -> usize {
        self.sections.len().saturating_sub(self.tokenizer.map_or(0, <[u8]>::len))
    }
}
