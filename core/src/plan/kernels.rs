//! Shapes and costs of the fused operations that are kernels.

use super::{FlopKind, Plan, Planned};
use crate::compute::{Attention, AttentionOutput, Compute, JointAttention, Layout, PredictedAttention, Route};

/// What a plan counts for a kernel; arguments and results are those of the operation in [`crate::compute::Compute`].
pub(super) struct Kernels<'a>(pub &'a Plan);

impl Kernels<'_> {
    pub fn linear(&self, x: &Planned, w: &Planned) -> Planned {
        self.0.matmul(x, w, Layout::NT)
    }
    pub fn linear_wide(&self, x: &Planned, w: &Planned) -> Planned {
        self.linear(x, w)
    }
    pub fn linear_adjoint(&self, dy: &Planned, w: &Planned) -> Planned {
        self.0.matmul(dy, w, Layout::NN)
    }
    pub fn grouped_linear(&self, x: &Planned, w: &Planned, route: &Route<usize>) -> Planned {
        self.0.grouped(x, w, route, Layout::NT)
    }
    pub fn grouped_linear_adjoint(&self, dy: &Planned, w: &Planned, route: &Route<usize>) -> Planned {
        self.0.grouped(dy, w, route, Layout::NN)
    }
    pub fn modulate(&self, x: &Planned, _a: &Planned) -> Planned {
        self.0.elementwise(x.rows, x.columns, 1)
    }
    pub fn gate_residual(&self, h: &Planned, _a: Option<&Planned>, _y: &Planned) -> Planned {
        self.0.elementwise(h.rows, h.columns, 2)
    }

    pub fn norm(&self, x: &Planned, _w: &Planned, _b: Option<&Planned>, _eps: f64) -> (Planned, Planned) {
        (self.0.elementwise(x.rows, x.columns, 5), self.0.take(x.rows, 1))
    }
    pub fn norm_backward(&self, x: &Planned, _w: &Planned, _r: &Planned, _dy: &Planned) -> Planned {
        self.0.elementwise(x.rows, x.columns, 6)
    }
    pub fn norm_tangent(&self, x: &Planned, _xt: &Planned, _w: &Planned, _r: &Planned) -> (Planned, Planned) {
        (self.0.elementwise(x.rows, x.columns, 6), self.0.take(x.rows, 1))
    }
    pub fn norm_backward_tangent(
        &self,
        x: [&Planned; 2],
        _w: &Planned,
        _r: [&Planned; 2],
        _dy: [&Planned; 2],
    ) -> Planned {
        self.0.elementwise(x[0].rows, x[0].columns, 14)
    }
    pub fn swiglu(&self, u: &Planned) -> Planned {
        self.0.elementwise(u.rows, u.columns / 2, 5)
    }
    pub fn swiglu_backward(&self, u: &Planned, _dy: &Planned) -> Planned {
        self.0.elementwise(u.rows, u.columns, 5)
    }
    pub fn swiglu_tangent(&self, u: &Planned, _ut: &Planned) -> Planned {
        self.0.elementwise(u.rows, u.columns / 2, 8)
    }
    pub fn swiglu_backward_tangent(&self, u: [&Planned; 2], _dy: [&Planned; 2]) -> Planned {
        self.0.elementwise(u[0].rows, u[0].columns, 12)
    }
    pub fn softmax(&self, y: &Planned) -> Planned {
        self.0.elementwise(y.rows, y.columns, 4)
    }
    pub fn softmax_backward(&self, p: &Planned, _dp: &Planned) -> Planned {
        self.0.elementwise(p.rows, p.columns, 4)
    }
    pub fn softmax_backward_tangent(&self, p: [&Planned; 2], _dp: [&Planned; 2]) -> Planned {
        self.0.elementwise(p[0].rows, p[0].columns, 8)
    }
    pub fn cross_entropy(&self, y: &Planned, _targets: &usize, _weight: &Planned) -> (Planned, Planned) {
        (self.0.take(y.rows, 1), self.0.elementwise(y.rows, y.columns, 6))
    }

    fn output(&self, shape: &Attention, rows: usize) -> AttentionOutput<Planned> {
        AttentionOutput { out: self.0.take(rows, shape.query_columns()), lse: self.0.take(rows, shape.heads) }
    }
    pub fn causal_attention(
        &self,
        qkv: &Planned,
        _starts: Option<&usize>,
        shape: Attention,
    ) -> AttentionOutput<Planned> {
        self.0.attend(&shape, shape.causal_slots(), 2);
        self.output(&shape, qkv.rows)
    }
    pub fn causal_attention_backward(
        &self,
        qkv: &Planned,
        _starts: Option<&usize>,
        shape: Attention,
        _attended: &AttentionOutput<Planned>,
        _dout: &Planned,
    ) -> Planned {
        self.0.attend(&shape, shape.causal_slots(), 5);
        self.0.take(qkv.rows, qkv.columns)
    }
    pub fn predicted_attention(&self, x: PredictedAttention<'_, Planned, Planned, usize>) -> AttentionOutput<Planned> {
        self.0.attend(&x.shape, x.shape.predicted_slots() + 1, 2);
        self.output(&x.shape, x.qkv.rows)
    }
    pub fn predicted_attention_backward(
        &self,
        x: PredictedAttention<'_, Planned, Planned, usize>,
        _attended: &AttentionOutput<Planned>,
        _dout: &Planned,
        dmemory: Option<&mut Planned>,
    ) -> Planned {
        let products = if dmemory.is_some() { 5 } else { 3 };
        self.0.attend(&x.shape, x.shape.predicted_slots() + 1, products);
        self.0.take(x.qkv.rows, x.qkv.columns)
    }
    pub fn predicted_attention_tangent(
        &self,
        x: PredictedAttention<'_, Planned, Planned, usize>,
        _qkvt: &Planned,
        _attended: &AttentionOutput<Planned>,
    ) -> AttentionOutput<Planned> {
        self.0.attend(&x.shape, x.shape.predicted_slots() + 1, 3);
        self.output(&x.shape, x.qkv.rows)
    }
    pub fn predicted_attention_backward_tangent(
        &self,
        x: PredictedAttention<'_, Planned, Planned, usize>,
        _qkvt: &Planned,
        _attended: [&AttentionOutput<Planned>; 2],
        _dout: [&Planned; 2],
        dmemory: Option<&mut Planned>,
    ) -> Planned {
        let products = if dmemory.is_some() { 9 } else { 5 };
        self.0.attend(&x.shape, x.shape.predicted_slots() + 1, products);
        self.0.take(x.qkv.rows, x.qkv.columns)
    }

    fn attend_joint(&self, shape: &Attention, products: usize) {
        let (t, reach) = (shape.context, shape.joint_reach());
        let visible = t * (2 * reach + 1) - reach * (reach + 1);
        let flops = 2 * products * shape.head_dim * shape.batch * shape.heads * visible;
        self.0.work(FlopKind::Attention, flops);
    }
    pub fn joint_attention(&self, x: JointAttention<'_, Planned, Planned, usize>) -> AttentionOutput<Planned> {
        self.attend_joint(&x.shape, 2);
        self.output(&x.shape, x.qkv.rows)
    }
    pub fn joint_attention_backward(
        &self,
        x: JointAttention<'_, Planned, Planned, usize>,
        _attended: &AttentionOutput<Planned>,
        _dout: &Planned,
        _dbias: Option<&mut Planned>,
    ) -> Planned {
        self.attend_joint(&x.shape, 5);
        self.0.take(x.qkv.rows, x.qkv.columns)
    }
    pub fn joint_attention_tangent(
        &self,
        x: JointAttention<'_, Planned, Planned, usize>,
        _qkvt: &Planned,
        _attended: &AttentionOutput<Planned>,
    ) -> AttentionOutput<Planned> {
        self.attend_joint(&x.shape, 4);
        self.output(&x.shape, x.qkv.rows)
    }
    pub fn joint_attention_backward_tangent(
        &self,
        x: JointAttention<'_, Planned, Planned, usize>,
        _qkvt: &Planned,
        _attended: [&AttentionOutput<Planned>; 2],
        _dout: [&Planned; 2],
        _dbias: Option<&mut Planned>,
    ) -> Planned {
        self.attend_joint(&x.shape, 11);
        self.0.take(x.qkv.rows, x.qkv.columns)
    }
}
