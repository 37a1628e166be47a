//! Attention, of two streams and among all positions: tiled kernels that keep no array of scores.

mod joint;
mod pass;

use ebt_core::compute::{Attention, AttentionOutput, PredictedAttention};
use ebt_core::error::Error;

use super::support::kernel;
use crate::launch::{Arg, args};
use crate::{Cuda, Index, Kind, Matrix};
use pass::{Geometry, Pass};

type Input<'a> = PredictedAttention<'a, Matrix, Matrix, Index>;

/// Warps of a block of the kernels in `attention_rows`, each for one row and key head.
const ROW_WARPS: usize = 4;

/// Numbers of every row and head for the passes of a backward attention.
struct Numbers {
    /// `(n, 4H)`: log-sum-exp in base 2, delta, and their tangents.
    sums: Matrix,
    /// `(n, 2H)`: derivative by the score of the own key, and its tangent; only for the predicted stream.
    own: Option<Matrix>,
}

impl Cuda {
    pub(crate) fn causal_attention(
        &self,
        qkv: &Matrix,
        starts: Option<&Index>,
        shape: Attention,
    ) -> AttentionOutput<Matrix> {
        self.attend(qkv, None, starts, shape)
    }

    pub(crate) fn predicted_attention(&self, input: Input<'_>) -> AttentionOutput<Matrix> {
        self.attend(input.qkv, Some(input.memory), input.starts, input.shape)
    }

    pub(crate) fn causal_attention_backward(
        &self,
        qkv: &Matrix,
        starts: Option<&Index>,
        shape: Attention,
        attended: &AttentionOutput<Matrix>,
        dout: &Matrix,
    ) -> Matrix {
        let (qkv, dout, out) = (self.stream(qkv), self.stream(dout), self.stream(&attended.out));
        let dqkv = self.take(qkv.rows, qkv.columns, qkv.kind);
        if self.attention_fits(&qkv, None, starts, shape) && self.cotangents_fit(shape, &[attended], &[&dout]) {
            let g = self.geometry(shape, shape.causal_slots(), starts, &[&qkv, &dout, &out, &dqkv], None);
            let numbers = self.numbers(&g, &qkv, &out, &attended.lse, &dout, None);
            self.backward_queries(&g, &qkv, None, &dout, &numbers, &dqkv);
            let none: Option<&Matrix> = None;
            let rest = args![&qkv, none, &dout, &numbers.sums, &dqkv, none];
            self.pass(&g, Pass::BackwardKeys, rest);
        }
        dqkv
    }

    pub(crate) fn predicted_attention_backward(
        &self,
        input: Input<'_>,
        attended: &AttentionOutput<Matrix>,
        dout: &Matrix,
        dmemory: Option<&mut Matrix>,
    ) -> Matrix {
        let PredictedAttention { starts, shape, .. } = input;
        let (qkv, memory) = (self.stream(input.qkv), self.stream(input.memory));
        let (dout, out) = (self.stream(dout), self.stream(&attended.out));
        let dqkv = self.take(qkv.rows, qkv.columns, qkv.kind);
        if self.attention_fits(&qkv, Some(&memory), starts, shape) && self.cotangents_fit(shape, &[attended], &[&dout])
        {
            let slot = dmemory.and_then(|slot| self.slot(&memory, slot));
            let all = [&qkv, &memory, &dout, &out, &dqkv];
            let g = self.geometry(shape, shape.predicted_slots(), starts, &all, slot);
            let numbers = self.numbers(&g, &qkv, &out, &attended.lse, &dout, Some(&dqkv));
            self.backward_queries(&g, &qkv, Some(&memory), &dout, &numbers, &dqkv);
            if let (Some(slot), 1..) = (slot, g.slots) {
                let none: Option<&Matrix> = None;
                let rest = args![&qkv, &memory, &dout, &numbers.sums, none, slot];
                self.pass(&g, Pass::BackwardKeys, rest);
            }
        }
        dqkv
    }

