//! Attention on the CPU: the blocked kernels over pooled matrices.

use std::rc::Rc;

use ebt_core::compute::{Attention, AttentionOutput, JointAttention, PredictedAttention};

use super::kernel::attention::{self, Layout};
use super::kernel::element::Element;
use super::kernel::reduce;
use super::{Cpu, Matrix};

type Input<'a, E> = PredictedAttention<'a, Matrix<E>, Matrix<E>, Rc<[u32]>>;
type Joint<'a, E> = JointAttention<'a, Matrix<E>, Matrix<E>, Rc<[u32]>>;

fn layout(shape: Attention) -> Layout {
    Layout {
        heads: shape.heads,
        kv_heads: shape.kv_heads,
        width: shape.head_dim,
        context: shape.context,
        window: shape.window,
    }
}

fn slice(starts: Option<&Rc<[u32]>>) -> Option<&[u32]> {
    starts.map(|s| &**s)
}

fn relations<'a, E: Element>(input: Joint<'a, E>) -> Option<attention::Relations<'a, E>> {
    input.relations.map(|r| attention::Relations {
        bias: r.bias.slice(),
        classes: r.classes.table,
        by_distance: r.classes.by_distance,
    })
}

impl<E: Element> Cpu<E> {
    fn attended(&self, shape: Attention, write: impl FnOnce(&mut [E], &mut [E]) + Send) -> AttentionOutput<Matrix<E>> {
        let n = shape.rows();
        let (out, lse) = self.write_two("attention", (n, shape.query_columns()), (n, shape.heads), write);
        AttentionOutput { out, lse }
    }

    pub(super) fn causal(
        &self,
        qkv: &Matrix<E>,
        starts: Option<&Rc<[u32]>>,
        shape: Attention,
    ) -> AttentionOutput<Matrix<E>> {
        let (x, starts) = (qkv.slice(), slice(starts));
        self.attended(shape, |out, lse| attention::causal_forward(layout(shape), x, starts, out, lse))
    }

    pub(super) fn causal_backward(
        &self,
        qkv: &Matrix<E>,
        starts: Option<&Rc<[u32]>>,
        shape: Attention,
        attended: &AttentionOutput<Matrix<E>>,
        dout: &Matrix<E>,
    ) -> Matrix<E> {
        let (x, starts) = (qkv.slice(), slice(starts));
        let (out, lse, dout) = (attended.out.slice(), attended.lse.slice(), dout.slice());
        self.write("attention", qkv.rows, qkv.columns, |dqkv| {
            attention::causal_backward(layout(shape), x, starts, out, lse, dout, dqkv);
        })
    }

    pub(super) fn predicted(&self, input: Input<'_, E>) -> AttentionOutput<Matrix<E>> {
        let (x, memory, starts) = (input.qkv.slice(), input.memory.slice(), slice(input.starts));
        let shape = layout(input.shape);
        self.attended(input.shape, |out, lse| attention::predicted_forward(shape, x, memory, starts, out, lse))
    }

    pub(super) fn predicted_backward(
        &self,
        input: Input<'_, E>,
        attended: &AttentionOutput<Matrix<E>>,
        dout: &Matrix<E>,
        dmemory: Option<&mut Matrix<E>>,
    ) -> Matrix<E> {
        let (x, memory, starts) = (input.qkv.slice(), input.memory.slice(), slice(input.starts));
        let (out, lse, dout) = (attended.out.slice(), attended.lse.slice(), dout.slice());
        let shape = layout(input.shape);
        if let Some(dmemory) = dmemory {
            self.update("attention", dmemory, |d| {
                attention::memory_backward(shape, x, memory, starts, out, lse, dout, d);
            });
        }
        self.write("attention", input.qkv.rows, input.qkv.columns, |dqkv| {
            attention::predicted_backward(shape, x, memory, starts, out, lse, dout, dqkv);
        })
    }

    pub(super) fn predicted_tangent(
        &self,
        input: Input<'_, E>,
        qkvt: &Matrix<E>,
        attended: &AttentionOutput<Matrix<E>>,
    ) -> AttentionOutput<Matrix<E>> {
        let (x, xt, memory, starts) = (input.qkv.slice(), qkvt.slice(), input.memory.slice(), slice(input.starts));
        let (results, shape) = ((attended.out.slice(), attended.lse.slice()), layout(input.shape));
        self.attended(input.shape, |out_t, lse_t| {
            attention::predicted_forward_tangent(shape, x, xt, memory, starts, results, out_t, lse_t);
        })
    }

