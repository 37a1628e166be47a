//! Mixture of experts on rows (definition: [`ebt_core::layer::mixture`]): every expert multiplies the rows that chose it together.
//!
//! With `g = softmax(W_gate x)`, chosen set `C`, `c_i = g_i [i in C]`, weights `w_i = scale c_i` or, renormalised,
//! `scale c_i / (sum c + 1e-20)`: `y = sum_i w_i FFN_i(x)`. Backward: `dw_i = <dy, FFN_i(x)>`, through the renormalisation
//! `dc_i = scale r (dw_i - r <dw, c>)`, `r = 1 / (sum c + 1e-20)`, and through the softmax over all experts.

use super::buffers::{Buffers, Saved};
use super::swiglu::{ffn_backward, ffn_forward};
use crate::engine::number::Number;
use crate::packed::{Floats, Isa, Matrix, Swiglu};
use ebt_core::config::MoeConfig;

/// Added to the sum of kept gates before dividing by it.
const TOPK_EPS: f32 = 1e-20;

/// A mixture's parameters.
#[derive(Clone, Copy, Debug)]
pub struct Mixture<'m> {
    /// `W_gate (E, D)`: a row for every routed expert.
    pub gate: Matrix<'m>,
    /// `(1, E)`, for choosing only.
    pub bias: Option<Floats<'m>>,
    /// All experts, stacked.
    pub experts: Swiglu<'m>,
    /// Numbers of experts, how many a row chooses, and how their weights are scaled.
    pub moe: &'m MoeConfig,
    /// Width `D` of inputs and outputs.
    pub dim: usize,
    /// How products are computed.
    pub kernel: Isa,
}

