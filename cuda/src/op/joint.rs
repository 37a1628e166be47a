//! Attention among all positions.

use ebt_core::compute::{AttentionOutput, Band, Classes, JointAttention, Relations};
use ebt_core::fused::joint_attention;

use crate::{Cuda, Index, Kind, Matrix};

type Input<'a> = JointAttention<'a, Matrix, Matrix, Index>;

impl Cuda {
    pub(crate) fn relation_bias(&self, band: Band, _relations: Relations<'_, Matrix, Index>) -> Matrix {
        self.take(band.batch * band.context, band.heads * band.slots, Kind::F32)
    }
    pub(crate) fn accumulate_relations(
        &self,
        _slot: &mut Matrix,
        _s: &Matrix,
        _band: Band,
        _classes: Classes<'_, Index>,
    ) {
    }
    pub(crate) fn joint_attention(&self, input: Input<'_>) -> AttentionOutput<Matrix> {
        joint_attention::forward(self, input)
    }
    pub(crate) fn joint_attention_backward(
        &self,
        input: Input<'_>,
        attended: &AttentionOutput<Matrix>,
        dout: &Matrix,
        dbias: Option<&mut Matrix>,
    ) -> Matrix {
        joint_attention::backward(self, input, attended, dout, dbias)
    }
    pub(crate) fn joint_attention_tangent(
        &self,
        input: Input<'_>,
        qkvt: &Matrix,
        attended: &AttentionOutput<Matrix>,
    ) -> AttentionOutput<Matrix> {
        joint_attention::tangent(self, input, qkvt, attended)
    }
    pub(crate) fn joint_attention_backward_tangent(
        &self,
        input: Input<'_>,
        qkvt: &Matrix,
        attended: [&AttentionOutput<Matrix>; 2],
        dout: [&Matrix; 2],
        dbias: Option<&mut Matrix>,
    ) -> Matrix {
        joint_attention::backward_tangent(self, input, qkvt, attended, dout, dbias)
    }
}
