//! Primitives, gradient sink and fused operations on the CPU.

use std::rc::Rc;

use ebt_core::compute::{
    Attention, AttentionOutput, Band, Classes, Compute, JointAttention, Layout, PredictedAttention, Relations, Rotary,
    Route, RouteSpec, Scope,
};
use ebt_core::error::Error;

use super::kernel::element::Element;
use super::kernel::elementwise::{self, Operand};
use super::kernel::gemm::{Routine, gemm, gemm_by, gemm_serial};
use super::kernel::{gate, norm, reduce, rotary, softmax, swiglu};
use super::{Cpu, Matrix, band, routing};

type Input<'a, E> = PredictedAttention<'a, Matrix<E>, Matrix<E>, Rc<[u32]>>;
type Joint<'a, E> = JointAttention<'a, Matrix<E>, Matrix<E>, Rc<[u32]>>;

/// `b` as an operand of an `(n,m)` result; `None` if it does not broadcast.
fn operand<E: Element>(b: &Matrix<E>, rows: usize, columns: usize) -> Option<Operand<'_, E>> {
    let fits = |mine: usize, other: usize| mine == other || mine == 1;
    if !fits(b.rows, rows) || !fits(b.columns, columns) {
        return None;
    }
    Some(match (b.rows == rows, b.columns == columns) {
        (true, true) => Operand::Full(b.slice()),
        (false, true) => Operand::Row(b.slice()),
        (true, false) => Operand::Column(b.slice()),
        (false, false) => Operand::Scalar(b.slice().first().copied().unwrap_or(E::ZERO)),
    })
}

impl<E: Element> Cpu<E> {
    fn mismatch(&self, what: &str, a: &Matrix<E>, b: &Matrix<E>) {
        let message = format!("{} x {} against {} x {}", a.rows, a.columns, b.rows, b.columns);
        self.fail(Error::Shape { what: what.to_owned(), message });
    }

    fn unary(&self, name: &'static str, a: &Matrix<E>, f: impl elementwise::Unary<E> + Send) -> Matrix<E> {
        let x = a.slice();
        self.write(name, a.rows, a.columns, |out| elementwise::map(x, out, f))
    }

    pub(super) fn binary(
        &self,
        name: &'static str,
        a: &Matrix<E>,
        b: &Matrix<E>,
        f: impl elementwise::Binary<E> + Send,
    ) -> Matrix<E> {
        match operand(b, a.rows, a.columns) {
            Some(right) => {
                let (left, m) = (Operand::Full(a.slice()), a.columns);
                self.write(name, a.rows, m, |out| elementwise::zip(m, left, right, out, f))
            }
            None => {
                self.mismatch(name, a, b);
                self.pool.take(a.rows, a.columns)
            }
        }
    }

    /// The product of `a` and `b` by `routine`.
    fn product(&self, routine: Routine, a: &Matrix<E>, b: &Matrix<E>, layout: Layout) -> Matrix<E> {
        let (m, k, n, inner) = match layout {
            Layout::NN => (a.rows, a.columns, b.columns, b.rows),
            Layout::NT => (a.rows, a.columns, b.rows, b.columns),
            Layout::TN => (a.columns, a.rows, b.columns, b.rows),
        };
        if inner != k {
            self.mismatch("a matrix product", a, b);
            return self.pool.take(m, n);
        }
        let (sa, sb) = strides(a.columns, b.columns, layout);
        let (x, y) = (a.slice(), b.slice());
        self.write("product", m, n, |out| gemm_by(routine, (m, k, n), E::ONE, x, sa, y, sb, E::ZERO, out, n))
    }

    /// Adds `dy^T x` to `slot`, whose rows are `x.columns` wide.
    fn add_product(&self, slot: &mut Matrix<E>, start: usize, dy: &Matrix<E>, x: &Matrix<E>) {
        let (m, k, n) = (dy.columns, dy.rows, x.columns);
        if x.rows != k || slot.columns != n || start + m > slot.rows {
            return self.mismatch("a collected product", dy, x);
        }
        let (sa, sb) = strides(m, n, Layout::TN);
        let (left, right) = (dy.slice(), x.slice());
        self.update("product", slot, |out| {
            gemm((m, k, n), E::ONE, left, sa, right, sb, E::ONE, &mut out[start * n..], n);
        });
    }

    fn offsets(route: &Route<Rc<[u32]>>) -> Vec<usize> {
        route.offsets.iter().map(|&o| o as usize).collect()
    }

