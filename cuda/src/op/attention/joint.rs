//! Attention among all positions: the passes of the observed stream, with keys on both sides and biases by relation. Where
//! there is no kernel, the composition that defines it.

use ebt_core::compute::{AttentionOutput, JointAttention, Relations};
use ebt_core::fused::joint_attention;

use super::pass::{Geometry, Pass};
use super::{ROW_WARPS, kernel};
use crate::launch::{Arg, args};
use crate::{Cuda, Index, Kind, Matrix};

type Input<'a> = JointAttention<'a, Matrix, Matrix, Index>;

impl Cuda {
    pub(crate) fn joint_attention(&self, input: Input<'_>) -> AttentionOutput<Matrix> {
        if !self.has_joint(input, &Pass::JOINT) {
            return joint_attention::forward(self, input);
        }
        let qkv = self.stream(input.qkv);
        let attended = self.attended(input.shape);
        if self.joint_fits(&qkv, input) {
            let g = self.joint_geometry(input, &[&qkv, &attended.out]);
            let (_bias, known) = self.known(input);
            self.pass(&g, Pass::JointForward, args![Arg::Words(&known), &qkv, &attended.out, &attended.lse]);
        }
        attended
    }

    pub(crate) fn joint_attention_backward(
        &self,
        input: Input<'_>,
        attended: &AttentionOutput<Matrix>,
        dout: &Matrix,
        dbias: Option<&mut Matrix>,
    ) -> Matrix {
        if !self.has_joint(input, &Pass::JOINT) {
            return joint_attention::backward(self, input, attended, dout, dbias);
        }
        let (qkv, dout, out) = (self.stream(input.qkv), self.stream(dout), self.stream(&attended.out));
        let dqkv = self.take(qkv.rows, qkv.columns, qkv.kind);
        if self.joint_fits(&qkv, input) && self.cotangents_fit(input.shape, &[attended], &[&dout]) {
            let g = self.joint_geometry(input, &[&qkv, &dout, &out, &dqkv]);
            let (_bias, known) = self.known(input);
            let numbers = self.numbers(&g, &qkv, &out, &attended.lse, &dout, None);
            let rest = args![Arg::Words(&known), &qkv, &dout, &numbers.sums, &dqkv];
            self.joint_queries(&g, Pass::JointBackwardQueries, rest, input.relations, dbias);
            self.pass(&g, Pass::JointBackwardKeys, rest);
        }
        dqkv
    }

    pub(crate) fn joint_attention_tangent(
        &self,
        input: Input<'_>,
        qkvt: &Matrix,
        attended: &AttentionOutput<Matrix>,
    ) -> AttentionOutput<Matrix> {
        if !self.has_joint(input, &Pass::JOINT_TANGENT) {
            return joint_attention::tangent(self, input, qkvt, attended);
        }
        let (qkv, qkvt) = (self.stream(input.qkv), self.stream(qkvt));
        let (out, lse) = (self.stream(&attended.out), self.float(&attended.lse));
        let tangent = self.attended(input.shape);
        if self.joint_fits(&qkv, input)
            && self.agree("the tangent of a projection", &qkv, &[&qkvt])
            && self.cotangents_fit(input.shape, &[attended], &[])
        {
            let g = self.joint_geometry(input, &[&qkv, &qkvt, &out, &tangent.out]);
            let (_bias, known) = self.known(input);
            let rest = args![Arg::Words(&known), &qkv, &qkvt, &out, &lse, &tangent.out, &tangent.lse];
            self.pass(&g, Pass::JointForwardTangent, rest);
        }
        tangent
    }

