//! `Dual<B>`: forward-mode tangents, one rule a primitive.
//!
//! Running the backward pass of the energy on `Dual` with only the prediction carrying a tangent gives
//! Hessian-vector products and the mixed derivative with respect to the weights (Pearlmutter, 1994). A tangent of
//! `None` is an exact zero and costs nothing.
//!
//! Values and tangents may come from two providers: values from a replay of the primal pass ([`crate::record`]),
//! tangents from the backend.

use crate::compute::{
    Attention, AttentionOutput, Band, Classes, Compute, JointAttention, PredictedAttention, Route, RouteSpec, Scope,
};
use crate::for_each_primitive;

/// A value with its directional derivative; `None` is an exact zero.
#[derive(Clone, Debug)]
pub struct DualTensor<T> {
    /// The value, as without differentiation.
    pub value: T,
    /// Derivative along the direction.
    pub tangent: Option<T>,
}

/// Forward-mode adapter: tangents are computed on `tangents`, values on `values`.
#[derive(Debug)]
pub struct Dual<'a, B, P = B> {
    tangents: &'a B,
    values: &'a P,
}

impl<'a, B: Compute> Dual<'a, B, B> {
    /// Values and tangents on one backend.
    pub fn new(backend: &'a B) -> Self {
        Self { tangents: backend, values: backend }
    }
}

impl<'a, B, P> Dual<'a, B, P>
where
    B: Compute,
    P: Compute<Leaf = B::Leaf, Tensor = B::Tensor, Index = B::Index>,
{
    /// Values from `values` (for example a replay), tangents on `tangents`.
    pub fn with_values(tangents: &'a B, values: &'a P) -> Self {
        Self { tangents, values }
    }

    fn constant(&self, value: B::Tensor) -> DualTensor<B::Tensor> {
        DualTensor { value, tangent: None }
    }

    /// A linear operation of one argument: its tangent is the operation itself.
    fn linear1(
        &self,
        a: &DualTensor<B::Tensor>,
        value: B::Tensor,
        f: impl Fn(&B, &B::Tensor) -> B::Tensor,
    ) -> DualTensor<B::Tensor> {
        DualTensor { value, tangent: a.tangent.as_ref().map(|t| f(self.tangents, t)) }
    }

    fn sum(&self, a: Option<B::Tensor>, b: Option<B::Tensor>) -> Option<B::Tensor> {
        match (a, b) {
            (Some(a), Some(b)) => Some(self.tangents.add(&a, &b)),
            (a, None) => a,
            (None, b) => b,
        }
    }

    /// A bilinear operation: `f(at, b) + f(a, bt)`.
    fn bilinear(
        &self,
        a: &DualTensor<B::Tensor>,
        b: &DualTensor<B::Tensor>,
        value: B::Tensor,
        f: impl Fn(&B, &B::Tensor, &B::Tensor) -> B::Tensor,
    ) -> DualTensor<B::Tensor> {
        let left = a.tangent.as_ref().map(|t| f(self.tangents, t, &b.value));
        let right = b.tangent.as_ref().map(|t| f(self.tangents, &a.value, t));
        DualTensor { value, tangent: self.sum(left, right) }
    }

    /// The tangent, zeros made explicit.
    fn explicit(&self, a: &DualTensor<B::Tensor>) -> B::Tensor {
        match &a.tangent {
            Some(t) => t.clone(),
            None => {
                let (rows, columns) = self.tangents.shape(&a.value);
                self.tangents.fill(rows, columns, 0.0)
            }
        }
    }

    /// The tangent of `a` as the result of a broadcast against `like` (a sum of a full and a broadcast operand).
    fn spread(&self, t: B::Tensor, like: &B::Tensor) -> B::Tensor {
        let (b, shape) = (self.tangents, self.tangents.shape(like));
        if b.shape(&t) == shape { t } else { b.add(&b.fill(shape.0, shape.1, 0.0), &t) }
    }
}