    pub(crate) fn predicted_attention_tangent(
        &self,
        input: Input<'_>,
        qkvt: &Matrix,
        attended: &AttentionOutput<Matrix>,
    ) -> AttentionOutput<Matrix> {
        let PredictedAttention { starts, shape, .. } = input;
        let (qkv, memory, qkvt) = (self.stream(input.qkv), self.stream(input.memory), self.stream(qkvt));
        let (out, known_lse) = (self.stream(&attended.out), self.float(&attended.lse));
        let tangent = self.attended(shape);
        if self.attention_fits(&qkv, Some(&memory), starts, shape)
            && self.agree("the tangent of a projection", &qkv, &[&qkvt])
            && self.cotangents_fit(shape, &[attended], &[])
        {
            let all = [&qkv, &qkvt, &memory, &out, &tangent.out];
            let g = self.geometry(shape, shape.predicted_slots(), starts, &all, None);
            let rest = args![&qkv, &qkvt, &memory, &out, &known_lse, &tangent.out, &tangent.lse];
            self.pass(&g, Pass::ForwardTangent, rest);
        }
        tangent
    }

    pub(crate) fn predicted_attention_backward_tangent(
        &self,
        input: Input<'_>,
        qkvt: &Matrix,
        attended: [&AttentionOutput<Matrix>; 2],
        dout: [&Matrix; 2],
        dmemory: Option<&mut Matrix>,
    ) -> Matrix {
        let PredictedAttention { starts, shape, .. } = input;
        let (qkv, memory, qkvt) = (self.stream(input.qkv), self.stream(input.memory), self.stream(qkvt));
        let [dout, doutt] = dout.map(|m| self.stream(m));
        let [out, outt] = attended.map(|a| self.stream(&a.out));
        let [lse, lset] = attended.map(|a| self.float(&a.lse));
        let dqkvt = self.take(qkv.rows, qkv.columns, qkv.kind);
        if self.attention_fits(&qkv, Some(&memory), starts, shape)
            && self.agree("the tangent of a projection", &qkv, &[&qkvt])
            && self.cotangents_fit(shape, &attended, &[&dout, &doutt])
        {
            let slot = dmemory.and_then(|slot| self.slot(&memory, slot));
            let all = [&qkv, &qkvt, &memory, &dout, &doutt, &out, &outt, &dqkvt];
            let g = self.geometry(shape, shape.predicted_slots(), starts, &all, slot);
            let sums = self.take(shape.rows(), 4 * shape.heads, Kind::F32);
            let own = self.take(shape.rows(), 2 * shape.heads, Kind::F32);
            let (words, items) = (g.words(1, 1), shape.rows() * shape.kv_heads);
            let args = args![
                Arg::Words(&words),
                items as u64,
                &qkv,
                &qkvt,
                &out,
                &outt,
                &lse,
                &lset,
                &dout,
                &doutt,
                &sums,
                &own,
                &dqkvt
            ];
            let rows = kernel("attention_rows", "attention_rows_tangent", g.kind);
            self.launch(rows, items.div_ceil(ROW_WARPS), 32 * ROW_WARPS as u32, 0, args);
            let rest = args![&qkv, &qkvt, &memory, &dout, &doutt, &sums, &own, &dqkvt];
            self.pass(&g, Pass::TangentQueries, rest);
            if let (Some(slot), 1..) = (slot, g.slots) {
                let rest = args![&qkv, &qkvt, &memory, &dout, &doutt, &sums, slot];
                self.pass(&g, Pass::TangentKeys, rest);
            }
        }
        dqkvt
    }

    /// Forward pass of both streams.
    fn attend(
        &self,
        qkv: &Matrix,
        memory: Option<&Matrix>,
        starts: Option<&Index>,
        shape: Attention,
    ) -> AttentionOutput<Matrix> {
        let (qkv, memory) = (self.stream(qkv), memory.map(|m| self.stream(m)));
        let attended = self.attended(shape);
        if self.attention_fits(&qkv, memory.as_ref(), starts, shape) {
            let slots = if memory.is_some() { shape.predicted_slots() } else { shape.causal_slots() };
            let all = [&qkv, memory.as_ref().unwrap_or(&qkv), &attended.out];
            let g = self.geometry(shape, slots, starts, &all, None);
            self.pass(&g, Pass::Forward, args![&qkv, memory.as_ref(), &attended.out, &attended.lse]);
        }
        attended
    }

