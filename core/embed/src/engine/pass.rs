//! One pass of rows through all blocks (definition: [`ebt_core::layer::block`]), and back to the gradient of its input:
//!
//! ```text
//! h1 = h  + a1 * Attention(rms(h;  w1) + b1)
//! h2 = h1 + a2 * FeedForward(rms(h1; w2) + b2)
//! e  = w . (rms(h; w) + b)
//! ```

use super::attend::{Attend, Cached, Layer};
use super::layer::attention::{Shape, Weights};
use super::layer::{feed_forward, norm, rotary};
use super::number::Number;
use super::scratch::{Activations, LayerActivations, Scratch};
use super::sizes::Sizes;
use super::slices::{copy, front};
use crate::packed::{Block, BlockCondition, Floats, HeadCondition, Isa, Model, Output};

/// What rows pass through.
#[derive(Clone, Copy, Debug)]
pub struct Pass<'p, 'm> {
    /// Matrices of the blocks and vectors of their conditions, from the packed model.
    pub model: &'p Model<'m>,
    /// Sizes that the cache and the buffers of the pass were allocated for.
    pub sizes: &'p Sizes,
    /// How products are computed.
    pub kernel: Isa,
    /// Rows that pass together, each counted once, with or without a tangent.
    pub n: usize,
}

/// `dx = gate * dy`, or `dy` itself.
fn gated<N: Number>(n: usize, width: usize, gate: Option<Floats<'_>>, dy: &[f32], out: &mut [f32]) {
    for (dy, mut out) in N::rows(dy, n, width).zip(N::rows_mut(out, n, width)) {
        N::update(&mut out, dy, |_, dy| dy);
        if let Some(gate) = gate {
            N::update_with(&mut out, gate.iter().map(N::constant), |x, a| x * a);
        }
    }
}

/// `h += gate * o`.
fn residual<N: Number>(n: usize, width: usize, h: &mut [f32], gate: Option<Floats<'_>>, o: &[f32]) {
    for (mut h, o) in N::rows_mut(h, n, width).zip(N::rows(o, n, width)) {
        match gate {
            Some(gate) => {
                let moved = N::numbers(o).zip(gate.iter()).map(|(o, a)| o * N::constant(a));
                N::update_with(&mut h, moved, |h, moved| h + moved);
            }
            None => N::update(&mut h, o, |h, o| h + o),
        }
    }
}

impl<'p, 'm> Pass<'p, 'm> {
    fn flat<N: Number>(&self, width: usize) -> usize {
        N::PARTS.saturating_mul(self.n).saturating_mul(width)
    }

    fn norm(&self) -> norm::Spec {
        norm::Spec { n: self.n, width: self.sizes.dim, eps: self.model.config.eps as f32 }
    }