    /// Row `r` of `scatter`: adds in row order, so the result does not depend on threads.
    fn scatter(&self, slot: &mut Matrix<E>, index: &[u32], a: &Matrix<E>) {
        let (rows, m) = (slot.rows, slot.columns);
        if a.columns != m || index.iter().take(a.rows).any(|&i| i as usize >= rows) {
            return self.mismatch("a scattered row", slot, a);
        }
        let x = a.slice();
        self.update("scatter", slot, |out| {
            for (&i, x) in index.iter().zip(x.chunks_exact(m.max(1))) {
                for (o, &x) in out[i as usize * m..(i as usize + 1) * m].iter_mut().zip(x) {
                    *o += x;
                }
            }
        });
    }
}

/// Strides of both operands of a product; `a` and `b` are `ca` and `cb` wide in memory.
fn strides(ca: usize, cb: usize, layout: Layout) -> ((usize, usize), (usize, usize)) {
    match layout {
        Layout::NN => ((ca, 1), (cb, 1)),
        Layout::NT => ((ca, 1), (1, cb)),
        Layout::TN => ((1, ca), (cb, 1)),
    }
}

/// Primitives that are a function of one element.
macro_rules! unary {
    ($($name:ident($x:ident) = $value:expr;)*) => {
        $(fn $name(&self, a: &Matrix<E>) -> Matrix<E> {
            self.unary(
                stringify!($name),
                a,
                #[inline(always)]
                |$x: E| $value,
            )
        })*
    };
}

impl<E: Element> Compute for Cpu<E> {
    type Leaf = Matrix<E>;
    type Tensor = Matrix<E>;
    type Index = Rc<[u32]>;

    fn lift(&self, leaf: &Matrix<E>) -> Matrix<E> {
        leaf.clone()
    }
    fn shape(&self, a: &Matrix<E>) -> (usize, usize) {
        (a.rows, a.columns)
    }
    fn enter(&self, scope: Scope) -> Scope {
        self.scope.replace(scope)
    }

    fn fill(&self, rows: usize, columns: usize, value: f64) -> Matrix<E> {
        self.write("fill", rows, columns, |out| elementwise::fill(out, E::from_f64(value)))
    }
    fn add(&self, a: &Matrix<E>, b: &Matrix<E>) -> Matrix<E> {
        self.binary(
            "add",
            a,
            b,
            #[inline(always)]
            |x: E, y: E| x + y,
        )
    }
    fn mul(&self, a: &Matrix<E>, b: &Matrix<E>) -> Matrix<E> {
        self.binary(
            "mul",
            a,
            b,
            #[inline(always)]
            |x: E, y: E| x * y,
        )
    }
    fn scale(&self, a: &Matrix<E>, factor: f64) -> Matrix<E> {
        let factor = E::from_f64(factor);
        self.unary(
            "scale",
            a,
            #[inline(always)]
            move |x: E| x * factor,
        )
    }
    fn offset(&self, a: &Matrix<E>, constant: f64) -> Matrix<E> {
        let constant = E::from_f64(constant);
        self.unary(
            "offset",
            a,
            #[inline(always)]
            move |x: E| x + constant,
        )
    }
    unary! {
        exp(x) = x.exp();
        ln(x) = x.ln();
        recip(x) = E::ONE / x;
        rsqrt(x) = E::ONE / x.sqrt();
        sigmoid(x) = x.sigmoid();
        heaviside(x) = if x > E::ZERO { E::ONE } else { E::ZERO };
    }

    fn sum_columns(&self, a: &Matrix<E>) -> Matrix<E> {
        let (x, m) = (a.slice(), a.columns);
        self.write("sum_columns", a.rows, 1, |out| reduce::sum_columns(m, x, out))
    }
    fn sum_rows(&self, a: &Matrix<E>) -> Matrix<E> {
        let x = a.slice();
        self.write("sum_rows", 1, a.columns, |out| {
            out.fill(E::ZERO);
            reduce::sum_rows(x, out);
        })
    }
    fn max_columns(&self, a: &Matrix<E>) -> Matrix<E> {
        let (x, m) = (a.slice(), a.columns);
        self.write("max_columns", a.rows, 1, |out| reduce::max_columns(m, x, out))
    }

