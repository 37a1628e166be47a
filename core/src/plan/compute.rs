//! Shapes and costs of the primitives and fused operations.

use super::{Plan, Planned, Work};
use crate::compute::{
    Attention, AttentionOutput, Band, Compute, Layout, PredictedAttention, Rotary, Route, RouteSpec, Scope,
};
use crate::fused;

impl Compute for Plan {
    type Leaf = Planned;
    type Tensor = Planned;
    /// Number of indices.
    type Index = usize;

    fn lift(&self, leaf: &Planned) -> Planned {
        leaf.clone()
    }
    fn shape(&self, a: &Planned) -> (usize, usize) {
        (a.rows, a.columns)
    }
    fn enter(&self, scope: Scope) -> Scope {
        self.state.scope.replace(scope)
    }

    fn fill(&self, rows: usize, columns: usize, _value: f64) -> Planned {
        self.elementwise(rows, columns, 0)
    }
    fn add(&self, a: &Planned, _b: &Planned) -> Planned {
        self.elementwise(a.rows, a.columns, 1)
    }
    fn mul(&self, a: &Planned, _b: &Planned) -> Planned {
        self.elementwise(a.rows, a.columns, 1)
    }
    fn scale(&self, a: &Planned, _factor: f64) -> Planned {
        self.elementwise(a.rows, a.columns, 1)
    }
    fn offset(&self, a: &Planned, _constant: f64) -> Planned {
        self.elementwise(a.rows, a.columns, 1)
    }
    fn exp(&self, a: &Planned) -> Planned {
        self.elementwise(a.rows, a.columns, 1)
    }
    fn ln(&self, a: &Planned) -> Planned {
        self.elementwise(a.rows, a.columns, 1)
    }
    fn recip(&self, a: &Planned) -> Planned {
        self.elementwise(a.rows, a.columns, 1)
    }
    fn rsqrt(&self, a: &Planned) -> Planned {
        self.elementwise(a.rows, a.columns, 1)
    }
    fn sigmoid(&self, a: &Planned) -> Planned {
        self.elementwise(a.rows, a.columns, 1)
    }
    fn heaviside(&self, a: &Planned) -> Planned {
        self.elementwise(a.rows, a.columns, 1)
    }
    fn sum_columns(&self, a: &Planned) -> Planned {
        self.work(Work::Elementwise, a.len());
        self.take(a.rows, 1)
    }
    fn sum_rows(&self, a: &Planned) -> Planned {
        self.work(Work::Elementwise, a.len());
        self.take(1, a.columns)
    }
    fn max_columns(&self, a: &Planned) -> Planned {
        self.work(Work::Elementwise, a.len());
        self.take(a.rows, 1)
    }

    fn matmul(&self, a: &Planned, b: &Planned, layout: Layout) -> Planned {
        let (m, k, n) = match layout {
            Layout::NN => (a.rows, a.columns, b.columns),
            Layout::NT => (a.rows, a.columns, b.rows),
            Layout::TN => (a.columns, a.rows, b.columns),
        };
        self.work(Work::Product, 2 * m * k * n);
        self.take(m, n)
    }
    fn grouped(&self, x: &Planned, w: &Planned, route: &Route<usize>, layout: Layout) -> Planned {
        let (rows, columns, inner) = match layout {
            Layout::NT => (x.rows, w.rows / route.experts, x.columns),
            Layout::NN => (x.rows, w.columns, x.columns),
            Layout::TN => (route.experts * x.columns, w.columns, 0),
        };
        let flops = if layout == Layout::TN { 2 * x.rows * x.columns * w.columns } else { 2 * rows * columns * inner };
        self.work(Work::Product, flops);
        self.take(rows, columns)
    }
    fn window_scores(&self, q: &Planned, _k: &Planned, band: Band) -> Planned {
        self.work(Work::Attention, 2 * q.rows * band.heads * band.slots * band.head_dim);
        self.take(q.rows, band.heads * band.slots)
    }
    fn window_mix(&self, s: &Planned, _v: &Planned, band: Band) -> Planned {
        self.work(Work::Attention, 2 * s.len() * band.head_dim);
        self.take(s.rows, band.heads * band.head_dim)
    }
    fn window_scatter(&self, s: &Planned, _q: &Planned, band: Band) -> Planned {
        self.work(Work::Attention, 2 * s.len() * band.head_dim);
        self.take(s.rows, band.kv_heads * band.head_dim)
    }
    fn window_mask(&self, band: Band, _starts: Option<&usize>) -> Planned {
        self.elementwise(band.batch * band.context, band.heads * band.slots, 0)
    }