    /// Block `number`, as attention sees it.
    fn layer(&self, number: usize, block: &Block<'p>) -> Layer<'p> {
        let s = self.sizes;
        let shape = Shape { n: self.n, group: s.group, key_heads: s.key_heads, width: s.head_width, own: false };
        Layer { number, shape, relations: block.relations, kernel: self.kernel }
    }

    fn feed_forward(&self, layer: usize, block: &Block<'m>) -> feed_forward::Layer<'p>
    where
        'm: 'p,
    {
        let config = &self.model.config;
        let (moe, dim, ffn) = (config.mixture(layer), config.dim, config.ffn);
        feed_forward::Layer { weights: block.feed_forward, moe, dim, ffn, kernel: self.kernel }
    }

    /// Cosines and sines of every row's position.
    pub fn prepare(&self, attention: &impl Attend, work: &mut Scratch<'_>) {
        let width = self.sizes.turned;
        for (row, turns) in work.turns.chunks_exact_mut(width.max(1)).take(self.n).enumerate() {
            rotary::turns(work.frequencies, attention.position(row), turns);
        }
    }

    /// Turns queries and keys, or their gradients back, where positions are rotary.
    fn rotate(&self, array: &mut [f32], columns: usize, turned: usize, turns: &[f32], back: bool) {
        let width = self.sizes.turned;
        for part in array.chunks_exact_mut(self.n.saturating_mul(columns).max(1)) {
            for (row, turns) in part.chunks_exact_mut(columns.max(1)).zip(turns.chunks_exact(width.max(1))) {
                rotary::rotate(front(row, turned), width, turns, back);
            }
        }
    }

    /// `work.h (n,D)` through block `layer`.
    pub fn block<N: Number>(
        &self,
        layer: usize,
        condition: &BlockCondition<'m>,
        attention: &mut impl Attend,
        saved: &mut LayerActivations<'_>,
        work: &mut Scratch<'_>,
    ) {
        let Some(block) = self.model.block(layer) else { return };
        let (s, spec) = (self.sizes, self.norm());
        let (d, columns) = (self.flat::<N>(s.dim), self.flat::<N>(s.columns()));
        let (h, x) = (front(work.h, d), front(work.x, d));
        copy(saved.h, h);
        norm::forward::<N>(spec, h, (condition.w1, condition.b1), x, saved.r1);
        let qkv = front(saved.qkv, columns);
        block.qkv.product(self.kernel, x, qkv);
        self.rotate(qkv, s.columns(), s.queries().saturating_add(s.keys()), work.turns, false);
        let out = front(work.attended, self.flat::<N>(s.queries()));
        let mut weights = Weights { cached: saved.cached, own: saved.own };
        attention.forward::<N>(self.layer(layer, &block), qkv, &mut weights, out);
        block.wo.product(self.kernel, out, x);
        residual::<N>(self.n, s.dim, h, condition.a1, x);
        copy(saved.h1, h);
        norm::forward::<N>(spec, h, (condition.w2, condition.b2), x, saved.r2);
        let y = front(work.y, d);
        let layer = self.feed_forward(layer, &block);
        layer.forward::<N>(self.n, x, &mut saved.feed_forward(), &mut work.feed_forward.buffers(), y);
        residual::<N>(self.n, s.dim, h, condition.a2, y);
    }

    /// Keys and values of block `layer` alone: all that the last block of the observed stream is for.
    pub fn last_block(
        &self,
        layer: usize,
        condition: &BlockCondition<'m>,
        cached: &mut Cached<'_, '_>,
        work: &mut Scratch<'_>,
    ) {
        let Some(block) = self.model.block(layer) else { return };
        let s = self.sizes;
        let (h, x) = (front(work.h, self.flat::<f32>(s.dim)), front(work.x, self.flat::<f32>(s.dim)));
        norm::forward::<f32>(self.norm(), h, (condition.w1, condition.b1), x, work.inverse);
        let wide = s.keys().saturating_mul(2);
        let kv = front(work.dqkv, self.flat::<f32>(wide));
        block.qkv.slice_rows(s.queries(), wide).product(self.kernel, x, kv);
        self.rotate(kv, wide, s.keys(), work.turns, false);
        cached.store(layer, kv, self.n, wide, 0);
    }

    /// `work.dh (n,D)` back through block `layer` of predictions.
    fn block_backward<N: Number>(
        &self,
        layer: usize,
        condition: &BlockCondition<'m>,
        attention: &mut impl Attend,
        saved: &mut LayerActivations<'_>,
        work: &mut Scratch<'_>,
    ) {
        let Some(block) = self.model.block(layer) else { return };
        let (s, spec) = (self.sizes, self.norm());
        let d = self.flat::<N>(s.dim);
        let (dh, x, y) = (front(work.h, d), front(work.x, d), front(work.y, d));
        // h2 = h1 + a2 f
        gated::<N>(self.n, s.dim, condition.a2, dh, x);
        let feed_forward = self.feed_forward(layer, &block);
        feed_forward.backward::<N>(self.n, x, &mut saved.feed_forward(), &mut work.feed_forward.buffers(), y);
        norm::backward::<N>(spec, saved.h1, condition.w2, saved.r2, y, dh);
        // h1 = h + a1 o, o = out Wo^T
        gated::<N>(self.n, s.dim, condition.a1, dh, x);
        let dout = front(work.attended, self.flat::<N>(s.queries()));
        block.wo.adjoint(self.kernel, x, dout);
        let dqkv = front(work.dqkv, self.flat::<N>(s.columns()));
        let mut weights = Weights { cached: saved.cached, own: saved.own };
        attention.backward::<N>(self.layer(layer, &block), saved.qkv, &mut weights, dout, dqkv);
        self.rotate(dqkv, s.columns(), s.queries().saturating_add(s.keys()), work.turns, true);
        block.qkv.adjoint(self.kernel, dqkv, x);
        norm::backward::<N>(spec, saved.h, condition.w1, saved.r1, x, dh);
    }

    /// Rows `work.h (n,D)` through all blocks and the final norm, into `work.x`; keeps what [`Self::gradient`] needs. False where the
    /// model has not such a landscape.
    fn normed<N: Number>(
        &self,
        landscape: usize,
        attention: &mut impl Attend,
        saved: &mut Activations<'_>,
        work: &mut Scratch<'_>,
    ) -> bool {
        let of = self.model.condition_of(landscape);
        self.prepare(attention, work);
        for layer in 0..self.sizes.layers {
            let Some(condition) = self.model.block_condition(of, layer) else { return false };
            self.block::<N>(layer, &condition, attention, &mut saved.layer(layer), work);
        }
        let Some(HeadCondition { w, b }) = self.model.head_condition(of) else { return false };
        let d = self.flat::<N>(self.sizes.dim);
        let (h, x) = (front(work.h, d), front(work.x, d));
        copy(saved.last, h);
        norm::forward::<N>(self.norm(), h, (w, b), x, saved.last_r);
        true
    }

    /// Logits `(n,V)` of the rows `work.h (n,D)` in a model whose head makes logits.
    pub fn logits(
        &self,
        attention: &mut impl Attend,
        saved: &mut Activations<'_>,
        work: &mut Scratch<'_>,
        logits: &mut [f32],
    ) {
        let Some(Output { weight, bias }) = self.model.output() else { return };
        if self.normed::<f32>(0, attention, saved, work) {
            weight.product(self.kernel, front(work.x, self.flat::<f32>(self.sizes.dim)), logits);
            for row in logits.chunks_exact_mut(self.sizes.vocab.max(1)) {
                row.iter_mut().zip(bias.iter()).for_each(|(x, bias)| *x += bias);
            }
        }
    }

    /// Energies `(n,1)` of the candidates `work.h (n,D)` on landscape `s`; keeps what [`Self::gradient`] needs.
    pub fn energies<N: Number>(
        &self,
        landscape: usize,
        attention: &mut impl Attend,
        saved: &mut Activations<'_>,
        work: &mut Scratch<'_>,
        mut each: impl FnMut(usize, f32),
    ) {
        let Some(head) = self.model.head() else { return };
        if !self.normed::<N>(landscape, attention, saved, work) {
            return;
        }
        let x = front(work.x, self.flat::<N>(self.sizes.dim));
        // the head as numbers: one row is enough for all
        let weights = front(work.y, self.sizes.dim);
        weights.iter_mut().zip(head.iter()).for_each(|(to, x)| *to = x);
        for (row, n) in f32::rows(x, self.n, self.sizes.dim).enumerate() {
            each(row, super::math::dot(n, weights));
        }
    }

    /// `dE/dp (n,D)` of the candidates last given to [`Self::energies`], left in `work.h`; with tangents, `H` times the
    /// candidates' tangents behind it.
    pub fn gradient<N: Number>(
        &self,
        landscape: usize,
        attention: &mut impl Attend,
        saved: &mut Activations<'_>,
        work: &mut Scratch<'_>,
    ) {
        let of = self.model.condition_of(landscape);
        let (Some(HeadCondition { w, .. }), Some(head)) = (self.model.head_condition(of), self.model.head()) else {
            return;
        };
        let d = self.flat::<N>(self.sizes.dim);
        let (dh, dn) = (front(work.h, d), front(work.x, d));
        dh.iter_mut().for_each(|x| *x = 0.0);
        for mut row in N::rows_mut(dn, self.n, self.sizes.dim) {
            N::update_with(&mut row, head.iter().map(N::constant), |_, w| w);
        }
        norm::backward::<N>(self.norm(), saved.last, w, saved.last_r, dn, dh);
        for layer in (0..self.sizes.layers).rev() {
            let Some(condition) = self.model.block_condition(of, layer) else { return };
            self.block_backward::<N>(layer, &condition, attention, &mut saved.layer(layer), work);
        }
    }
}