    fn matmul(&self, a: &Matrix<E>, b: &Matrix<E>, layout: Layout) -> Matrix<E> {
        self.product(Routine::of::<E>(), a, b, layout)
    }
    fn linear_wide(&self, x: &Matrix<E>, w: &Matrix<E>) -> Matrix<E> {
        self.product(Routine::chosen(), x, w, Layout::NT)
    }
    fn grouped(&self, x: &Matrix<E>, w: &Matrix<E>, route: &Route<Rc<[u32]>>, layout: Layout) -> Matrix<E> {
        let experts = route.experts;
        let (rows, columns) = match layout {
            Layout::NT => (x.rows, w.rows / experts),
            Layout::NN => (x.rows, w.columns),
            Layout::TN => (experts * x.columns, w.columns),
        };
        let fits = match layout {
            Layout::NT => x.columns == w.columns,
            Layout::NN => x.columns == w.rows / experts,
            Layout::TN => x.rows == w.rows,
        };
        if !fits {
            self.mismatch("a grouped product", x, w);
            return self.pool.take(rows, columns);
        }
        if layout == Layout::TN {
            let mut out = self.fill(rows, columns, 0.0);
            self.accumulate_grouped(&mut out, x, w, route);
            return out;
        }
        let offsets = Self::offsets(route);
        let (a, b, k, per) = (x.slice(), w.slice(), x.columns, w.rows / experts * w.columns);
        let (sa, sb) = strides(x.columns, w.columns, layout);
        self.write("grouped", rows, columns, |out| {
            let mut rest = out;
            rayon::scope(|scope| {
                for (e, span) in offsets.windows(2).enumerate() {
                    let m = span[1] - span[0];
                    let (mine, after) = std::mem::take(&mut rest).split_at_mut(m * columns);
                    rest = after;
                    if m > 0 {
                        let (a, b) = (&a[span[0] * k..span[1] * k], &b[e * per..(e + 1) * per]);
                        scope.spawn(move |_| {
                            gemm_serial((m, k, columns), E::ONE, a, sa, b, sb, E::ZERO, mine, columns);
                        });
                    }
                }
            });
        })
    }
    fn window_scores(&self, q: &Matrix<E>, k: &Matrix<E>, b: Band) -> Matrix<E> {
        let (x, y) = (q.slice(), k.slice());
        self.write("band", q.rows, b.heads * b.slots, |out| band::scores(x, y, b, out))
    }
    fn window_mix(&self, s: &Matrix<E>, v: &Matrix<E>, b: Band) -> Matrix<E> {
        let (x, y) = (s.slice(), v.slice());
        self.write("band", s.rows, b.heads * b.head_dim, |out| band::mix(x, y, b, out))
    }
    fn window_scatter(&self, s: &Matrix<E>, q: &Matrix<E>, b: Band) -> Matrix<E> {
        let (x, y) = (s.slice(), q.slice());
        self.write("band", s.rows, b.kv_heads * b.head_dim, |out| band::scatter(x, y, b, out))
    }
    fn window_mask(&self, b: Band, starts: Option<&Rc<[u32]>>) -> Matrix<E> {
        let starts: Option<&[u32]> = starts.map(|s| &**s);
        self.write("band", b.batch * b.context, b.heads * b.slots, |out| band::mask(b, starts, out))
    }
    fn relation_bias(&self, b: Band, x: Relations<'_, Matrix<E>, Rc<[u32]>>) -> Matrix<E> {
        let mut out = self.pool.take(b.batch * b.context, b.heads * b.slots);
        band::relations(b, x.bias.slice(), x.classes, out.own());
        out
    }