impl<'m> Mixture<'m> {
    fn expert(&self, e: usize) -> Swiglu<'m> {
        let hidden = self.moe.hidden;
        let up = hidden.saturating_mul(2);
        Swiglu {
            w13: self.experts.w13.slice_rows(e.saturating_mul(up), up),
            w2: self.experts.w2.slice_rows(e.saturating_mul(self.dim), self.dim),
        }
    }

    /// What slots `from .. from + count` keep: `u (count, 2h)` and `y (count, D)`.
    fn slots<'s, N: Number>(
        &self,
        up: &'s mut [f32],
        out: &'s mut [f32],
        from: usize,
        count: usize,
    ) -> Option<(&'s mut [f32], &'s mut [f32])> {
        let wide = self.moe.hidden.saturating_mul(2);
        Some((slot_rows(up, N::PARTS, from, count, wide)?, slot_rows(out, N::PARTS, from, count, self.dim)?))
    }

    fn renormalised(&self) -> bool {
        self.moe.norm_topk && self.moe.top_k > 1
    }

    /// `r = 1 / (sum c + 1e-20)`, or 1 where gates are kept as they are.
    fn inverse<N: Number>(&self, gate: N::Row<'_>, chosen: &[f32]) -> N {
        if !self.renormalised() {
            return N::constant(1.0);
        }
        let kept = N::numbers(gate).zip(chosen).filter(|(_, c)| **c > 0.0);
        (kept.fold(N::constant(0.0), |sum, (g, _)| sum + g) + N::constant(TOPK_EPS)).recip()
    }

    /// Marks the experts of every row in `chosen (n,E)`, by the values of their gates alone; equal scores go to the
    /// lower index.
    fn choose(&self, n: usize, gate: &[f32], chosen: &mut [f32]) {
        let MoeConfig { n_routed: experts, n_group: groups, topk_group, top_k, .. } = *self.moe;
        let size = experts.checked_div(groups).unwrap_or(1).max(1);
        let rows = f32::rows(gate, n, experts).zip(f32::rows_mut(chosen, n, experts));
        for (gate, chosen) in rows {
            let bias = |e: usize| self.bias.map_or(0.0, |b| f64::from(b.get(e)));
            let score = |e: usize| f64::from(gate.get(e).copied().unwrap_or(0.0)) + bias(e);
            let first = |g: usize| g.saturating_mul(size);
            let best =
                |g: usize| (first(g)..first(g).saturating_add(size)).map(score).fold(f64::NEG_INFINITY, f64::max);
            let beats = |a: f64, i: usize, b: f64, k: usize| a > b || (a == b && i < k);
            let kept = |g: usize| {
                let mine = best(g);
                (0..groups).filter(|&o| beats(best(o), o, mine, g)).count() < topk_group
            };
            for (e, mark) in chosen.iter_mut().enumerate() {
                let mine = score(e);
                let before = |o: &usize| kept(*o / size) && beats(score(*o), *o, mine, e);
                let taken = kept(e / size) && (0..experts).filter(before).count() < top_k;
                *mark = if taken { 1.0 } else { 0.0 };
            }
        }
    }

    /// Adds the routed experts' part to `out (n,D)`.
    pub fn forward<N: Number>(
        &self,
        n: usize,
        x: &[f32],
        saved: &mut Saved<'_>,
        work: &mut Buffers<'_>,
        out: &mut [f32],
    ) {
        let (experts, dim) = (self.moe.n_routed, self.dim);
        let wide = N::PARTS.saturating_mul(n).saturating_mul(experts);
        let Some(gate) = saved.gate.get_mut(..wide) else { return };
        self.gate.product(self.kernel, x, gate);
        N::rows_mut(gate, n, experts).for_each(softmax::<N>);
        self.choose(n, gate, saved.chosen);
        let mut slots = 0usize;
        for e in 0..experts {
            let count = gather_chosen::<N>(n, dim, experts, e, x, saved.chosen, work.xs);
            let Some((u, y)) = self.slots::<N>(saved.expert_up, saved.expert_out, slots, count) else { return };
            if count == 0 {
                continue;
            }
            let flat = N::PARTS.saturating_mul(count).saturating_mul(dim);
            let xs = work.xs.get(..flat).unwrap_or(&[]);
            ffn_forward::<N>(self.expert(e), self.kernel, self.moe.hidden, count, xs, u, work.hidden, y);
            let mut y = N::rows(y, count, dim);
            let rows = N::rows_mut(out, n, dim).zip(N::rows(gate, n, experts)).zip(f32::rows(saved.chosen, n, experts));
            for ((mut out, gate), chosen) in rows {
                if chosen.get(e).is_some_and(|c| *c > 0.0) {
                    let (Some(y), Some(g)) = (y.next(), N::numbers(gate).nth(e)) else { return };
                    let weight = g * self.inverse::<N>(gate, chosen) * N::constant(self.moe.scale as f32);
                    N::update(&mut out, y, |out, y| out + weight * y);
                }
            }
            slots = slots.saturating_add(count);
        }
    }

    /// Adds the part of the routed experts and of the gates to `dx (n,D)`.
    pub fn backward<N: Number>(
        &self,
        n: usize,
        dy: &[f32],
        saved: &mut Saved<'_>,
        work: &mut Buffers<'_>,
        dx: &mut [f32],
    ) {
        let (experts, dim) = (self.moe.n_routed, self.dim);
        let scale = N::constant(self.moe.scale as f32);
        let wide = N::PARTS.saturating_mul(n).saturating_mul(experts);
        let (Some(gate), Some(dgate)) = (saved.gate.get(..wide), work.gates.get_mut(..wide)) else { return };
        dgate.iter_mut().for_each(|x| *x = 0.0);
        let mut slots = 0usize;
        for e in 0..experts {
            let count = gather_chosen::<N>(n, dim, experts, e, dy, saved.chosen, work.xs);
            let Some((u, y)) = self.slots::<N>(saved.expert_up, saved.expert_out, slots, count) else { return };
            if count == 0 {
                continue;
            }
            let flat = N::PARTS.saturating_mul(count).saturating_mul(dim);
            let Some(dys) = work.xs.get_mut(..flat) else { return };
            // dw_i = <dy, FFN_i(x)>; then dy times the weight is what the expert gets
            let mut slot = N::rows(y, count, dim).zip(N::rows_mut(dys, count, dim));
            let gates = N::rows(gate, n, experts).zip(N::rows_mut(dgate, n, experts));
            for ((gate, mut dgate), chosen) in gates.zip(f32::rows(saved.chosen, n, experts)) {
                if chosen.get(e).is_some_and(|c| *c > 0.0) {
                    let (Some((y, mut dy)), Some(g)) = (slot.next(), N::numbers(gate).nth(e)) else { return };
                    let dw = N::dot(y, N::read(&dy));
                    N::update_with(&mut N::part_mut(&mut dgate, e, 1), core::iter::once(dw), |_, dw| dw);
                    let weight = g * self.inverse::<N>(gate, chosen) * scale;
                    N::update_with(&mut dy, core::iter::repeat(weight), |dy, w| dy * w);
                }
            }
            drop(slot);
            let Some(dxs) = work.dxs.get_mut(..flat) else { return };
            ffn_backward::<N>(self.expert(e), self.kernel, self.moe.hidden, count, u, dys, (work.hidden, work.up), dxs);
            let mut dxs = N::rows(dxs, count, dim);
            for (mut dx, chosen) in N::rows_mut(dx, n, dim).zip(f32::rows(saved.chosen, n, experts)) {
                if chosen.get(e).is_some_and(|c| *c > 0.0) {
                    let Some(part) = dxs.next() else { return };
                    N::update(&mut dx, part, |dx, part| dx + part);
                }
            }
            slots = slots.saturating_add(count);
        }
        self.through_gates::<N>(n, gate, saved.chosen, dgate);
        let Some(back) = work.dxs.get_mut(..N::PARTS.saturating_mul(n).saturating_mul(dim)) else { return };
        self.gate.adjoint(self.kernel, dgate, back);
        dx.iter_mut().zip(back).for_each(|(dx, back)| *dx += *back);
    }

    /// `dgate` from the gradients of the weights to those of the gates' logits, in place.
    fn through_gates<N: Number>(&self, n: usize, gate: &[f32], chosen: &[f32], dgate: &mut [f32]) {
        let (experts, scale) = (self.moe.n_routed, N::constant(self.moe.scale as f32));
        let rows = N::rows(gate, n, experts).zip(N::rows_mut(dgate, n, experts)).zip(f32::rows(chosen, n, experts));
        for ((gate, mut d), chosen) in rows {
            let inverse = self.inverse::<N>(gate, chosen);
            let along = if self.renormalised() { N::dot(N::read(&d), gate) * inverse } else { N::constant(0.0) };
            N::update_with(&mut d, chosen.iter().map(|&c| N::constant(c)), |d, c| c * scale * inverse * (d - along));
            let mean = N::dot(N::read(&d), gate);
            N::update(&mut d, gate, |d, g| g * (d - mean));
        }
    }
}

