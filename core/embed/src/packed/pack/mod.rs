//! Writing packed models.

mod fold;
mod rounding;
mod unpack;

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use serde::Serialize;

use super::header::{CHECKSUM_BYTES, DescentDefaults, HEADER_START, MAGIC, VERSION};
use super::layout::{Places, aligned};
use super::quantize::{self, Fit};
use super::storage::Storage;
use ebt_core::config::SMALLEST_ALPHA;
use ebt_core::config::{Conditioning, Config};
use ebt_core::error::{Error, Result};
use ebt_core::objective::Objective;
use ebt_core::parameters::{FeedForwardIds, ParameterId, ParameterLayout, SwigluIds};

pub use rounding::{matrices, round};
pub use unpack::unpack;

/// What [`pack`] makes a packed model of.
#[derive(Debug)]
pub struct Contents<'a, W> {
    /// Sizes and semantics.
    pub config: &'a Config,
    /// How the model was trained.
    pub objective: &'a Objective,
    /// Where the model comes from, as (key, value) pairs.
    pub provenance: &'a [(String, String)],
    /// Weights in layout order.
    pub weights: &'a [W],
    /// Storage of the matrices.
    pub storage: Storage,
    /// Tokenizer in its compact form; of a joint model of letters its table of words.
    pub language: Option<&'a [u8]>,
}

fn refuse<T>(message: String) -> Result<T> {
    Err(Error::Format { what: "packed model", message })
}

/// The bytes of a packed model.
///
/// # Errors
///
/// A configuration or objective that is not valid, weights that do not fit the layout or are not finite, and values that
/// are too large for the storage.
pub fn pack<W: AsRef<[f32]>>(contents: &Contents<'_, W>) -> Result<Vec<u8>> {
    let Contents { config, storage, .. } = *contents;
    config.check()?;
    contents.objective.validate()?;
    let layout = ParameterLayout::new(config);
    check(&layout, contents.weights)?;
    let header = header(contents, &layout)?;
    let Ok(length) = u32::try_from(header.len()) else {
        return refuse(format!("a header of {} bytes is too long", header.len()));
    };
    let mut out = Vec::new();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    let language = contents.language.unwrap_or_default();
    let sections = aligned((HEADER_START + header.len()) as u64);
    let end = sections.saturating_add(Places::new(config, storage).end());
    let total = end.saturating_add((language.len() + CHECKSUM_BYTES) as u64);
    if usize::try_from(total).map_or(true, |total| out.try_reserve_exact(total).is_err()) {
        return refuse(format!("{total} bytes of memory could not be had"));
    }
    out.extend_from_slice(&total.to_le_bytes());
    out.extend_from_slice(&header);
    let mut sections = Writer { layout: &layout, weights: contents.weights, storage, out };
    sections.align();
    sections.model(config)?;
    let mut out = sections.out;
    out.extend_from_slice(language);
    out.extend_from_slice(&ebt_core::checksum::crc32(&out).to_le_bytes());
    Ok(out)
}

/// The weights fit the layout and are finite.
fn check<W: AsRef<[f32]>>(layout: &ParameterLayout, weights: &[W]) -> Result<()> {
    if layout.entries.len() != weights.len() {
        return refuse(format!("{} parameters were given for {}", weights.len(), layout.entries.len()));
    }
    for (entry, weights) in layout.entries.iter().zip(weights) {
        let values = weights.as_ref();
        if values.len() != entry.len() {
            return refuse(format!("{} needs {} values, found {}", entry.name, entry.len(), values.len()));
        }
        if let Some(bad) = values.iter().find(|x| !x.is_finite()) {
            return refuse(format!("{} holds {bad}, and only finite values can be packed", entry.name));
        }
    }
    Ok(())
}

fn header<W: AsRef<[f32]>>(contents: &Contents<'_, W>, layout: &ParameterLayout) -> Result<Vec<u8>> {
    let objective = contents.objective;
    let alpha = layout.energy.and_then(|energy| contents.weights.get(energy.alpha)?.as_ref().first().copied());
    let descent = DescentDefaults {
        steps: objective.max_steps,
        initial: objective.initial,
        sigma0: objective.sigma0 as f32,
        alpha: alpha.unwrap_or(contents.config.alpha as f32).max(SMALLEST_ALPHA as f32),
    };
    descent.check()?;
    let mut out = Vec::new();
    append(&mut out, contents.config)?;
    append(&mut out, &descent)?;
    append(&mut out, &contents.storage)?;
    append(&mut out, &contents.provenance.len())?;
    for pair in contents.provenance {
        append(&mut out, pair)?;
    }
    append(&mut out, &contents.language.map(<[u8]>::len))?;
    Ok(out)
}