    fn reshape(&self, a: &Matrix<E>, rows: usize, columns: usize) -> Matrix<E> {
        if rows * columns != a.len() {
            self.fail(Error::Shape {
                what: "a reshape".to_owned(),
                message: format!("{} x {} to {rows} x {columns}", a.rows, a.columns),
            });
        }
        a.shaped(0, rows, columns)
    }
    fn slice_columns(&self, a: &Matrix<E>, start: usize, len: usize) -> Matrix<E> {
        let (x, m) = (a.slice(), a.columns);
        self.write("move", a.rows, len, |out| {
            for (out, x) in out.chunks_exact_mut(len.max(1)).zip(x.chunks_exact(m.max(1))) {
                out.copy_from_slice(&x[start..start + len]);
            }
        })
    }
    fn pad_columns(&self, a: &Matrix<E>, start: usize, total: usize) -> Matrix<E> {
        let (x, m) = (a.slice(), a.columns);
        self.write("move", a.rows, total, |out| {
            for (out, x) in out.chunks_exact_mut(total.max(1)).zip(x.chunks_exact(m.max(1))) {
                out[..start].fill(E::ZERO);
                out[start..start + m].copy_from_slice(x);
                out[start + m..].fill(E::ZERO);
            }
        })
    }
    fn slice_rows(&self, a: &Matrix<E>, start: usize, len: usize) -> Matrix<E> {
        a.shaped(start * a.columns, len, a.columns)
    }
    fn gather_rows(&self, a: &Matrix<E>, index: &Rc<[u32]>) -> Matrix<E> {
        let (x, m, rows, index) = (a.slice(), a.columns, a.rows, &**index);
        if index.iter().any(|&i| i as usize >= rows) {
            self.fail(Error::Shape {
                what: "a gathered row".to_owned(),
                message: format!("an index is not below {rows}"),
            });
            return self.fill(index.len(), m, f64::NAN);
        }
        self.write("move", index.len(), m, |out| {
            for (out, &i) in out.chunks_exact_mut(m.max(1)).zip(index) {
                out.copy_from_slice(&x[i as usize * m..(i as usize + 1) * m]);
            }
        })
    }
    fn scatter_rows(&self, a: &Matrix<E>, index: &Rc<[u32]>, rows: usize) -> Matrix<E> {
        let mut out = self.fill(rows, a.columns, 0.0);
        self.scatter(&mut out, index, a);
        out
    }
    fn one_hot(&self, index: &Rc<[u32]>, columns: usize) -> Matrix<E> {
        let index = &**index;
        self.write("one_hot", index.len(), columns, |out| {
            elementwise::fill(out, E::ZERO);
            for (out, &i) in out.chunks_exact_mut(columns.max(1)).zip(index) {
                if let Some(x) = out.get_mut(i as usize) {
                    *x = E::ONE;
                }
            }
        })
    }
    fn rotary(&self, a: &Matrix<E>, r: &Rotary, inverse: bool) -> Matrix<E> {
        let tables = self.rotary_tables(r.context + r.offset, r.head_dim, r.theta);
        let layout = rotary::Layout {
            total: a.columns,
            heads: r.heads,
            width: r.head_dim,
            context: r.context,
            offset: r.offset,
        };
        let mut out = a.clone();
        let (cos, sin) = (&tables.0, &tables.1);
        self.update("rotary", &mut out, |x| rotary::rotate(x, layout, cos, sin, inverse));
        out
    }
    fn route(&self, gate: &Matrix<E>, bias: Option<&Matrix<E>>, spec: &RouteSpec) -> Route<Rc<[u32]>> {
        let (gate, bias) = (gate.slice(), bias.map(Matrix::slice));
        let choice = self.run("route", || routing::choose(gate, bias, spec));
        Route {
            slots: choice.tokens.len(),
            tokens: choice.tokens.into(),
            gates: choice.gates.into(),
            offsets: choice.offsets.into(),
            experts: spec.experts,
        }
    }

    fn accumulate(&self, slot: &mut Matrix<E>, a: &Matrix<E>) {
        if (slot.rows, slot.columns) != (a.rows, a.columns) {
            return self.mismatch("a collected gradient", slot, a);
        }
        let x = a.slice();
        self.update("add", slot, |out| elementwise::axpy(E::ONE, x, out));
    }
    fn accumulate_product(&self, slot: &mut Matrix<E>, start: usize, dy: &Matrix<E>, x: &Matrix<E>) {
        self.add_product(slot, start, dy, x);
    }
    fn accumulate_grouped(&self, slot: &mut Matrix<E>, dy: &Matrix<E>, x: &Matrix<E>, route: &Route<Rc<[u32]>>) {
        let offsets = Self::offsets(route);
        let (m, n) = (dy.columns, x.columns);
        if dy.rows != x.rows || slot.len() != route.experts * m * n {
            return self.mismatch("a collected grouped product", dy, x);
        }
        let (sa, sb) = strides(m, n, Layout::TN);
        let (a, b) = (dy.slice(), x.slice());
        self.update("grouped", slot, |out| {
            rayon::scope(|scope| {
                for (span, out) in offsets.windows(2).zip(out.chunks_exact_mut((m * n).max(1))) {
                    let k = span[1] - span[0];
                    if k > 0 {
                        let (a, b) = (&a[span[0] * m..span[1] * m], &b[span[0] * n..span[1] * n]);
                        scope.spawn(move |_| gemm_serial((m, k, n), E::ONE, a, sa, b, sb, E::ONE, out, n));
                    }
                }
            });
        });
    }
    fn accumulate_dot(&self, slot: &mut Matrix<E>, x: &Matrix<E>, y: &Matrix<E>) {
        let (a, b) = (x.slice(), y.slice());
        self.update("column_dot", slot, |out| reduce::column_dot(a, b, out));
    }
    fn accumulate_scatter(&self, slot: &mut Matrix<E>, index: &Rc<[u32]>, a: &Matrix<E>) {
        self.scatter(slot, index, a);
    }
    fn accumulate_relations(&self, slot: &mut Matrix<E>, s: &Matrix<E>, b: Band, classes: Classes<'_, Rc<[u32]>>) {
        band::accumulate(b, s.slice(), classes, slot.own());
    }
    fn accumulate_norm(
        &self,
        dw: &mut Matrix<E>,
        db: Option<&mut Matrix<E>>,
        x: &Matrix<E>,
        r: &Matrix<E>,
        dy: &Matrix<E>,
    ) {
        let (xs, rs, dys) = (x.slice(), r.slice(), dy.slice());
        self.update("norm", dw, |out| norm::gain_gradient(xs, rs, dys, out));
        if let Some(db) = db {
            self.update("norm", db, |out| reduce::sum_rows(dys, out));
        }
    }
    fn add_outer_cotangent(&self, a: &Matrix<E>, leaf: &Matrix<E>) -> Matrix<E> {
        self.add(a, leaf)
    }

