//! One pass of rows through all blocks of [`ebt_core::layer::block`], and back to the gradient of its input, with the head
//! `e = w . (rms(h; w) + b)` on top.

use ebt_core::compute::Compute;
use ebt_core::layer::block::{self, LastSaved};

use super::cache::{Cache, Seen};
use super::layer::rotary;
use super::lent::{Context, Leaf, Lent, Memory, Place, Rows};
use super::math::dot;
use super::number::Number;
use super::sizes::Sizes;
use super::slices::copy;
use super::work::{Saved, SavedBlock, Work};
use crate::packed::{ConditionOf, HeadCondition, Kernel, Model};

/// What rows pass through.
#[derive(Clone, Copy, Debug)]
pub struct Pass<'p, 'm> {
    /// Weights.
    pub model: &'p Model<'m>,
    /// Sizes.
    pub sizes: &'p Sizes,
    /// How products are computed.
    pub kernel: Kernel,
    /// Rows.
    pub n: usize,
    /// Where they stand.
    pub seen: Seen<'p>,
    /// Observed stream whose keys they see.
    pub stream: usize,
}

impl<'p, 'm> Pass<'p, 'm> {
    /// Cosines and sines of every row's position.
    fn prepare(&self, work: &mut Work<'_>) {
        let width = self.sizes.head_width;
        for (row, turns) in work.turns.chunks_exact_mut(width.max(1)).take(self.n).enumerate() {
            rotary::turns(work.frequencies, self.seen.position(row), turns);
        }
    }

    fn lent<'s, 'a, N: Number>(&self, memory: Memory<'s, 'a>) -> Lent<'s, 'a, N>
    where
        'p: 's,
    {
        let shape = self.sizes.attention(self.n, self.seen.predicted);
        let Self { seen, stream, kernel, .. } = *self;
        Lent::new(memory, Rows { shape, slots: self.sizes.slots, seen, stream, kernel })
    }

    fn context(&self, of: ConditionOf, layer: usize) -> Option<Context<'p, 'm>> {
        let (block, condition) = (self.model.block(layer)?, self.model.block_condition(of, layer)?);
        Some(Context { config: &self.model.config, layer, block, condition, predicted: self.seen.predicted })
    }

    /// Which of [`Saved::blocks`] is that of block `layer`.
    fn kind(&self, layer: usize) -> bool {
        self.model.config.mixture(layer).is_some()
    }

    /// Observed rows `work.h (n,D)` through all blocks. With `memory_only` the last one computes keys and values alone;
    /// else `finish` is given its output `(n,D)`, and a spare number a row.
    pub fn observe(
        &self,
        of: ConditionOf,
        memory_only: bool,
        cache: &mut Cache<'_>,
        saved: &mut Saved<'_>,
        work: &mut Work<'_>,
        finish: impl FnOnce(&[f32], &mut [f32]),
    ) {
        self.prepare(work);
        let Saved { tape, words, .. } = saved;
        let c: Lent<'_, '_, f32> = self.lent(Memory { tape, words, cache: Some(cache), turns: work.turns });
        let (base, window) = (Place::default(), self.sizes.window);
        c.write(&c.begin(0, base, self.sizes.dim), |h| copy(h, work.h));
        for layer in 0..self.sizes.layers {
            let Some(context) = self.context(of, layer) else { return };
            let h = c.begin(layer, base, self.sizes.dim);
            if memory_only && layer + 1 == self.sizes.layers {
                let last = context.run(window, |x| block::memory_forward(&c, x, &h));
                let LastSaved::Memory { memory, .. } = last else { return };
                return c.remember(&memory, 0);
            }
            c.replace_input(&context.run(window, |x| block::forward(&c, x, &h)).0);
        }
        c.read(&c.begin(self.sizes.layers, base, self.sizes.dim), finish);
    }

    /// Energies `(n,1)` of the candidates `work.h (n,D)` on landscape `s`; keeps what [`Self::gradient`] needs.
    pub fn energies<N: Number>(
        &self,
        landscape: usize,
        cache: &mut Cache<'_>,
        saved: &mut Saved<'_>,
        work: &mut Work<'_>,
        mut each: impl FnMut(usize, f32),
    ) {
        let of = ConditionOf::Landscape(landscape);
        self.prepare(work);
        let Saved { tape, words, blocks: [dense, mixed], last } = saved;
        let c: Lent<'_, '_, N> = self.lent(Memory { tape, words, cache: Some(cache), turns: work.turns });
        let (mut base, dim) = (Place::default(), self.sizes.dim);
        c.write(&c.begin(0, base, dim), |h| copy(h, work.h));
        for layer in 0..self.sizes.layers {
            let Some(context) = self.context(of, layer) else { return };
            let h = c.begin(layer, base, dim);
            let (out, arrays) = context.run(self.sizes.window, |x| block::forward(&c, x, &h));
            let length = c.length(&out);
            base = base.after(length);
            *(if self.kind(layer) { &mut *mixed } else { &mut *dense }) = Some(SavedBlock { arrays, length });
        }
        let (Some(HeadCondition { w, b }), Some(head)) = (self.model.head_condition(of), self.model.head()) else {
            return;
        };
        let h = c.begin(self.sizes.layers, base, dim);
        let (n, r) = c.norm(&h, &Leaf::Vector(w), b.map(Leaf::Vector).as_ref(), self.model.config.eps);
        *last = r;
        // the head as numbers
        let head = c.repeat(head, dim);
        c.read_both(&n, &head, |n, head| {
            let rows = f32::rows(n, self.n, dim).zip(f32::rows(head, self.n, dim)).enumerate();
            rows.for_each(|(row, (n, head))| each(row, dot(n, head)));
        });
    }

    /// `dE/dp (n,D)` of the candidates last given to [`Self::energies`], left in `work.h`; with tangents, `H` times the
    /// candidates' tangents behind it.
    pub fn gradient<N: Number>(
        &self,
        landscape: usize,
        cache: &mut Cache<'_>,
        saved: &mut Saved<'_>,
        work: &mut Work<'_>,
    ) {
        let of = ConditionOf::Landscape(landscape);
        let (Some(HeadCondition { w, .. }), Some(head)) = (self.model.head_condition(of), self.model.head()) else {
            return;
        };
        let Saved { tape, words, blocks: [dense, mixed], last } = saved;
        let c: Lent<'_, '_, N> = self.lent(Memory { tape, words, cache: Some(cache), turns: work.turns });
        let (layers, dim) = (self.sizes.layers, self.sizes.dim);
        let block_of = |layer: usize| if self.kind(layer) { mixed.as_ref() } else { dense.as_ref() };
        let base_of = |layer: usize| {
            (0..layer).filter_map(block_of).fold(Place::default(), |base, block| base.after(block.length))
        };
        let h = c.begin_head(base_of(layers), dim, last);
        let dn = c.repeat(head, dim);
        let mut dh = c.norm_backward(&h, &Leaf::Vector(w), last, &dn);
        for layer in (0..layers).rev() {
            let (Some(context), Some(block)) = (self.context(of, layer), block_of(layer)) else { return };
            let dh2 = c.begin_back(layer, base_of(layer), block.length, &dh);
            dh = context.run(self.sizes.window, |x| block::backward(&c, x, &block.arrays, &dh2, None, None));
        }
        c.read(&dh, |dh, _| copy(work.h, dh));
    }
}