    fn reshape(&self, a: &Planned, rows: usize, columns: usize) -> Planned {
        Planned { rows, columns, block: a.block.clone() }
    }
    fn slice_columns(&self, a: &Planned, _start: usize, len: usize) -> Planned {
        self.elementwise(a.rows, len, 0)
    }
    fn pad_columns(&self, a: &Planned, _start: usize, total: usize) -> Planned {
        self.elementwise(a.rows, total, 0)
    }
    fn slice_rows(&self, a: &Planned, _start: usize, len: usize) -> Planned {
        Planned { rows: len, columns: a.columns, block: a.block.clone() }
    }
    fn gather_rows(&self, a: &Planned, index: &usize) -> Planned {
        self.elementwise(*index, a.columns, 0)
    }
    fn scatter_rows(&self, a: &Planned, _index: &usize, rows: usize) -> Planned {
        self.work(Work::Elementwise, a.len());
        self.take(rows, a.columns)
    }
    fn one_hot(&self, index: &usize, columns: usize) -> Planned {
        self.elementwise(*index, columns, 0)
    }
    fn rotary(&self, a: &Planned, _rotary: &Rotary, _inverse: bool) -> Planned {
        self.elementwise(a.rows, a.columns, 3)
    }
    fn route(&self, gate: &Planned, _bias: Option<&Planned>, spec: &RouteSpec) -> Route<usize> {
        self.work(Work::Elementwise, gate.len());
        let slots = gate.rows * spec.top_k;
        Route { tokens: slots, gates: slots, offsets: spec.experts + 1, slots, experts: spec.experts }
    }

    fn accumulate(&self, _slot: &mut Planned, a: &Planned) {
        self.work(Work::Elementwise, a.len());
    }
    fn accumulate_product(&self, _slot: &mut Planned, _start: usize, dy: &Planned, x: &Planned) {
        self.work(Work::Product, 2 * dy.rows * dy.columns * x.columns);
        if !self.fused {
            drop(self.take(dy.columns, x.columns));
        }
    }
    fn accumulate_grouped(&self, slot: &mut Planned, dy: &Planned, x: &Planned, _route: &Route<usize>) {
        self.work(Work::Product, 2 * dy.rows * dy.columns * x.columns);
        if !self.fused {
            drop(self.take(slot.rows, slot.columns));
        }
    }
    fn accumulate_dot(&self, _slot: &mut Planned, x: &Planned, y: &Planned) {
        self.work(Work::Elementwise, 2 * x.len());
        if !self.fused {
            drop(self.sum_rows(&self.mul(x, y)));
        }
    }
    fn accumulate_scatter(&self, _slot: &mut Planned, _index: &usize, a: &Planned) {
        self.work(Work::Elementwise, a.len());
    }
    fn accumulate_norm(&self, dw: &mut Planned, db: Option<&mut Planned>, x: &Planned, r: &Planned, dy: &Planned) {
        if self.fused {
            self.work(Work::Elementwise, 4 * x.len());
            return;
        }
        let unit = self.mul(x, r);
        self.accumulate_dot(dw, &unit, dy);
        if db.is_some() {
            drop(self.sum_rows(dy));
        }
    }
    fn add_outer_cotangent(&self, a: &Planned, _leaf: &Planned) -> Planned {
        self.elementwise(a.rows, a.columns, 1)
    }

    fn modulate(&self, x: &Planned, _a: &Planned) -> Planned {
        self.elementwise(x.rows, x.columns, 1)
    }
    fn gate_residual(&self, h: &Planned, a: Option<&Planned>, y: &Planned) -> Planned {
        match (self.fused, a) {
            (false, Some(a)) => self.add(h, &self.mul(y, a)),
            _ => self.elementwise(h.rows, h.columns, 2),
        }
    }