    fn gate_residual(&self, h: &Matrix<E>, a: Option<&Matrix<E>>, y: &Matrix<E>) -> Matrix<E> {
        let Some(a) = a else { return self.add(h, y) };
        let (hs, gates, ys) = (h.slice(), a.slice(), y.slice());
        self.write("gate_residual", h.rows, h.columns, |out| gate::residual(hs, gates, ys, out))
    }

    fn norm(&self, x: &Matrix<E>, w: &Matrix<E>, b: Option<&Matrix<E>>, eps: f64) -> (Matrix<E>, Matrix<E>) {
        let (xs, ws, bs) = (x.slice(), w.slice(), b.map(Matrix::slice));
        self.write_two("norm", (x.rows, x.columns), (x.rows, 1), |y, r| {
            norm::forward(xs, ws, bs, E::from_f64(eps), y, r);
        })
    }
    fn norm_backward(&self, x: &Matrix<E>, w: &Matrix<E>, r: &Matrix<E>, dy: &Matrix<E>) -> Matrix<E> {
        let (xs, ws, rs, dys) = (x.slice(), w.slice(), r.slice(), dy.slice());
        self.write("norm", x.rows, x.columns, |dx| norm::backward(xs, ws, rs, dys, dx))
    }
    fn norm_tangent(&self, x: &Matrix<E>, xt: &Matrix<E>, w: &Matrix<E>, r: &Matrix<E>) -> (Matrix<E>, Matrix<E>) {
        let (xs, ts, ws, rs) = (x.slice(), xt.slice(), w.slice(), r.slice());
        self.write_two("norm", (x.rows, x.columns), (x.rows, 1), |yt, rt| {
            norm::forward_tangent(xs, ts, ws, rs, yt, rt);
        })
    }
    fn norm_backward_tangent(
        &self,
        x: [&Matrix<E>; 2],
        w: &Matrix<E>,
        r: [&Matrix<E>; 2],
        dy: [&Matrix<E>; 2],
    ) -> Matrix<E> {
        let ([x, xt], [r, rt], [dy, dyt]) = (x.map(Matrix::slice), r.map(Matrix::slice), dy.map(Matrix::slice));
        let ws = w.slice();
        self.write("norm", r.len(), ws.len(), |out| norm::backward_tangent(x, xt, ws, r, rt, dy, dyt, out))
    }

    fn swiglu(&self, u: &Matrix<E>) -> Matrix<E> {
        let (x, f) = (u.slice(), u.columns / 2);
        self.write("swiglu", u.rows, f, |out| swiglu::forward(f, x, out))
    }
    fn swiglu_backward(&self, u: &Matrix<E>, dy: &Matrix<E>) -> Matrix<E> {
        let (x, dys, f) = (u.slice(), dy.slice(), u.columns / 2);
        self.write("swiglu", u.rows, u.columns, |out| swiglu::backward(f, x, dys, out))
    }
    fn swiglu_tangent(&self, u: &Matrix<E>, ut: &Matrix<E>) -> Matrix<E> {
        let (x, t, f) = (u.slice(), ut.slice(), u.columns / 2);
        self.write("swiglu", u.rows, f, |out| swiglu::forward_tangent(f, x, t, out))
    }
    fn swiglu_backward_tangent(&self, u: [&Matrix<E>; 2], dy: [&Matrix<E>; 2]) -> Matrix<E> {
        let (rows, columns) = (u[0].rows, u[0].columns);
        let ([x, t], [d, dt]) = (u.map(Matrix::slice), dy.map(Matrix::slice));
        self.write("swiglu", rows, columns, |out| swiglu::backward_tangent(columns / 2, x, t, d, dt, out))
    }

