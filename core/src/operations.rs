//! The primitives, the gradient sink and the fused operations, written once. A table is expanded wherever all of them are
//! gone through: the trait declares them, recording, replay and the CUDA backend pass them on, `Dual` takes from it how
//! primitives are differentiated, and the tests reduce a backend to its primitives.

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
            /// `s[t, h, j] = q[t, h] . k[u, h']` with `u = t + ahead - j`, zero where `u` leaves the sequence; `(n, H slots)`.
            bilinear window_scores(q, k)(band: $crate::compute::Band);
            /// `o[t, h] = sum_j s[t, h, j] v[t + ahead - j, h']`; `(n, H d)`.
            bilinear window_mix(s, v)(band: $crate::compute::Band);
            /// `g[u, k] = sum over h of key head k, j of s[t, h, j] q[t, h]` with `t = u - ahead + j`; `(n, K d)`.
            bilinear window_scatter(s, q)(band: $crate::compute::Band);
            /// 0 where slot `j` of row `t` exists and is not before `starts[t]`, else -1e30; `(n, H slots)`.
            constant window_mask()(band: $crate::compute::Band, starts: Option<&Self::Index>);
            /// `bias[class(t, t + ahead - j), h]`, zero where the key leaves the sequence; `(n, H slots)`.
            constant relation_bias()(
                band: $crate::compute::Band,
                relations: $crate::compute::Relations<'_, Self::Leaf, Self::Index>
            );

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
            /// `slot[c, h] +=` the sum of `s[t, h, j]`, `s (n, H slots)`, over the rows and slots whose relation has class `c`.
            accumulate_relations(
                slot: &mut Self::Leaf,
                s: &Self::Tensor,
                band: $crate::compute::Band,
                classes: $crate::compute::Classes<'_, Self::Index>
            );
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