    pub(super) fn predicted_backward_tangent(
        &self,
        input: Input<'_, E>,
        qkvt: &Matrix<E>,
        [attended, along]: [&AttentionOutput<Matrix<E>>; 2],
        [dout, dout_t]: [&Matrix<E>; 2],
        dmemory: Option<&mut Matrix<E>>,
    ) -> Matrix<E> {
        let (both, memory) = ((input.qkv.slice(), qkvt.slice()), input.memory.slice());
        let (starts, shape) = (slice(input.starts), layout(input.shape));
        let (out, lse) = ((attended.out.slice(), along.out.slice()), (attended.lse.slice(), along.lse.slice()));
        let dout = (dout.slice(), Some(dout_t.slice()));
        let dmemory = dmemory.map(Matrix::own);
        self.write("attention", input.qkv.rows, input.qkv.columns, |dqkv_t| {
            attention::predicted_backward_tangent(shape, both, memory, starts, out, lse, dout, dqkv_t, dmemory);
        })
    }

    pub(super) fn joint(&self, input: Joint<'_, E>) -> AttentionOutput<Matrix<E>> {
        let (x, relations, starts) = (input.qkv.slice(), relations(input), slice(input.starts));
        let shape = layout(input.shape);
        self.attended(input.shape, |out, lse| attention::joint_forward(shape, x, relations, starts, out, lse))
    }

    /// A gradient of `qkv`, and those of the biases of every sequence, summed into `dbias` where it is asked for.
    fn joint_gradient(
        &self,
        input: Joint<'_, E>,
        dbias: Option<&mut Matrix<E>>,
        write: impl FnOnce(&mut [E], Option<&mut [E]>) + Send,
    ) -> Matrix<E> {
        let qkv = (input.qkv.rows, input.qkv.columns);
        let Some((dbias, relations)) = dbias.zip(input.relations) else {
            return self.write("attention", qkv.0, qkv.1, |dqkv| write(dqkv, None));
        };
        let parts = (input.shape.batch, relations.bias.len());
        let (dqkv, parts) = self.write_two("attention", qkv, parts, |dqkv, parts| write(dqkv, Some(parts)));
        let parts = parts.slice();
        self.update("attention", dbias, |dbias| reduce::sum_rows(parts, dbias));
        dqkv
    }

    pub(super) fn joint_backward(
        &self,
        input: Joint<'_, E>,
        attended: &AttentionOutput<Matrix<E>>,
        dout: &Matrix<E>,
        dbias: Option<&mut Matrix<E>>,
    ) -> Matrix<E> {
        let (x, relations, starts) = (input.qkv.slice(), relations(input), slice(input.starts));
        let (results, dout, shape) = ((attended.out.slice(), attended.lse.slice()), dout.slice(), layout(input.shape));
        self.joint_gradient(input, dbias, |dqkv, dbias| {
            attention::joint_backward(shape, x, relations, starts, results, dout, dqkv, dbias);
        })
    }

    pub(super) fn joint_tangent(
        &self,
        input: Joint<'_, E>,
        qkvt: &Matrix<E>,
        attended: &AttentionOutput<Matrix<E>>,
    ) -> AttentionOutput<Matrix<E>> {
        let (both, relations, starts) = ((input.qkv.slice(), qkvt.slice()), relations(input), slice(input.starts));
        let (results, shape) = ((attended.out.slice(), attended.lse.slice()), layout(input.shape));
        self.attended(input.shape, |out_t, lse_t| {
            attention::joint_forward_tangent(shape, both, relations, starts, results, out_t, lse_t);
        })
    }

    pub(super) fn joint_backward_tangent(
        &self,
        input: Joint<'_, E>,
        qkvt: &Matrix<E>,
        [attended, along]: [&AttentionOutput<Matrix<E>>; 2],
        [dout, dout_t]: [&Matrix<E>; 2],
        dbias: Option<&mut Matrix<E>>,
    ) -> Matrix<E> {
        let (both, relations, starts) = ((input.qkv.slice(), qkvt.slice()), relations(input), slice(input.starts));
        let (out, lse) = ((attended.out.slice(), along.out.slice()), (attended.lse.slice(), along.lse.slice()));
        let (dout, shape) = ((dout.slice(), dout_t.slice()), layout(input.shape));
        self.joint_gradient(input, dbias, |dqkv_t, dbias_t| {
            attention::joint_backward_tangent(shape, both, relations, starts, out, lse, dout, dqkv_t, dbias_t);
        })
    }
}