    fn softmax(&self, y: &Matrix<E>) -> Matrix<E> {
        let (x, m) = (y.slice(), y.columns);
        self.write_two("softmax", (y.rows, m), (y.rows, 1), |p, lse| softmax::softmax(m, x, p, lse)).0
    }
    fn softmax_backward(&self, p: &Matrix<E>, dp: &Matrix<E>) -> Matrix<E> {
        let (ps, dps, m) = (p.slice(), dp.slice(), p.columns);
        self.write("softmax", p.rows, m, |out| softmax::softmax_backward(m, ps, dps, out))
    }
    fn cross_entropy(&self, y: &Matrix<E>, targets: &Rc<[u32]>, weight: &Matrix<E>) -> (Matrix<E>, Matrix<E>) {
        let (x, m, ids, w) = (y.slice(), y.columns, &**targets, weight.slice());
        let (loss, dy) = self.write_two("cross_entropy", (y.rows, 1), (y.rows, m), |loss, dy| {
            softmax::cross_entropy(m, x, ids, w, loss, dy);
        });
        (self.mul(&loss, weight), dy)
    }

    fn causal_attention(
        &self,
        qkv: &Matrix<E>,
        starts: Option<&Rc<[u32]>>,
        shape: Attention,
    ) -> AttentionOutput<Matrix<E>> {
        self.causal(qkv, starts, shape)
    }
    fn causal_attention_backward(
        &self,
        qkv: &Matrix<E>,
        starts: Option<&Rc<[u32]>>,
        shape: Attention,
        attended: &AttentionOutput<Matrix<E>>,
        dout: &Matrix<E>,
    ) -> Matrix<E> {
        self.causal_backward(qkv, starts, shape, attended, dout)
    }
    fn predicted_attention(&self, input: Input<'_, E>) -> AttentionOutput<Matrix<E>> {
        self.predicted(input)
    }
    fn predicted_attention_backward(
        &self,
        input: Input<'_, E>,
        attended: &AttentionOutput<Matrix<E>>,
        dout: &Matrix<E>,
        dmemory: Option<&mut Matrix<E>>,
    ) -> Matrix<E> {
        self.predicted_backward(input, attended, dout, dmemory)
    }
    fn predicted_attention_tangent(
        &self,
        input: Input<'_, E>,
        qkvt: &Matrix<E>,
        attended: &AttentionOutput<Matrix<E>>,
    ) -> AttentionOutput<Matrix<E>> {
        self.predicted_tangent(input, qkvt, attended)
    }
    fn predicted_attention_backward_tangent(
        &self,
        input: Input<'_, E>,
        qkvt: &Matrix<E>,
        attended: [&AttentionOutput<Matrix<E>>; 2],
        dout: [&Matrix<E>; 2],
        dmemory: Option<&mut Matrix<E>>,
    ) -> Matrix<E> {
        self.predicted_backward_tangent(input, qkvt, attended, dout, dmemory)
    }
    fn joint_attention(&self, input: Joint<'_, E>) -> AttentionOutput<Matrix<E>> {
        self.joint(input)
    }
    fn joint_attention_backward(
        &self,
        input: Joint<'_, E>,
        attended: &AttentionOutput<Matrix<E>>,
        dout: &Matrix<E>,
        dbias: Option<&mut Matrix<E>>,
    ) -> Matrix<E> {
        self.joint_backward(input, attended, dout, dbias)
    }
    fn joint_attention_tangent(
        &self,
        input: Joint<'_, E>,
        qkvt: &Matrix<E>,
        attended: &AttentionOutput<Matrix<E>>,
    ) -> AttentionOutput<Matrix<E>> {
        self.joint_tangent(input, qkvt, attended)
    }
    fn joint_attention_backward_tangent(
        &self,
        input: Joint<'_, E>,
        qkvt: &Matrix<E>,
        attended: [&AttentionOutput<Matrix<E>>; 2],
        dout: [&Matrix<E>; 2],
        dbias: Option<&mut Matrix<E>>,
    ) -> Matrix<E> {
        self.joint_backward_tangent(input, qkvt, attended, dout, dbias)
    }
}