/// Hands every fused operation to the macro `$run`, as `runs kind name(self, arguments) -> result { default }`, where the
/// default is the composition of primitives that defines the operation. How it runs:
///
/// * `kernel`: CUDA has a kernel, and a fused plan counts one; another backend may have one;
/// * `composed`: nothing has a kernel for it but a backend that overrides the default.
///
/// Kinds, by the result: `tensor` is one matrix, `pair` two, `attended` an output of attention.
#[macro_export]
macro_rules! for_each_fused {
    ($run:ident) => {
        $run! {
            // ---- products with a constant matrix (linear: the tangent is the operation itself) ----
            /// `x (n,in) . w (out,in)^T`.
            kernel tensor linear(self, x: &Self::Tensor, w: &Self::Leaf) -> Self::Tensor {
                self.matmul(x, &self.lift(w), Layout::NT)
            }
            /// As [`Compute::linear`] for few outputs whose exact value matters: energies and gate scores. Backends with
            /// narrow storage keep these wide.
            kernel tensor linear_wide(self, x: &Self::Tensor, w: &Self::Leaf) -> Self::Tensor {
                self.linear(x, w)
            }
            /// `dy (n,out) . w (out,in)`: the adjoint of [`Compute::linear`].
            kernel tensor linear_adjoint(self, dy: &Self::Tensor, w: &Self::Leaf) -> Self::Tensor {
                self.matmul(dy, &self.lift(w), Layout::NN)
            }
            /// Expert products `grouped(x, w, NT)`.
            kernel tensor grouped_linear(
                self, x: &Self::Tensor, w: &Self::Leaf, route: &$crate::compute::Route<Self::Index>
            ) -> Self::Tensor {
                self.grouped(x, &self.lift(w), route, Layout::NT)
            }
            /// Adjoint of [`Compute::grouped_linear`].
            kernel tensor grouped_linear_adjoint(
                self, dy: &Self::Tensor, w: &Self::Leaf, route: &$crate::compute::Route<Self::Index>
            ) -> Self::Tensor {
                self.grouped(dy, &self.lift(w), route, Layout::NN)
            }
            /// `a * x` with `a (1,m)`.
            kernel tensor modulate(self, x: &Self::Tensor, a: &Self::Leaf) -> Self::Tensor {
                self.mul(x, &self.lift(a))
            }
            /// `h + a * y` with `a (1,m)`, or `h + y`.
            kernel tensor gate_residual(
                self, h: &Self::Tensor, a: Option<&Self::Leaf>, y: &Self::Tensor
            ) -> Self::Tensor {
                match a {
                    Some(a) => self.add(h, &self.mul(y, &self.lift(a))),
                    None => self.add(h, y),
                }
            }

            // ---- modulated root-mean-square norm, y = x r w + b, r = rsqrt(mean(x^2) + eps) ----
            /// `(y (n,m), r (n,1))`.
            kernel pair norm(
                self, x: &Self::Tensor, w: &Self::Leaf, b: Option<&Self::Leaf>, eps: f64
            ) -> (Self::Tensor, Self::Tensor) {
                fused::norm::forward(self, x, w, b, eps)
            }
            /// `dx (n,m)` from `dy (n,m)`, with `r (n,1)` of the forward pass.
            kernel tensor norm_backward(
                self, x: &Self::Tensor, w: &Self::Leaf, r: &Self::Tensor, dy: &Self::Tensor
            ) -> Self::Tensor {
                fused::norm::backward(self, x, w, r, dy)
            }
            /// Tangents of `y` and `r` along `xt`.
            kernel pair norm_tangent(
                self, x: &Self::Tensor, xt: &Self::Tensor, w: &Self::Leaf, r: &Self::Tensor
            ) -> (Self::Tensor, Self::Tensor) {
                fused::norm::tangent(self, x, xt, w, r)
            }
            /// Tangent of `dx` along `(xt, rt, dyt)`.
            kernel tensor norm_backward_tangent(
                self, x: [&Self::Tensor; 2], w: &Self::Leaf, r: [&Self::Tensor; 2], dy: [&Self::Tensor; 2]
            ) -> Self::Tensor {
                fused::norm::backward_tangent(self, x, w, r, dy)
            }

            // ---- SwiGLU on u = [u1 | u3] (n, 2F): silu(u1) * u3 ----
            /// `silu(u1) * u3 (n,F)`.
            kernel tensor swiglu(self, u: &Self::Tensor) -> Self::Tensor {
                fused::swiglu::forward(self, u)
            }
            /// `du (n,2F)` from `dy (n,F)`.
            kernel tensor swiglu_backward(self, u: &Self::Tensor, dy: &Self::Tensor) -> Self::Tensor {
                fused::swiglu::backward(self, u, dy)
            }
            /// Tangent of the forward pass.
            kernel tensor swiglu_tangent(self, u: &Self::Tensor, ut: &Self::Tensor) -> Self::Tensor {
                fused::swiglu::tangent(self, u, ut)
            }
            /// Tangent of the backward pass.
            kernel tensor swiglu_backward_tangent(self, u: [&Self::Tensor; 2], dy: [&Self::Tensor; 2]) -> Self::Tensor {
                fused::swiglu::backward_tangent(self, u, dy)
            }

            // ---- softmax over columns ----
            /// `P = softmax(y)`.
            kernel tensor softmax(self, y: &Self::Tensor) -> Self::Tensor {
                fused::softmax::forward(self, y)
            }
            /// `J dp = P (dp - <P, dp>)`; J is symmetric, so this is the tangent of the forward pass too.
            kernel tensor softmax_backward(self, p: &Self::Tensor, dp: &Self::Tensor) -> Self::Tensor {
                fused::softmax::backward(self, p, dp)
            }
            /// Tangent of the backward pass along `(pt, dpt)`.
            kernel tensor softmax_backward_tangent(
                self, p: [&Self::Tensor; 2], dp: [&Self::Tensor; 2]
            ) -> Self::Tensor {
                fused::softmax::backward_tangent(self, p, dp)
            }

            // ---- cross entropy of logits against token ids (u32::MAX: no target) ----
            /// `(loss (n,1), dy (n,V))`: loss and its derivative, each times `weight (n,1)`.
            kernel pair cross_entropy(
                self, y: &Self::Tensor, targets: &Self::Index, weight: &Self::Leaf
            ) -> (Self::Tensor, Self::Tensor) {
                fused::cross_entropy::forward(self, y, targets, weight)
            }

            // ---- two-stream attention ----
            /// Causal sliding-window attention of the observed stream over itself.
            kernel attended causal_attention(
                self, qkv: &Self::Tensor, starts: Option<&Self::Index>, shape: $crate::compute::Attention
            ) -> $crate::compute::AttentionOutput<Self::Tensor> {
                fused::attention::causal(self, qkv, starts, shape)
            }
            /// `dqkv (n, (H+2K) d)`.
            kernel tensor causal_attention_backward(
                self, qkv: &Self::Tensor, starts: Option<&Self::Index>, shape: $crate::compute::Attention,
                attended: &$crate::compute::AttentionOutput<Self::Tensor>, dout: &Self::Tensor
            ) -> Self::Tensor {
                fused::attention::causal_backward(self, qkv, starts, shape, attended, dout)
            }
            /// Attention of every prediction over the observed keys before it and itself.
            kernel attended predicted_attention(
                self, input: $crate::compute::PredictedAttention<'_, Self::Tensor, Self::Leaf, Self::Index>
            ) -> $crate::compute::AttentionOutput<Self::Tensor> {
                fused::attention::predicted(self, input)
            }
            /// `dqkv` of the predictions; the gradient of the observed keys and values is collected in `dmemory`.
            kernel tensor predicted_attention_backward(
                self, input: $crate::compute::PredictedAttention<'_, Self::Tensor, Self::Leaf, Self::Index>,
                attended: &$crate::compute::AttentionOutput<Self::Tensor>, dout: &Self::Tensor,
                dmemory: Option<&mut Self::Leaf>
            ) -> Self::Tensor {
                fused::attention::predicted_backward(self, input, attended, dout, dmemory)
            }
            /// Tangent of the forward pass along `qkvt`.
            kernel attended predicted_attention_tangent(
                self, input: $crate::compute::PredictedAttention<'_, Self::Tensor, Self::Leaf, Self::Index>,
                qkvt: &Self::Tensor, attended: &$crate::compute::AttentionOutput<Self::Tensor>
            ) -> $crate::compute::AttentionOutput<Self::Tensor> {
                fused::attention::predicted_tangent(self, input, qkvt, attended)
            }
            /// Tangent of the backward pass; the tangent of the memory gradient is collected in `dmemory`.
            kernel tensor predicted_attention_backward_tangent(
                self, input: $crate::compute::PredictedAttention<'_, Self::Tensor, Self::Leaf, Self::Index>,
                qkvt: &Self::Tensor, attended: [&$crate::compute::AttentionOutput<Self::Tensor>; 2],
                dout: [&Self::Tensor; 2], dmemory: Option<&mut Self::Leaf>
            ) -> Self::Tensor {
                fused::attention::predicted_backward_tangent(self, input, qkvt, attended, dout, dmemory)
            }

            // ---- attention among all positions ----
            /// Attention of every position over all positions in its window.
            kernel attended joint_attention(
                self, input: $crate::compute::JointAttention<'_, Self::Tensor, Self::Leaf, Self::Index>
            ) -> $crate::compute::AttentionOutput<Self::Tensor> {
                fused::joint_attention::forward(self, input)
            }
            /// `dqkv (n, (H+2K) d)`; the gradient of the biases is collected in `dbias (classes, H)`.
            kernel tensor joint_attention_backward(
                self, input: $crate::compute::JointAttention<'_, Self::Tensor, Self::Leaf, Self::Index>,
                attended: &$crate::compute::AttentionOutput<Self::Tensor>, dout: &Self::Tensor,
                dbias: Option<&mut Self::Leaf>
            ) -> Self::Tensor {
                fused::joint_attention::backward(self, input, attended, dout, dbias)
            }
            /// Tangent of the forward pass along `qkvt`.
            kernel attended joint_attention_tangent(
                self, input: $crate::compute::JointAttention<'_, Self::Tensor, Self::Leaf, Self::Index>,
                qkvt: &Self::Tensor, attended: &$crate::compute::AttentionOutput<Self::Tensor>
            ) -> $crate::compute::AttentionOutput<Self::Tensor> {
                fused::joint_attention::tangent(self, input, qkvt, attended)
            }
            /// Tangent of the backward pass; the tangent of the biases' gradient is collected in `dbias`.
            kernel tensor joint_attention_backward_tangent(
                self, input: $crate::compute::JointAttention<'_, Self::Tensor, Self::Leaf, Self::Index>,
                qkvt: &Self::Tensor, attended: [&$crate::compute::AttentionOutput<Self::Tensor>; 2],
                dout: [&Self::Tensor; 2], dbias: Option<&mut Self::Leaf>
            ) -> Self::Tensor {
                fused::joint_attention::backward_tangent(self, input, qkvt, attended, dout, dbias)
            }
        }
    };
}