    fn norm(&self, x: &Planned, w: &Planned, b: Option<&Planned>, eps: f64) -> (Planned, Planned) {
        if !self.fused {
            return fused::norm::forward(self, x, w, b, eps);
        }
        (self.elementwise(x.rows, x.columns, 5), self.take(x.rows, 1))
    }
    fn norm_backward(&self, x: &Planned, w: &Planned, r: &Planned, dy: &Planned) -> Planned {
        if !self.fused {
            return fused::norm::backward(self, x, w, r, dy);
        }
        self.elementwise(x.rows, x.columns, 6)
    }
    fn norm_tangent(&self, x: &Planned, xt: &Planned, w: &Planned, r: &Planned) -> (Planned, Planned) {
        if !self.fused {
            return fused::norm::tangent(self, x, xt, w, r);
        }
        (self.elementwise(x.rows, x.columns, 6), self.take(x.rows, 1))
    }
    fn norm_backward_tangent(&self, x: [&Planned; 2], w: &Planned, r: [&Planned; 2], dy: [&Planned; 2]) -> Planned {
        if !self.fused {
            return fused::norm::backward_tangent(self, x, w, r, dy);
        }
        self.elementwise(x[0].rows, x[0].columns, 14)
    }
    fn swiglu(&self, u: &Planned) -> Planned {
        if !self.fused {
            return fused::swiglu::forward(self, u);
        }
        self.elementwise(u.rows, u.columns / 2, 5)
    }
    fn swiglu_backward(&self, u: &Planned, dy: &Planned) -> Planned {
        if !self.fused {
            return fused::swiglu::backward(self, u, dy);
        }
        self.elementwise(u.rows, u.columns, 5)
    }
    fn swiglu_tangent(&self, u: &Planned, ut: &Planned) -> Planned {
        if !self.fused {
            return fused::swiglu::tangent(self, u, ut);
        }
        self.elementwise(u.rows, u.columns / 2, 8)
    }
    fn swiglu_backward_tangent(&self, u: [&Planned; 2], dy: [&Planned; 2]) -> Planned {
        if !self.fused {
            return fused::swiglu::backward_tangent(self, u, dy);
        }
        self.elementwise(u[0].rows, u[0].columns, 12)
    }
    fn softmax(&self, y: &Planned) -> Planned {
        if !self.fused {
            return fused::softmax::forward(self, y);
        }
        self.elementwise(y.rows, y.columns, 4)
    }
    fn softmax_backward(&self, p: &Planned, dp: &Planned) -> Planned {
        if !self.fused {
            return fused::softmax::backward(self, p, dp);
        }
        self.elementwise(p.rows, p.columns, 4)
    }
    fn softmax_backward_tangent(&self, p: [&Planned; 2], dp: [&Planned; 2]) -> Planned {
        if !self.fused {
            return fused::softmax::backward_tangent(self, p, dp);
        }
        self.elementwise(p[0].rows, p[0].columns, 8)
    }
    fn cross_entropy(&self, y: &Planned, targets: &usize, weight: &Planned) -> (Planned, Planned) {
        if !self.fused {
            return fused::cross_entropy::forward(self, y, targets, weight);
        }
        (self.take(y.rows, 1), self.elementwise(y.rows, y.columns, 6))
    }

    fn causal_attention(&self, qkv: &Planned, starts: Option<&usize>, shape: Attention) -> AttentionOutput<Planned> {
        if !self.fused {
            return fused::attention::causal(self, qkv, starts, shape);
        }
        self.attend(&shape, shape.causal_slots(), 2);
        AttentionOutput { out: self.take(qkv.rows, shape.query_columns()), lse: self.take(qkv.rows, shape.heads) }
    }
    fn causal_attention_backward(
        &self,
        qkv: &Planned,
        starts: Option<&usize>,
        shape: Attention,
        attended: &AttentionOutput<Planned>,
        dout: &Planned,
    ) -> Planned {
        if !self.fused {
            return fused::attention::causal_backward(self, qkv, starts, shape, attended, dout);
        }
        self.attend(&shape, shape.causal_slots(), 5);
        self.take(qkv.rows, qkv.columns)
    }
    fn predicted_attention(&self, x: PredictedAttention<'_, Planned, Planned, usize>) -> AttentionOutput<Planned> {
        if !self.fused {
            return fused::attention::predicted(self, x);
        }
        self.attend(&x.shape, x.shape.predicted_slots() + 1, 2);
        AttentionOutput {
            out: self.take(x.qkv.rows, x.shape.query_columns()),
            lse: self.take(x.qkv.rows, x.shape.heads),
        }
    }
    fn predicted_attention_backward(
        &self,
        x: PredictedAttention<'_, Planned, Planned, usize>,
        attended: &AttentionOutput<Planned>,
        dout: &Planned,
        dmemory: Option<&mut Planned>,
    ) -> Planned {
        if !self.fused {
            return fused::attention::predicted_backward(self, x, attended, dout, dmemory);
        }
        let products = if dmemory.is_some() { 5 } else { 3 };
        self.attend(&x.shape, x.shape.predicted_slots() + 1, products);
        self.take(x.qkv.rows, x.qkv.columns)
    }
    fn predicted_attention_tangent(
        &self,
        x: PredictedAttention<'_, Planned, Planned, usize>,
        qkvt: &Planned,
        attended: &AttentionOutput<Planned>,
    ) -> AttentionOutput<Planned> {
        if !self.fused {
            return fused::attention::predicted_tangent(self, x, qkvt, attended);
        }
        self.attend(&x.shape, x.shape.predicted_slots() + 1, 3);
        AttentionOutput {
            out: self.take(x.qkv.rows, x.shape.query_columns()),
            lse: self.take(x.qkv.rows, x.shape.heads),
        }
    }
    fn predicted_attention_backward_tangent(
        &self,
        x: PredictedAttention<'_, Planned, Planned, usize>,
        qkvt: &Planned,
        attended: [&AttentionOutput<Planned>; 2],
        dout: [&Planned; 2],
        dmemory: Option<&mut Planned>,
    ) -> Planned {
        if !self.fused {
            return fused::attention::predicted_backward_tangent(self, x, qkvt, attended, dout, dmemory);
        }
        let products = if dmemory.is_some() { 9 } else { 5 };
        self.attend(&x.shape, x.shape.predicted_slots() + 1, products);
        self.take(x.qkv.rows, x.qkv.columns)
    }
}