/// The primitives whose tangent follows from their kind; those with a rule of their own are written below.
macro_rules! by_kind {
    ($($(#[$doc:meta])* $kind:ident $name:ident($($t:ident),*)($($x:ident: $type:ty),*);)*) => {
        $(by_kind! { @$kind $name($($t),*)($($x: $type),*) })*
    };
    (@own $($rest:tt)*) => {};
    (@constant $name:ident($($t:ident),*)($($x:ident: $type:ty),*)) => {
        fn $name(&self, $($t: &Self::Tensor,)* $($x: $type),*) -> Self::Tensor {
            self.constant(self.values.$name($(&$t.value,)* $($x),*))
        }
    };
    (@linear $name:ident($a:ident)($($x:ident: $type:ty),*)) => {
        fn $name(&self, $a: &Self::Tensor, $($x: $type),*) -> Self::Tensor {
            self.linear1($a, self.values.$name(&$a.value, $($x),*), |b, t| b.$name(t, $($x),*))
        }
    };
    (@bilinear $name:ident($a:ident, $b:ident)($($x:ident: $type:ty),*)) => {
        fn $name(&self, $a: &Self::Tensor, $b: &Self::Tensor, $($x: $type),*) -> Self::Tensor {
            let value = self.values.$name(&$a.value, &$b.value, $($x),*);
            self.bilinear($a, $b, value, |k, a, b| k.$name(a, b, $($x),*))
        }
    };
}

impl<B, P> Compute for Dual<'_, B, P>
where
    B: Compute,
    P: Compute<Leaf = B::Leaf, Tensor = B::Tensor, Index = B::Index>,
{
    type Leaf = B::Leaf;
    type Tensor = DualTensor<B::Tensor>;
    type Index = B::Index;

    fn lift(&self, leaf: &Self::Leaf) -> Self::Tensor {
        self.constant(self.tangents.lift(leaf))
    }
    fn slice_rows(&self, leaf: &Self::Leaf, start: usize, len: usize) -> Self::Leaf {
        self.tangents.slice_rows(leaf, start, len)
    }
    fn shape(&self, a: &Self::Tensor) -> (usize, usize) {
        self.tangents.shape(&a.value)
    }
    fn enter(&self, scope: Scope) -> Scope {
        self.tangents.enter(scope)
    }

    for_each_primitive!(by_kind);

    fn add(&self, a: &Self::Tensor, b: &Self::Tensor) -> Self::Tensor {
        let value = self.values.add(&a.value, &b.value);
        let tangent = match (&a.tangent, &b.tangent) {
            (Some(at), Some(bt)) => Some(self.tangents.add(at, bt)),
            (Some(at), None) => Some(at.clone()),
            (None, Some(bt)) => Some(self.spread(bt.clone(), &value)),
            (None, None) => None,
        };
        DualTensor { value, tangent }
    }
    fn offset(&self, a: &Self::Tensor, constant: f64) -> Self::Tensor {
        DualTensor { value: self.values.offset(&a.value, constant), tangent: a.tangent.clone() }
    }
    /// `y at`
    fn exp(&self, a: &Self::Tensor) -> Self::Tensor {
        let y = self.values.exp(&a.value);
        let tangent = a.tangent.as_ref().map(|t| self.tangents.mul(&y, t));
        DualTensor { value: y, tangent }
    }
    /// `at / a`
    fn ln(&self, a: &Self::Tensor) -> Self::Tensor {
        let b = self.tangents;
        let tangent = a.tangent.as_ref().map(|t| b.mul(&b.recip(&a.value), t));
        DualTensor { value: self.values.ln(&a.value), tangent }
    }
    /// `-y^2 at`
    fn recip(&self, a: &Self::Tensor) -> Self::Tensor {
        let (b, y) = (self.tangents, self.values.recip(&a.value));
        let tangent = a.tangent.as_ref().map(|t| b.scale(&b.mul(&b.mul(&y, &y), t), -1.0));
        DualTensor { value: y, tangent }
    }
    /// `-y^3 at / 2`
    fn rsqrt(&self, a: &Self::Tensor) -> Self::Tensor {
        let (b, y) = (self.tangents, self.values.rsqrt(&a.value));
        let tangent = a.tangent.as_ref().map(|t| b.scale(&b.mul(&b.mul(&b.mul(&y, &y), &y), t), -0.5));
        DualTensor { value: y, tangent }
    }
    /// `y (1 - y) at`
    fn sigmoid(&self, a: &Self::Tensor) -> Self::Tensor {
        let (b, y) = (self.tangents, self.values.sigmoid(&a.value));
        let tangent = a.tangent.as_ref().map(|t| b.mul(&b.mul(&y, &b.offset(&b.scale(&y, -1.0), 1.0)), t));
        DualTensor { value: y, tangent }
    }

    fn route(&self, gate: &Self::Tensor, bias: Option<&Self::Leaf>, spec: &RouteSpec) -> Route<Self::Index> {
        self.values.route(&gate.value, bias, spec)
    }

    fn accumulate(&self, slot: &mut Self::Leaf, a: &Self::Tensor) {
        if let Some(t) = &a.tangent {
            self.tangents.accumulate(slot, t);
        }
    }
    fn accumulate_product(&self, slot: &mut Self::Leaf, start: usize, dy: &Self::Tensor, x: &Self::Tensor) {
        if let Some(t) = &dy.tangent {
            self.tangents.accumulate_product(slot, start, t, &x.value);
        }
        if let Some(t) = &x.tangent {
            self.tangents.accumulate_product(slot, start, &dy.value, t);
        }
    }
    fn accumulate_grouped(
        &self,
        slot: &mut Self::Leaf,
        dy: &Self::Tensor,
        x: &Self::Tensor,
        route: &Route<Self::Index>,
    ) {
        if let Some(t) = &dy.tangent {
            self.tangents.accumulate_grouped(slot, t, &x.value, route);
        }
        if let Some(t) = &x.tangent {
            self.tangents.accumulate_grouped(slot, &dy.value, t, route);
        }
    }
    fn accumulate_dot(&self, slot: &mut Self::Leaf, x: &Self::Tensor, y: &Self::Tensor) {
        if let Some(t) = &x.tangent {
            self.tangents.accumulate_dot(slot, t, &y.value);
        }
        if let Some(t) = &y.tangent {
            self.tangents.accumulate_dot(slot, &x.value, t);
        }
    }
    fn accumulate_scatter(&self, slot: &mut Self::Leaf, index: &Self::Index, a: &Self::Tensor) {
        if let Some(t) = &a.tangent {
            self.tangents.accumulate_scatter(slot, index, t);
        }
    }
    fn accumulate_relations(
        &self,
        slot: &mut Self::Leaf,
        s: &Self::Tensor,
        band: Band,
        classes: Classes<'_, Self::Index>,
    ) {
        if let Some(t) = &s.tangent {
            self.tangents.accumulate_relations(slot, t, band, classes);
        }
    }
    /// Trilinear in `(x, r, dy)`; the shift's part is linear in `dy`.
    fn accumulate_norm(
        &self,
        dw: &mut Self::Leaf,
        db: Option<&mut Self::Leaf>,
        x: &Self::Tensor,
        r: &Self::Tensor,
        dy: &Self::Tensor,
    ) {
        if let Some(t) = &dy.tangent {
            self.tangents.accumulate_norm(dw, db, &x.value, &r.value, t);
        }
        if let Some(t) = &x.tangent {
            self.tangents.accumulate_norm(dw, None, t, &r.value, &dy.value);
        }
        if let Some(t) = &r.tangent {
            self.tangents.accumulate_norm(dw, None, &x.value, t, &dy.value);
        }
    }

    fn add_outer_cotangent(&self, a: &Self::Tensor, leaf: &Self::Leaf) -> Self::Tensor {
        let tangent = self.tangents.add_outer_cotangent(&self.explicit(a), leaf);
        DualTensor { value: a.value.clone(), tangent: Some(tangent) }
    }

    fn linear(&self, x: &Self::Tensor, w: &Self::Leaf) -> Self::Tensor {
        self.linear1(x, self.values.linear(&x.value, w), |b, t| b.linear(t, w))
    }
    fn linear_wide(&self, x: &Self::Tensor, w: &Self::Leaf) -> Self::Tensor {
        self.linear1(x, self.values.linear_wide(&x.value, w), |b, t| b.linear_wide(t, w))
    }
    fn linear_adjoint(&self, dy: &Self::Tensor, w: &Self::Leaf) -> Self::Tensor {
        self.linear1(dy, self.values.linear_adjoint(&dy.value, w), |b, t| b.linear_adjoint(t, w))
    }
    fn grouped_linear(&self, x: &Self::Tensor, w: &Self::Leaf, route: &Route<Self::Index>) -> Self::Tensor {
        self.linear1(x, self.values.grouped_linear(&x.value, w, route), |b, t| b.grouped_linear(t, w, route))
    }
    fn grouped_linear_adjoint(&self, dy: &Self::Tensor, w: &Self::Leaf, route: &Route<Self::Index>) -> Self::Tensor {
        let value = self.values.grouped_linear_adjoint(&dy.value, w, route);
        self.linear1(dy, value, |b, t| b.grouped_linear_adjoint(t, w, route))
    }
    fn modulate(&self, x: &Self::Tensor, a: &Self::Leaf) -> Self::Tensor {
        self.linear1(x, self.values.modulate(&x.value, a), |b, t| b.modulate(t, a))
    }
    fn gate_residual(&self, h: &Self::Tensor, a: Option<&Self::Leaf>, y: &Self::Tensor) -> Self::Tensor {
        let value = self.values.gate_residual(&h.value, a, &y.value);
        let b = self.tangents;
        let tangent = match (&h.tangent, &y.tangent) {
            (Some(ht), Some(yt)) => Some(b.gate_residual(ht, a, yt)),
            (Some(ht), None) => Some(ht.clone()),
            (None, Some(yt)) => Some(match a {
                Some(a) => b.modulate(yt, a),
                None => yt.clone(),
            }),
            (None, None) => None,
        };
        DualTensor { value, tangent }
    }

    fn norm(
        &self,
        x: &Self::Tensor,
        w: &Self::Leaf,
        shift: Option<&Self::Leaf>,
        eps: f64,
    ) -> (Self::Tensor, Self::Tensor) {
        let (y, r) = self.values.norm(&x.value, w, shift, eps);
        let (yt, rt) = match &x.tangent {
            Some(xt) => {
                let (yt, rt) = self.tangents.norm_tangent(&x.value, xt, w, &r);
                (Some(yt), Some(rt))
            }
            None => (None, None),
        };
        (DualTensor { value: y, tangent: yt }, DualTensor { value: r, tangent: rt })
    }
    fn norm_backward(&self, x: &Self::Tensor, w: &Self::Leaf, r: &Self::Tensor, dy: &Self::Tensor) -> Self::Tensor {
        let value = self.values.norm_backward(&x.value, w, &r.value, &dy.value);
        let tangent = if x.tangent.is_none() && r.tangent.is_none() {
            // linear in dy
            dy.tangent.as_ref().map(|t| self.tangents.norm_backward(&x.value, w, &r.value, t))
        } else {
            let (xt, rt, dyt) = (self.explicit(x), self.explicit(r), self.explicit(dy));
            Some(self.tangents.norm_backward_tangent([&x.value, &xt], w, [&r.value, &rt], [&dy.value, &dyt]))
        };
        DualTensor { value, tangent }
    }

    fn swiglu(&self, u: &Self::Tensor) -> Self::Tensor {
        let value = self.values.swiglu(&u.value);
        DualTensor { value, tangent: u.tangent.as_ref().map(|t| self.tangents.swiglu_tangent(&u.value, t)) }
    }
    fn swiglu_backward(&self, u: &Self::Tensor, dy: &Self::Tensor) -> Self::Tensor {
        let value = self.values.swiglu_backward(&u.value, &dy.value);
        let tangent = match &u.tangent {
            None => dy.tangent.as_ref().map(|t| self.tangents.swiglu_backward(&u.value, t)),
            Some(ut) => {
                let dyt = self.explicit(dy);
                Some(self.tangents.swiglu_backward_tangent([&u.value, ut], [&dy.value, &dyt]))
            }
        };
        DualTensor { value, tangent }
    }

    fn softmax(&self, y: &Self::Tensor) -> Self::Tensor {
        let p = self.values.softmax(&y.value);
        let tangent = y.tangent.as_ref().map(|t| self.tangents.softmax_backward(&p, t));
        DualTensor { value: p, tangent }
    }
    fn softmax_backward(&self, p: &Self::Tensor, dp: &Self::Tensor) -> Self::Tensor {
        let value = self.values.softmax_backward(&p.value, &dp.value);
        let tangent = match &p.tangent {
            None => dp.tangent.as_ref().map(|t| self.tangents.softmax_backward(&p.value, t)),
            Some(pt) => {
                let dpt = self.explicit(dp);
                Some(self.tangents.softmax_backward_tangent([&p.value, pt], [&dp.value, &dpt]))
            }
        };
        DualTensor { value, tangent }
    }

    /// `losst = <dy, yt>` per row; `dyt = weight J yt`, which is the composition's tangent.
    fn cross_entropy(
        &self,
        y: &Self::Tensor,
        targets: &Self::Index,
        weight: &Self::Leaf,
    ) -> (Self::Tensor, Self::Tensor) {
        let (loss, dy) = self.values.cross_entropy(&y.value, targets, weight);
        let b = self.tangents;
        let (losst, dyt) = match &y.tangent {
            None => (None, None),
            Some(t) => {
                let (_, columns) = b.shape(&y.value);
                let present = b.sum_columns(&b.one_hot(targets, columns));
                let jt = b.softmax_backward(&b.softmax(&y.value), t);
                let scale = b.mul(&present, &b.lift(weight));
                (Some(b.sum_columns(&b.mul(&dy, t))), Some(b.mul(&jt, &scale)))
            }
        };
        (DualTensor { value: loss, tangent: losst }, DualTensor { value: dy, tangent: dyt })
    }

    fn causal_attention(
        &self,
        qkv: &Self::Tensor,
        starts: Option<&Self::Index>,
        shape: Attention,
    ) -> AttentionOutput<Self::Tensor> {
        let value = self.values.causal_attention(&qkv.value, starts, shape);
        match &qkv.tangent {
            None => AttentionOutput { out: self.constant(value.out), lse: self.constant(value.lse) },
            Some(_) => {
                let both = crate::fused::attention::causal(&Dual::new(self.tangents), qkv, starts, shape);
                AttentionOutput {
                    out: DualTensor { value: value.out, tangent: both.out.tangent },
                    lse: DualTensor { value: value.lse, tangent: both.lse.tangent },
                }
            }
        }
    }
    fn causal_attention_backward(
        &self,
        qkv: &Self::Tensor,
        starts: Option<&Self::Index>,
        shape: Attention,
        attended: &AttentionOutput<Self::Tensor>,
        dout: &Self::Tensor,
    ) -> Self::Tensor {
        let plain = AttentionOutput { out: attended.out.value.clone(), lse: attended.lse.value.clone() };
        let value = self.values.causal_attention_backward(&qkv.value, starts, shape, &plain, &dout.value);
        let tangent = match (&qkv.tangent, &dout.tangent) {
            (None, None) => None,
            (None, Some(t)) => Some(self.tangents.causal_attention_backward(&qkv.value, starts, shape, &plain, t)),
            _ => {
                let d = Dual::new(self.tangents);
                crate::fused::attention::causal_backward(&d, qkv, starts, shape, attended, dout).tangent
            }
        };
        DualTensor { value, tangent }
    }
    fn predicted_attention(
        &self,
        input: PredictedAttention<'_, Self::Tensor, Self::Leaf, Self::Index>,
    ) -> AttentionOutput<Self::Tensor> {
        let plain = PredictedAttention {
            qkv: &input.qkv.value,
            memory: input.memory,
            starts: input.starts,
            shape: input.shape,
        };
        let value = self.values.predicted_attention(plain);
        let tangent = input.qkv.tangent.as_ref().map(|t| self.tangents.predicted_attention_tangent(plain, t, &value));
        let (outt, lset) = match tangent {
            Some(t) => (Some(t.out), Some(t.lse)),
            None => (None, None),
        };
        AttentionOutput {
            out: DualTensor { value: value.out, tangent: outt },
            lse: DualTensor { value: value.lse, tangent: lset },
        }
    }
    fn predicted_attention_backward(
        &self,
        input: PredictedAttention<'_, Self::Tensor, Self::Leaf, Self::Index>,
        attended: &AttentionOutput<Self::Tensor>,
        dout: &Self::Tensor,
        dmemory: Option<&mut Self::Leaf>,
    ) -> Self::Tensor {
        let plain = PredictedAttention {
            qkv: &input.qkv.value,
            memory: input.memory,
            starts: input.starts,
            shape: input.shape,
        };
        let at = AttentionOutput { out: attended.out.value.clone(), lse: attended.lse.value.clone() };
        let value = self.values.predicted_attention_backward(plain, &at, &dout.value, None);
        let tangent = match (&input.qkv.tangent, &dout.tangent) {
            (None, None) => None,
            (None, Some(t)) => Some(self.tangents.predicted_attention_backward(plain, &at, t, dmemory)),
            (Some(qkvt), _) => {
                let dt = AttentionOutput { out: self.explicit(&attended.out), lse: self.explicit(&attended.lse) };
                let doutt = self.explicit(dout);
                Some(self.tangents.predicted_attention_backward_tangent(
                    plain,
                    qkvt,
                    [&at, &dt],
                    [&dout.value, &doutt],
                    dmemory,
                ))
            }
        };
        DualTensor { value, tangent }
    }
    fn joint_attention(
        &self,
        input: JointAttention<'_, Self::Tensor, Self::Leaf, Self::Index>,
    ) -> AttentionOutput<Self::Tensor> {
        let plain = value_of::<B>(input);
        let value = self.values.joint_attention(plain);
        let tangent = input.qkv.tangent.as_ref().map(|t| self.tangents.joint_attention_tangent(plain, t, &value));
        let (outt, lset) = tangent.map(|t| (t.out, t.lse)).unzip();
        AttentionOutput {
            out: DualTensor { value: value.out, tangent: outt },
            lse: DualTensor { value: value.lse, tangent: lset },
        }
    }
    fn joint_attention_backward(
        &self,
        input: JointAttention<'_, Self::Tensor, Self::Leaf, Self::Index>,
        attended: &AttentionOutput<Self::Tensor>,
        dout: &Self::Tensor,
        dbias: Option<&mut Self::Leaf>,
    ) -> Self::Tensor {
        let (b, plain) = (self.tangents, value_of::<B>(input));
        let at = AttentionOutput { out: attended.out.value.clone(), lse: attended.lse.value.clone() };
        let value = self.values.joint_attention_backward(plain, &at, &dout.value, None);
        let tangent = match (&input.qkv.tangent, &dout.tangent) {
            (None, None) => None,
            (None, Some(t)) => Some(b.joint_attention_backward(plain, &at, t, dbias)),
            (Some(qkvt), _) => {
                let dt = AttentionOutput { out: self.explicit(&attended.out), lse: self.explicit(&attended.lse) };
                let both = [&dout.value, &self.explicit(dout)];
                Some(b.joint_attention_backward_tangent(plain, qkvt, [&at, &dt], both, dbias))
            }
        };
        DualTensor { value, tangent }
    }
}

/// The values of what joint attention is given.
fn value_of<'a, B: Compute>(
    input: JointAttention<'a, DualTensor<B::Tensor>, B::Leaf, B::Index>,
) -> JointAttention<'a, B::Tensor, B::Leaf, B::Index> {
    JointAttention { qkv: &input.qkv.value, relations: input.relations, starts: input.starts, shape: input.shape }
}
