//! The primitives and the gradient sink, written once. A table is expanded wherever all of them are gone through: the
//! trait declares them, recording and replay pass them on, `Dual` takes from it how they are differentiated, and the
//! tests reduce a backend to them.

/// Hands every primitive to the macro `$run`, as `kind name(tensors)(other arguments);`. The first arguments are
/// `&Self::Tensor`, the result is a `Self::Tensor`. Kinds, by the tangent:
///
/// * `linear`: the operation itself, of the tangent of its one tensor;
/// * `bilinear`: the sum of the operation on each tensor's tangent with the other's value;
/// * `constant`: none;
/// * `own`: a rule of its own.
///
/// Where a second tensor `b` is said to be broadcast it may be `(n,m)`, `(1,m)`, `(n,1)` or `(1,1)` against `a (n,m)`.
#[macro_export]
macro_rules! for_each_primitive {
    ($run:ident) => {
        $run! {
            // ---- elementwise
            /// A constant matrix.
            constant fill()(rows: usize, columns: usize, value: f64);
            /// `a + b`, `b` broadcast.
            own add(a, b)();
            /// `a * b`, `b` broadcast.
            bilinear mul(a, b)();
            /// `factor * a`.
            linear scale(a)(factor: f64);
            /// `a + constant`.
            own offset(a)(constant: f64);
            /// `e^a`, by elements.
            own exp(a)();
            /// Natural logarithm, by elements.
            own ln(a)();
            /// `1 / a`.
            own recip(a)();
            /// `1 / sqrt(a)`.
            own rsqrt(a)();
            /// `1 / (1 + e^-a)`.
            own sigmoid(a)();
            /// 1 where `a > 0`, else 0; its derivative is zero.
            constant heaviside(a)();

            // ---- reductions
            /// Row sums, `(n,m) -> (n,1)`.
            linear sum_columns(a)();
            /// Column sums, `(n,m) -> (1,m)`.
            linear sum_rows(a)();
            /// Row maxima, `(n,m) -> (n,1)`; a constant of differentiation (used to shift exponents only).
            constant max_columns(a)();

            // ---- contraction
            /// Matrix product of `a` and `b`, either of which the layout may transpose.
            bilinear matmul(a, b)(layout: $crate::compute::Layout);
            /// Matrix product of each expert's rows with its own matrix. `NT`: `x (slots,k)`, `w (E n, k) -> (slots, n)`;
            /// `NN`: `x (slots,n)`, `w (E n, k) -> (slots,k)`; `TN`: `x (slots,n)`, `w (slots,k) -> (E n, k)`.
            bilinear grouped(x, w)(route: &$crate::compute::Route<Self::Index>, layout: $crate::compute::Layout);
            /// `s[t, h, j] = q[t, h] . k[t-j, h']`, zero where `t - j` leaves the sequence; `(n, H slots)`.
            bilinear window_scores(q, k)(band: $crate::compute::Band);
            /// `o[t, h] = sum_j s[t, h, j] v[t-j, h']`; `(n, H d)`.
            bilinear window_mix(s, v)(band: $crate::compute::Band);
            /// `g[u, k] = sum over h of key head k, j of s[u+j, h, j] q[u+j, h]`; `(n, K d)`.
            bilinear window_scatter(s, q)(band: $crate::compute::Band);
            /// 0 where slot `j` of row `t` exists and is not before `starts[t]`, else -1e30; `(n, H slots)`.
            constant window_mask()(band: $crate::compute::Band, starts: Option<&Self::Index>);

            // ---- movement
            /// The same elements in row-major order under another shape.
            linear reshape(a)(rows: usize, columns: usize);
            /// Columns `start .. start + len`.
            linear slice_columns(a)(start: usize, len: usize);
            /// `a` as columns `start ..` of a zero matrix `total` wide.
            linear pad_columns(a)(start: usize, total: usize);
            /// Row `i` is `a[index[i]]`; as many rows as the index has entries.
            linear gather_rows(a)(index: &Self::Index);
            /// `out[index[i]] += a[i]`, `rows` rows.
            linear scatter_rows(a)(index: &Self::Index, rows: usize);
            /// Rows of the identity: 1 at `index[i]`, a zero row where it is `u32::MAX`; a constant.
            constant one_hot()(index: &Self::Index, columns: usize);
            /// Rotary embedding, or its inverse (which is its adjoint).
            linear rotary(a)(rotary: &$crate::compute::Rotary, inverse: bool);
        }
    };
}

/// Hands every operation of the gradient sink to the macro `$run`, as `name(arguments);`: they add to `slot`, and under
/// `Dual` only the tangent of what they add.
#[macro_export]
macro_rules! for_each_sink {
    ($run:ident) => {
        $run! {
            /// `slot += a` (same shape).
            accumulate(slot: &mut Self::Leaf, a: &Self::Tensor);
            /// Rows `start ..` of `slot` `+= dy^T x`: the gradient of `W (out,in)` in `y = x W^T`.
            accumulate_product(slot: &mut Self::Leaf, start: usize, dy: &Self::Tensor, x: &Self::Tensor);
            /// `slot += grouped(dy, x, TN)`.
            accumulate_grouped(
                slot: &mut Self::Leaf,
                dy: &Self::Tensor,
                x: &Self::Tensor,
                route: &$crate::compute::Route<Self::Index>
            );
            /// `slot (1,m) += sum over rows of x * y`.
            accumulate_dot(slot: &mut Self::Leaf, x: &Self::Tensor, y: &Self::Tensor);
            /// `slot[index[i]] += a[i]`.
            accumulate_scatter(slot: &mut Self::Leaf, index: &Self::Index, a: &Self::Tensor);
            /// Weight gradients of `norm`: `slot (1,m) += sum over rows of dy * x * r`, `shift (1,m) += sum over rows of dy`.
            accumulate_norm(
                slot: &mut Self::Leaf,
                shift: Option<&mut Self::Leaf>,
                x: &Self::Tensor,
                r: &Self::Tensor,
                dy: &Self::Tensor
            );
        }
    };
}