    pub(crate) fn joint_attention_backward_tangent(
        &self,
        input: Input<'_>,
        qkvt: &Matrix,
        attended: [&AttentionOutput<Matrix>; 2],
        dout: [&Matrix; 2],
        dbias: Option<&mut Matrix>,
    ) -> Matrix {
        if !self.has_joint(input, &Pass::JOINT_TANGENT) {
            return joint_attention::backward_tangent(self, input, qkvt, attended, dout, dbias);
        }
        let shape = input.shape;
        let (qkv, qkvt) = (self.stream(input.qkv), self.stream(qkvt));
        let [dout, doutt] = dout.map(|m| self.stream(m));
        let [out, outt] = attended.map(|a| self.stream(&a.out));
        let [lse, lset] = attended.map(|a| self.float(&a.lse));
        let dqkvt = self.take(qkv.rows, qkv.columns, qkv.kind);
        if self.joint_fits(&qkv, input)
            && self.agree("the tangent of a projection", &qkv, &[&qkvt])
            && self.cotangents_fit(shape, &attended, &[&dout, &doutt])
        {
            let g = self.joint_geometry(input, &[&qkv, &qkvt, &dout, &doutt, &out, &outt, &dqkvt]);
            let (_bias, known) = self.known(input);
            let sums = self.take(shape.rows(), 4 * shape.heads, Kind::F32);
            let (words, items) = (g.words(1, 1), shape.rows() * shape.kv_heads);
            let none: Option<&Matrix> = None;
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
                none,
                none
            ];
            let rows = kernel("attention_rows", "attention_rows_tangent", g.kind);
            self.launch(rows, items.div_ceil(ROW_WARPS), 32 * ROW_WARPS as u32, 0, args);
            let rest = args![Arg::Words(&known), &qkv, &qkvt, &dout, &doutt, &sums, &dqkvt];
            self.joint_queries(&g, Pass::JointTangentQueries, rest, input.relations, dbias);
            self.pass(&g, Pass::JointTangentKeys, rest);
        }
        dqkvt
    }

    /// Starts a backward pass over queries; its arguments are the geometry and `rest`. The gradients of the biases, sums by
    /// class, go to `dbias`.
    fn joint_queries(
        &self,
        g: &Geometry,
        pass: Pass,
        rest: &[Arg<'_>],
        relations: Option<Relations<'_, Matrix, Index>>,
        dbias: Option<&mut Matrix>,
    ) {
        let sums = dbias.zip(relations.map(|r| r.bias)).filter(|(_, bias)| bias.rows > 0);
        if let Some((slot, bias)) = &sums
            && !self.agree("the gradient of biases by relation", bias, &[slot])
        {
            return;
        }
        let count = sums.as_ref().map_or(0, |(_, bias)| bias.rows);
        let launch = match g.launch(pass, self.driver.shared_memory(), count) {
            Ok(launch) => launch,
            Err(error) => return self.fail(error),
        };
        let rows = g.shape.batch * launch.tiles;
        let partial = sums.is_some().then(|| self.take(rows, count * g.shape.heads, Kind::F32));
        let to = [partial.as_ref().map_or(0, Matrix::address), launch.classes as u64];
        let mut args = vec![Arg::Words(&launch.words)];
        args.extend_from_slice(rest);
        args.push(Arg::Words(&to));
        let grid = [launch.blocks, count.div_ceil(launch.classes.max(1)).max(1)];
        self.launch(kernel(launch.family, launch.name, g.kind), grid, launch.threads, launch.shared, &args);
        if let Some(((slot, _), partial)) = sums.zip(partial) {
            self.collect_classes(slot, &partial);
        }
    }

    /// Whether there are kernels for the passes.
    fn has_joint(&self, input: Input<'_>, passes: &[Pass]) -> bool {
        let (kind, limit) = (self.stream_kind(), self.driver.shared_memory());
        passes.iter().all(|pass| pass.exists(kind, input.shape.head_dim, limit))
    }

    fn joint_geometry(&self, input: Input<'_>, stream: &[&Matrix]) -> Geometry {
        self.geometry(input.shape, input.shape.joint_reach() + 1, input.starts, stream, None)
    }

    /// The biases as kernels read them, and the kernels' `struct Relations`.
    fn known(&self, input: Input<'_>) -> (Option<Matrix>, [u64; 4]) {
        let JointAttention { relations, shape, .. } = input;
        let Some(Relations { bias, classes }) = relations else { return (None, [0; 4]) };
        let bias = self.float(bias);
        let words = self.relation_words(classes, Some(&bias), bias.rows, [shape.context, shape.head_dim]);
        (Some(bias), words)
    }

    /// Whether the geometry is possible and the inputs have it; otherwise the failure is kept.
    fn joint_fits(&self, qkv: &Matrix, input: Input<'_>) -> bool {
        let shape = input.shape;
        self.attention_fits(qkv, None, input.starts, shape)
            && input.relations.is_none_or(|r| {
                self.classes_fit(r.classes, shape.context)
                    && self.require_shape("biases by relation", r.bias, r.bias.rows, shape.heads)
            })
    }
}
