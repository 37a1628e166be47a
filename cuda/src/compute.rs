//! The compute trait on the device: every method is the operation of the same name in [`crate::op`].

use ebt_core::compute::{
    Attention, AttentionOutput, Band, Compute, Layout, PredictedAttention, Rotary, Route, RouteSpec,
};

use crate::{Cuda, Index, Matrix};

/// `fn name(args) -> Out => operation;` for every method that is one operation.
macro_rules! operations {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $out:ty)? => $op:ident;)*) => {
        $($(#[$doc])* fn $name(&self, $($arg: $type),*) $(-> $out)? {
            self.$op($($arg),*)
        })*
    };
}
pub(crate) use operations;

impl Compute for Cuda {
    type Leaf = Matrix;
    type Tensor = Matrix;
    type Index = Index;

    fn lift(&self, leaf: &Matrix) -> Matrix {
        leaf.clone()
    }
    fn shape(&self, a: &Matrix) -> (usize, usize) {
        (a.rows(), a.columns())
    }

    operations! {
        fn fill(rows: usize, columns: usize, value: f64) -> Matrix => op_fill;
        fn add(a: &Matrix, b: &Matrix) -> Matrix => op_add;
        fn mul(a: &Matrix, b: &Matrix) -> Matrix => op_mul;
        fn scale(a: &Matrix, factor: f64) -> Matrix => op_scale;
        fn offset(a: &Matrix, constant: f64) -> Matrix => op_offset;
        fn exp(a: &Matrix) -> Matrix => op_exp;
        fn ln(a: &Matrix) -> Matrix => op_ln;
        fn recip(a: &Matrix) -> Matrix => op_recip;
        fn rsqrt(a: &Matrix) -> Matrix => op_rsqrt;
        fn sigmoid(a: &Matrix) -> Matrix => op_sigmoid;
        fn heaviside(a: &Matrix) -> Matrix => op_heaviside;

        fn sum_columns(a: &Matrix) -> Matrix => op_sum_columns;
        fn sum_rows(a: &Matrix) -> Matrix => op_sum_rows;
        fn max_columns(a: &Matrix) -> Matrix => op_max_columns;

        fn matmul(a: &Matrix, b: &Matrix, layout: Layout) -> Matrix => op_matmul;
        fn grouped(x: &Matrix, w: &Matrix, route: &Route<Index>, layout: Layout) -> Matrix => op_grouped;
        fn window_scores(q: &Matrix, k: &Matrix, band: Band) -> Matrix => op_window_scores;
        fn window_mix(s: &Matrix, v: &Matrix, band: Band) -> Matrix => op_window_mix;
        fn window_scatter(s: &Matrix, q: &Matrix, band: Band) -> Matrix => op_window_scatter;
        fn window_mask(band: Band, starts: Option<&Index>) -> Matrix => op_window_mask;

        fn reshape(a: &Matrix, rows: usize, columns: usize) -> Matrix => op_reshape;
        fn slice_columns(a: &Matrix, start: usize, len: usize) -> Matrix => op_slice_columns;
        fn pad_columns(a: &Matrix, start: usize, total: usize) -> Matrix => op_pad_columns;
        fn slice_rows(a: &Matrix, start: usize, len: usize) -> Matrix => op_slice_rows;
        fn gather_rows(a: &Matrix, index: &Index) -> Matrix => op_gather_rows;
        fn scatter_rows(a: &Matrix, index: &Index, rows: usize) -> Matrix => op_scatter_rows;
        fn one_hot(index: &Index, columns: usize) -> Matrix => op_one_hot;
        fn rotary(a: &Matrix, rotary: &Rotary, inverse: bool) -> Matrix => op_rotary;

        fn route(gate: &Matrix, bias: Option<&Matrix>, spec: &RouteSpec) -> Route<Index> => op_route;

        fn accumulate(slot: &mut Matrix, a: &Matrix) => op_accumulate;
        fn accumulate_product(slot: &mut Matrix, start: usize, dy: &Matrix, x: &Matrix) => op_accumulate_product;
        fn accumulate_grouped(slot: &mut Matrix, dy: &Matrix, x: &Matrix, route: &Route<Index>) => op_accumulate_grouped;
        fn accumulate_dot(slot: &mut Matrix, x: &Matrix, y: &Matrix) => op_accumulate_dot;
        fn accumulate_scatter(slot: &mut Matrix, index: &Index, a: &Matrix) => op_accumulate_scatter;
        fn accumulate_norm(
            dw: &mut Matrix, db: Option<&mut Matrix>, x: &Matrix, r: &Matrix, dy: &Matrix,
        ) => op_accumulate_norm;
        fn add_outer_cotangent(a: &Matrix, leaf: &Matrix) -> Matrix => op_add_outer_cotangent;

        fn linear(x: &Matrix, w: &Matrix) -> Matrix => op_linear;
        fn linear_wide(x: &Matrix, w: &Matrix) -> Matrix => op_linear_wide;
        fn linear_adjoint(dy: &Matrix, w: &Matrix) -> Matrix => op_linear_adjoint;
        fn grouped_linear(x: &Matrix, w: &Matrix, route: &Route<Index>) -> Matrix => op_grouped_linear;
        fn grouped_linear_adjoint(dy: &Matrix, w: &Matrix, route: &Route<Index>) -> Matrix => op_grouped_linear_adjoint;
        fn modulate(x: &Matrix, a: &Matrix) -> Matrix => op_modulate;
        fn gate_residual(h: &Matrix, a: Option<&Matrix>, y: &Matrix) -> Matrix => op_gate_residual;

        fn norm(x: &Matrix, w: &Matrix, b: Option<&Matrix>, eps: f64) -> (Matrix, Matrix) => op_norm;
        fn norm_backward(x: &Matrix, w: &Matrix, r: &Matrix, dy: &Matrix) -> Matrix => op_norm_backward;
        fn norm_tangent(x: &Matrix, xt: &Matrix, w: &Matrix, r: &Matrix) -> (Matrix, Matrix) => op_norm_tangent;
        fn norm_backward_tangent(
            x: [&Matrix; 2], w: &Matrix, r: [&Matrix; 2], dy: [&Matrix; 2],
        ) -> Matrix => op_norm_backward_tangent;

        fn swiglu(u: &Matrix) -> Matrix => op_swiglu;
        fn swiglu_backward(u: &Matrix, dy: &Matrix) -> Matrix => op_swiglu_backward;
        fn swiglu_tangent(u: &Matrix, ut: &Matrix) -> Matrix => op_swiglu_tangent;
        fn swiglu_backward_tangent(u: [&Matrix; 2], dy: [&Matrix; 2]) -> Matrix => op_swiglu_backward_tangent;

        fn softmax(y: &Matrix) -> Matrix => op_softmax;
        fn softmax_backward(p: &Matrix, dp: &Matrix) -> Matrix => op_softmax_backward;
        fn softmax_backward_tangent(p: [&Matrix; 2], dp: [&Matrix; 2]) -> Matrix => op_softmax_backward_tangent;
        fn cross_entropy(
            y: &Matrix, targets: &Index, weight: &Matrix,
        ) -> (Matrix, Matrix) => op_cross_entropy;

        fn causal_attention(
            qkv: &Matrix, starts: Option<&Index>, shape: Attention,
        ) -> AttentionOutput<Matrix> => op_causal_attention;
        fn causal_attention_backward(
            qkv: &Matrix, starts: Option<&Index>, shape: Attention, attended: &AttentionOutput<Matrix>, dout: &Matrix,
        ) -> Matrix => op_causal_attention_backward;
        fn predicted_attention(
            input: PredictedAttention<'_, Matrix, Matrix, Index>,
        ) -> AttentionOutput<Matrix> => op_predicted_attention;
        fn predicted_attention_backward(
            input: PredictedAttention<'_, Matrix, Matrix, Index>, attended: &AttentionOutput<Matrix>, dout: &Matrix,
            dmemory: Option<&mut Matrix>,
        ) -> Matrix => op_predicted_attention_backward;
        fn predicted_attention_tangent(
            input: PredictedAttention<'_, Matrix, Matrix, Index>, qkvt: &Matrix, attended: &AttentionOutput<Matrix>,
        ) -> AttentionOutput<Matrix> => op_predicted_attention_tangent;
        fn predicted_attention_backward_tangent(
            input: PredictedAttention<'_, Matrix, Matrix, Index>, qkvt: &Matrix, attended: [&AttentionOutput<Matrix>; 2],
            dout: [&Matrix; 2], dmemory: Option<&mut Matrix>,
        ) -> Matrix => op_predicted_attention_backward_tangent;
    }
}
