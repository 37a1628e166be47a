//! How the rows of a pass attend: to a cache of observed keys, or all to each other.

use super::cache::{Cache, Visibility};
use super::layer::attention::{self, KeysAndValues, Shape, Weights};
use super::number::Number;
use super::scratch::AttentionScratch;
use crate::packed::{Floats, Isa};

/// A block, as attention sees it.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'p> {
    /// Its number, from 0.
    pub number: usize,
    /// Rows, heads and their width.
    pub shape: Shape,
    /// Biases by relation and head `(classes, H)`, where relations count.
    pub relations: Option<Floats<'p>>,
    /// How products are computed.
    pub kernel: Isa,
}

/// Attention of the rows of a pass.
pub trait Attend {
    /// Position of row `row`, by which its query and key are turned.
    fn position(&self, row: usize) -> u64;

    /// Mixed values `out (n, H d)` of `qkv (n, (H+2K) d)`, queries and keys turned. `kept` is for the way back.
    fn forward<N: Number>(&mut self, layer: Layer<'_>, qkv: &[f32], kept: &mut Weights<'_>, out: &mut [f32]);

    /// `dqkv (n, (H+2K) d)` from `dout (n, H d)`, before the turning is undone.
    fn backward<N: Number>(
        &mut self,
        layer: Layer<'_>,
        qkv: &[f32],
        kept: &mut Weights<'_>,
        dout: &[f32],
        dqkv: &mut [f32],
    );
}

/// Attention to the cached keys of one observed stream.
#[derive(Debug)]
pub struct Cached<'s, 'a> {
    /// Observed keys and values; those of observed rows are stored on their way.
    pub cache: &'s mut Cache<'a>,
    /// Scratch of one key head at a time.
    pub scratch: &'s mut AttentionScratch<'a>,
    /// Where the rows stand.
    pub visible: Visibility<'s>,
    /// Observed stream whose keys they see.
    pub stream: usize,
}

impl Cached<'_, '_> {
    /// Keys and values of observed rows go to the cache; `n` rows hold `[.. | k | v]` from column `from` on.
    pub fn store(&mut self, layer: usize, array: &[f32], n: usize, columns: usize, from: usize) {
        let keys = columns.saturating_sub(from) / 2;
        for (row, values) in array.chunks_exact(columns.max(1)).take(n).enumerate() {
            let position = self.visible.position(row);
            let Some((key, value)) = values.get(from..).and_then(|kv| kv.split_at_checked(keys)) else { continue };
            self.cache.store(self.stream, layer, position, key, value);
        }
    }

    /// What a block reads, with its shape.
    fn parts(&mut self, layer: Layer<'_>) -> (Shape, KeysAndValues<'_, '_>, attention::Scratch<'_>) {
        let shape = Shape { own: self.visible.predicted, ..layer.shape };
        let memory = KeysAndValues {
            cache: &*self.cache,
            stream: self.stream,
            layer: layer.number,
            visible: self.visible,
            kernel: layer.kernel,
        };
        (shape, memory, self.scratch.scratch())
    }
}

impl Attend for Cached<'_, '_> {
    fn position(&self, row: usize) -> u64 {
        self.visible.position(row)
    }

    fn forward<N: Number>(&mut self, layer: Layer<'_>, qkv: &[f32], kept: &mut Weights<'_>, out: &mut [f32]) {
        if !self.visible.predicted {
            self.store(layer.number, qkv, layer.shape.n, layer.shape.columns(), layer.shape.queries());
        }
        let (shape, memory, mut scratch) = self.parts(layer);
        attention::forward::<N>(shape, memory, qkv, kept, &mut scratch, out);
    }

    fn backward<N: Number>(
        &mut self,
        layer: Layer<'_>,
        qkv: &[f32],
        kept: &mut Weights<'_>,
        dout: &[f32],
        dqkv: &mut [f32],
    ) {
        let (shape, memory, mut scratch) = self.parts(layer);
        attention::backward::<N>(shape, memory, qkv, kept, dout, &mut scratch, dqkv);
    }
}