/// `count` rows of every part of a saved array, from slot `slots` on; parts lie together.
fn slot_rows(array: &mut [f32], parts: usize, slots: usize, count: usize, width: usize) -> Option<&mut [f32]> {
    let start = parts.saturating_mul(slots).saturating_mul(width);
    array.get_mut(start..start.saturating_add(parts.saturating_mul(count).saturating_mul(width)))
}

/// Copies the rows that chose expert `e` together; returns how many.
fn gather_chosen<N: Number>(
    n: usize,
    dim: usize,
    experts: usize,
    e: usize,
    x: &[f32],
    chosen: &[f32],
    out: &mut [f32],
) -> usize {
    let picks = |row: &[f32]| row.get(e).is_some_and(|c| *c > 0.0);
    let count = f32::rows(chosen, n, experts).filter(|row| picks(row)).count();
    let mut out = N::rows_mut(out, count, dim);
    for (x, _) in N::rows(x, n, dim).zip(f32::rows(chosen, n, experts)).filter(|(_, row)| picks(row)) {
        let Some(mut to) = out.next() else { break };
        N::update(&mut to, x, |_, x| x);
    }
    count
}

/// Softmax of a row of logits in place.
fn softmax<N: Number>(mut row: N::RowMut<'_>) {
    let top = N::numbers(N::read(&row)).fold(f32::NEG_INFINITY, |top, x| top.max(x.value()));
    N::update_with(&mut row, core::iter::repeat(N::constant(top)), |x, top| (x - top).exp());
    let over = N::total(N::read(&row)).recip();
    N::update_with(&mut row, core::iter::repeat(over), |e, over| e * over);
}
