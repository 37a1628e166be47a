//! Memory of passes.

use ebt_core::config::Config;
use ebt_core::layer::block::BlockSaved;

use super::arena::Carver;
use super::error::Error;
use super::layer::rotary;
use super::lent::{Index, Place, Tensor, measure};
use super::sizes::Sizes;

/// The arrays of a pass.
#[derive(Debug)]
pub struct Saved<'a> {
    /// Their numbers.
    pub tape: &'a mut [f32],
    /// Their integers.
    pub words: &'a mut [u32],
    /// What dense blocks and what blocks with a mixture keep, as places that all of the kind have.
    pub blocks: [Option<SavedBlock>; 2],
    /// Inverse norm of the final norm.
    pub last: Tensor,
}

/// What a block keeps.
#[derive(Debug)]
pub struct SavedBlock {
    /// Its arrays.
    pub arrays: BlockSaved<Tensor, Index>,
    /// Its length.
    pub length: Place,
}

impl<'a> Saved<'a> {
    /// Room for `rows` rows, values and tangents counted apart: of predictions in all blocks, or observed in one.
    pub fn carve(
        carver: &mut Carver<'a>,
        sizes: &Sizes,
        config: &Config,
        rows: usize,
        predicted: bool,
    ) -> Result<Self, Error> {
        let need = measure(config, sizes, rows, predicted);
        let (tape, words) = (carver.floats(need.numbers)?, carver.words(need.words)?);
        Ok(Self { tape, words, blocks: [None, None], last: Tensor::default() })
    }
}

/// What all passes share.
#[derive(Debug)]
pub struct Work<'a> {
    /// The stream `(n,D)`; after the way back its gradient.
    pub h: &'a mut [f32],
    /// Cosines and sines of every row `(n, d)`.
    pub turns: &'a mut [f32],
    /// Rotary frequencies `(d)`.
    pub frequencies: &'a mut [f32],
}

impl<'a> Work<'a> {
    /// Room for the rows that are computed together.
    pub fn carve(carver: &mut Carver<'a>, sizes: &Sizes, theta: f64) -> Result<Self, Error> {
        let rows = sizes.most_rows();
        let work = Self {
            h: carver.matrix(rows, sizes.dim)?,
            turns: carver.matrix(rows, sizes.head_width)?,
            frequencies: carver.floats(sizes.head_width)?,
        };
        rotary::frequencies(theta, sizes.head_width, work.frequencies);
        Ok(work)
    }
}