    /// What the passes of a backward attention need of every row; writes the own keys' part of `own`.
    fn numbers(
        &self,
        g: &Geometry,
        qkv: &Matrix,
        out: &Matrix,
        lse: &Matrix,
        dout: &Matrix,
        own: Option<&Matrix>,
    ) -> Numbers {
        let (n, heads) = (g.shape.rows(), g.shape.heads);
        let lse = self.float(lse);
        let sums = self.take(n, 4 * heads, Kind::F32);
        let derivatives = own.map(|_| self.take(n, 2 * heads, Kind::F32));
        let (words, items) = (g.words(1, 1), n * g.shape.kv_heads);
        let args = args![Arg::Words(&words), items as u64, qkv, out, &lse, dout, &sums, derivatives.as_ref(), own];
        let rows = kernel("attention_rows", "attention_rows", g.kind);
        self.launch(rows, items.div_ceil(ROW_WARPS), 32 * ROW_WARPS as u32, 0, args);
        Numbers { sums, own: derivatives }
    }

    fn backward_queries(
        &self,
        g: &Geometry,
        qkv: &Matrix,
        memory: Option<&Matrix>,
        dout: &Matrix,
        numbers: &Numbers,
        dqkv: &Matrix,
    ) {
        let rest = args![qkv, memory, dout, &numbers.sums, numbers.own.as_ref(), dqkv];
        self.pass(g, Pass::BackwardQueries, rest);
    }

    /// Starts a pass; its arguments are the geometry and `rest`.
    fn pass(&self, g: &Geometry, pass: Pass, rest: &[Arg<'_>]) {
        match g.launch(pass, self.driver.shared_memory(), 0) {
            Ok(l) => {
                let mut args = vec![Arg::Words(&l.words)];
                args.extend_from_slice(rest);
                self.launch(kernel(l.family, l.name, g.kind), l.blocks, l.threads, l.shared, &args);
            }
            Err(error) => self.fail(error),
        }
    }

    fn geometry(
        &self,
        shape: Attention,
        slots: usize,
        starts: Option<&Index>,
        stream: &[&Matrix],
        slot: Option<&Matrix>,
    ) -> Geometry {
        let kind = self.stream_kind();
        let vector = pass::vector(kind, shape.head_dim, stream, slot);
        Geometry { shape, slots, kind, starts: starts.map_or(0, Index::address), vector }
    }

    fn attended(&self, shape: Attention) -> AttentionOutput<Matrix> {
        let n = shape.rows();
        AttentionOutput {
            out: self.take(n, shape.query_columns(), self.stream_kind()),
            lse: self.take(n, shape.heads, Kind::F32),
        }
    }

    /// The gradient of the memory made ready to be added to; `None` if its shape is another.
    fn slot<'a>(&self, memory: &Matrix, slot: &'a mut Matrix) -> Option<&'a Matrix> {
        if !self.agree("the gradient of a memory", memory, &[slot]) {
            return None;
        }
        self.writable(slot);
        Some(slot)
    }

    /// Whether the geometry is possible and the inputs have it; otherwise the failure is kept.
    fn attention_fits(&self, qkv: &Matrix, memory: Option<&Matrix>, starts: Option<&Index>, shape: Attention) -> bool {
        if let Some(message) = pass::fault(shape) {
            self.fail(Error::Shape { what: "attention".into(), message });
            return false;
        }
        let (n, keys) = (shape.rows(), 2 * shape.key_columns());
        if let Some(s) = starts.filter(|s| s.len != n) {
            let message = format!("{} entries for {n} rows", s.len);
            self.fail(Error::Shape { what: "the first visible positions".into(), message });
            return false;
        }
        self.require_shape("a projection of attention", qkv, n, shape.query_columns() + keys)
            && memory.is_none_or(|m| self.require_shape("the memory of attention", m, n, keys))
    }

    /// Whether results and cotangents have the shape of the attention; otherwise the failure is kept.
    fn cotangents_fit(&self, shape: Attention, attended: &[&AttentionOutput<Matrix>], dout: &[&Matrix]) -> bool {
        let (n, columns) = (shape.rows(), shape.query_columns());
        attended.iter().all(|a| {
            self.require_shape("the result of attention", &a.out, n, columns)
                && self.require_shape("the log-sum-exp of attention", &a.lse, n, shape.heads)
        }) && dout.iter().all(|m| self.require_shape("the cotangent of attention", m, n, columns))
    }
}
