//! The weights of a packed model, to train on with.

use alloc::vec;
use alloc::vec::Vec;

use super::super::matrix::{Floats, Matrix};
use super::super::model::Model;
use super::super::parts::{ConditionOf, FeedForward, Swiglu};
use ebt_core::parameters::{FeedForwardIds, ParameterId, ParameterLayout, SwigluIds};

/// The weights in layout order, as the storage rounded them; none of a model whose AdaLN is folded.
pub fn unpack(model: &Model<'_>) -> Option<Vec<Vec<f32>>> {
    if model.config.has_condition() {
        return None;
    }
    let layout = ParameterLayout::new(&model.config);
    // what a packed model leaves out is zero: routing biases that were never moved
    let mut weights = Weights(layout.entries.iter().map(|entry| vec![0.0; entry.len()]).collect());
    weights.matrix(layout.embedding, model.embedding());
    weights.matrix(layout.vocabulary, model.vocabulary());
    if let (Some(ids), Some(marks)) = (layout.joint, model.marks()) {
        weights.vector(Some(ids.flags), Some(marks.flags));
        weights.vector(ids.positions, marks.positions);
    }
    for (i, ids) in layout.blocks.iter().enumerate() {
        let (block, gains) = (model.block(i)?, model.block_condition(ConditionOf::Plain, i)?);
        weights.matrix(ids.qkv, block.qkv);
        weights.matrix(ids.wo, block.wo);
        weights.vector(ids.relations, block.relations);
        weights.vector(Some(ids.attention_norm), Some(gains.w1));
        weights.vector(Some(ids.ffn_norm), Some(gains.w2));
        match (ids.feed_forward, block.feed_forward) {
            (FeedForwardIds::Dense(ids), FeedForward::Dense(of)) => weights.swiglu(ids, of),
            (
                FeedForwardIds::Mixture { gate, bias, experts, shared },
                FeedForward::Mixture { gate: gates, bias: biases, experts: all, shared: both },
            ) => {
                weights.matrix(gate, gates);
                weights.vector(Some(bias), biases);
                weights.swiglu(experts, all);
                shared.zip(both).into_iter().for_each(|(ids, of)| weights.swiglu(ids, of));
            }
            _ => return None,
        }
    }
    weights.vector(Some(layout.norm), Some(model.head_condition(ConditionOf::Plain)?.w));
    if let (Some([weight, bias]), Some(output)) = (layout.joint.and_then(|joint| joint.output), model.output()) {
        weights.matrix(weight, output.weight);
        weights.vector(Some(bias), Some(output.bias));
    }
    if let Some(ids) = layout.energy {
        weights.vector(Some(ids.head), model.head());
        weights.0.get_mut(ids.alpha)?.fill(model.descent.alpha);
    }
    Some(weights.0)
}

/// Weights in layout order.
struct Weights(Vec<Vec<f32>>);

impl Weights {
    fn matrix(&mut self, id: ParameterId, from: Matrix<'_>) {
        let Some(to) = self.0.get_mut(id) else { return };
        to.chunks_exact_mut(from.columns.max(1)).enumerate().for_each(|(row, to)| {
            from.row_into(row, to);
        });
    }

    fn vector(&mut self, id: Option<ParameterId>, from: Option<Floats<'_>>) {
        let (Some(id), Some(from)) = (id, from) else { return };
        if let Some(to) = self.0.get_mut(id) {
            to.iter_mut().zip(from.iter()).for_each(|(to, from)| *to = from);
        }
    }

    fn swiglu(&mut self, ids: SwigluIds, from: Swiglu<'_>) {
        self.matrix(ids.w13, from.w13);
        self.matrix(ids.w2, from.w2);
    }
}
