//! SwiGLU and softmax: forward, backward and their tangents.

use ebt_core::compute::Compute;

use crate::case::{Args, Case, Operation};
use crate::{Draw, Mat};

/// Entry points of SwiGLU and softmax; tensors in the order of the arguments.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "named after the methods of Compute")]
pub enum Pointwise {
    Swiglu,
    SwigluBackward,
    SwigluTangent,
    SwigluBackwardTangent,
    Softmax,
    /// Softmax, then the backward pass of `t[1]`.
    SoftmaxBackward,
    /// Softmax and its tangent along `t[1]`, then the tangent of the backward pass of `t[2]` along `t[3]`.
    SoftmaxBackwardTangent,
}

impl Operation for Pointwise {
    fn run<C: Compute>(&self, c: &C, x: &mut Args<C>) -> Vec<C::Tensor> {
        let t = &x.t;
        vec![match self {
            Self::Swiglu => c.swiglu(&t[0]),
            Self::SwigluBackward => c.swiglu_backward(&t[0], &t[1]),
            Self::SwigluTangent => c.swiglu_tangent(&t[0], &t[1]),
            Self::SwigluBackwardTangent => c.swiglu_backward_tangent([&t[0], &t[1]], [&t[2], &t[3]]),
            Self::Softmax => c.softmax(&t[0]),
            Self::SoftmaxBackward => c.softmax_backward(&c.softmax(&t[0]), &t[1]),
            Self::SoftmaxBackwardTangent => {
                let p = c.softmax(&t[0]);
                let pt = c.softmax_backward(&p, &t[1]);
                c.softmax_backward_tangent([&p, &pt], [&t[2], &t[3]])
            }
        }]
    }
}

/// All entry points: SwiGLU on `(rows, 2 columns)`, softmax on `(rows, columns)`.
pub fn cases(draw: &Draw, rows: usize, columns: usize) -> Vec<Case<Pointwise>> {
    use Pointwise::*;
    let a = || draw.matrix(rows, columns);
    let u = || draw.matrix(rows, 2 * columns);
    vec![
        Case::new(Swiglu, vec![u()]),
        Case::new(SwigluBackward, vec![u(), a()]),
        Case::new(SwigluTangent, vec![u(), u()]),
        Case::new(SwigluBackwardTangent, vec![u(), u(), a(), a()]),
        Case::new(Softmax, vec![a()]),
        // far apart: the largest exponent is taken out first
        Case::new(Softmax, vec![Mat::zeros(rows, columns).plus(200.0, &a())]),
        Case::new(SoftmaxBackward, vec![a(), a()]),
        Case::new(SoftmaxBackwardTangent, vec![a(), a(), a(), a()]),
    ]
}