fn append<T: Serialize>(out: &mut Vec<u8>, value: &T) -> Result<()> {
    match postcard::to_allocvec(value) {
        Ok(bytes) => {
            out.extend_from_slice(&bytes);
            Ok(())
        }
        Err(error) => refuse(format!("the header cannot be encoded: {error}")),
    }
}

/// Appends sections in the order of the format.
struct Writer<'a, W> {
    layout: &'a ParameterLayout,
    weights: &'a [W],
    storage: Storage,
    out: Vec<u8>,
}

impl<W: AsRef<[f32]>> Writer<'_, W> {
    fn align(&mut self) {
        self.out.resize(aligned(self.out.len() as u64) as usize, 0);
    }

    fn values(&self, id: ParameterId) -> &[f32] {
        self.weights.get(id).map(AsRef::as_ref).unwrap_or_default()
    }

    fn floats(&mut self, values: &[f32]) {
        self.out.extend(values.iter().flat_map(|x| x.to_le_bytes()));
        self.align();
    }

    fn vector(&mut self, id: ParameterId) {
        let values = self.values(id).to_vec();
        self.floats(&values);
    }

    fn matrix(&mut self, id: ParameterId) -> Result<()> {
        let (Some(entry), Some(values)) = (self.layout.entries.get(id), self.weights.get(id)) else {
            return Ok(());
        };
        let mut scales = vec![0; self.storage.scale_bytes(entry.columns).saturating_mul(entry.rows)];
        let mut of_row = scales.chunks_mut(self.storage.scale_bytes(entry.columns).max(1));
        for row in values.as_ref().chunks(entry.columns) {
            let start = self.out.len();
            self.out.resize(start.saturating_add(self.storage.row_bytes(row.len())), 0);
            let (out, scales) = (self.out.get_mut(start..).unwrap_or_default(), of_row.next().unwrap_or_default());
            if let Err(value) = quantize::row(self.storage, Fit::Best, row, out, scales) {
                let name = self.storage.name();
                return refuse(format!("{} holds {value}, which is too large for {name}", entry.name));
            }
        }
        self.align();
        self.out.extend_from_slice(&scales);
        self.align();
        Ok(())
    }

    fn swiglu(&mut self, ids: SwigluIds) -> Result<()> {
        self.matrix(ids.w13)?;
        self.matrix(ids.w2)
    }

    fn model(&mut self, config: &Config) -> Result<()> {
        let layout = self.layout;
        self.matrix(layout.embedding)?;
        if layout.vocabulary != layout.embedding {
            self.matrix(layout.vocabulary)?;
        }
        if let Some(joint) = layout.joint {
            self.vector(joint.flags);
            joint.positions.into_iter().for_each(|positions| self.vector(positions));
        }
        for block in &layout.blocks {
            self.matrix(block.qkv)?;
            self.matrix(block.wo)?;
            block.relations.into_iter().for_each(|relations| self.vector(relations));
            match block.feed_forward {
                FeedForwardIds::Dense(ids) => self.swiglu(ids)?,
                FeedForwardIds::Mixture { gate, bias, experts, shared } => {
                    self.matrix(gate)?;
                    if config.moe.as_ref().is_some_and(|moe| moe.bias_rate > 0.0) {
                        self.vector(bias);
                    }
                    self.swiglu(experts)?;
                    shared.map_or(Ok(()), |ids| self.swiglu(ids))?;
                }
            }
        }
        if !config.has_condition() || config.condition == Conditioning::Predictions {
            for block in &layout.blocks {
                self.vector(block.attention_norm);
                self.vector(block.ffn_norm);
            }
            self.vector(layout.norm);
        }
        if let Some([weight, bias]) = layout.joint.and_then(|joint| joint.output) {
            self.matrix(weight)?;
            self.vector(bias);
        }
        let Some(energy) = layout.energy else { return Ok(()) };
        for landscape in 0..energy.condition.map_or(0, |_| config.landscapes) {
            for vector in fold::landscape(layout, self.weights, landscape, config.dim) {
                self.floats(&vector);
            }
        }
        self.vector(energy.head);
        Ok(())
    }
}
