//! The operations of the trait: kernels of [`crate::engine::layer`], products with packed matrices, and the primitives that
//! the layers use. What only training uses does nothing.

use ebt_core::compute::{Attended, Attention, Band, Candidate, Compute, Layout, Rotary, Route, RouteSpec};

use super::{Index, Leaf, Lent, Rows, Tensor, split};
use crate::engine::cache::Cache;
use crate::engine::layer::{attention, norm, rotary, softmax, swiglu};
use crate::engine::number::Number;
use crate::engine::slices::{front, put};
use crate::packed::Floats;

/// Operations that no pass of inference asks for.
macro_rules! unused {
    ($($name:ident($($t:ident),*)($($type:ty),*);)*) => {
        $(fn $name(&self, $($t: &Self::Tensor,)* $(_: $type),*) -> Self::Tensor {
            $(let _ = $t;)*
            Tensor::default()
        })*
    };
}

impl<'s, 'a, N: Number> Lent<'s, 'a, N> {
    /// `y_i = f(x_i)`.
    fn map(&self, a: &Tensor, f: impl Fn(N) -> N) -> Tensor {
        self.make(a.rows, a.columns, |before, out| {
            let rows = N::rows(self.get(before, a), a.rows, a.columns).zip(N::rows_mut(out, a.rows, a.columns));
            rows.for_each(|(x, mut y)| N::update(&mut y, x, |_, x| f(x)));
        })
    }

    /// `y_i = f(a_i, b_i)`, where `b` may have a single column.
    fn zip(&self, a: &Tensor, b: &Tensor, f: impl Fn(N, N) -> N) -> Tensor {
        self.make(a.rows, a.columns, |before, out| {
            let (x, y) = (self.get(before, a), self.get(before, b));
            let inputs = N::rows(x, a.rows, a.columns).zip(N::rows(y, b.rows, b.columns));
            for ((x, y), mut out) in inputs.zip(N::rows_mut(out, a.rows, a.columns)) {
                N::update(&mut out, x, |_, x| x);
                if b.columns == a.columns {
                    N::update(&mut out, y, &f);
                } else if let Some(y) = N::numbers(y).next() {
                    N::map(&mut out, |x| f(x, y));
                }
            }
        })
    }

    fn product(&self, x: &Tensor, columns: usize, run: impl FnOnce(&[f32], &mut [f32])) -> Tensor {
        self.make(x.rows, columns, |before, out| run(self.get(before, x), out))
    }

    /// `run(expert, x, y)` for the slots of every expert, values and tangents apart.
    fn grouped(
        &self,
        x: &Tensor,
        columns: usize,
        route: &Route<Index>,
        run: impl Fn(usize, &[f32], &mut [f32]),
    ) -> Tensor {
        self.words(&route.offsets, |offsets| {
            self.make(x.rows, columns, |before, out| {
                let parts = self.get(before, x).chunks_exact((x.rows * x.columns).max(1));
                for (x_part, out) in parts.zip(out.chunks_exact_mut((x.rows * columns).max(1))) {
                    let (mut x_rest, mut rest) = (x_part, out);
                    for (e, ends) in offsets.array_windows().enumerate() {
                        let &[from, to] = ends;
                        let count = to.saturating_sub(from) as usize;
                        let Some((xs, behind)) = x_rest.split_at_checked(count * x.columns) else { return };
                        let Some((ys, after)) = rest.split_at_mut_checked(count * columns) else { return };
                        if count > 0 {
                            run(e, xs, ys);
                        }
                        (x_rest, rest) = (behind, after);
                    }
                }
            })
        })
    }

    fn memory<'c>(&self, cache: &'c Cache<'a>) -> attention::Memory<'c, 'a>
    where
        's: 'c,
    {
        let Rows { seen, stream, kernel, .. } = self.rows;
        attention::Memory { cache, stream, layer: self.layer.get(), seen, kernel }
    }

    /// Attention over the rings of the cache, and of predictions over their own keys. The weights of the keys, own ones
    /// first, stand in place of the sums that training keeps.
    #[inline(never)]
    fn attend(&self, qkv: &Tensor) -> Attended<Tensor> {
        let Rows { shape, slots, .. } = self.rows;
        if !shape.own {
            self.remember(qkv, shape.queries());
        }
        let heads = shape.group * shape.key_heads;
        let [own, weights, len, flat] = [heads, heads * (slots + 1), shape.queries(), shape.group * shape.width]
            .map(|columns| self.len(shape.n, columns));
        let cache = self.cache.take();
        let start = self.run(weights + len, 2 * flat, |before, all| {
            let Some(cache) = &cache else { return };
            let (weights, rest) = split(all, weights);
            let (own, cached) = split(weights, own);
            let (out, rest) = split(rest, len);
            let (a, b) = split(rest, flat);
            let mut scratch = attention::Scratch { a, b, scores: &mut [] };
            let mut weights = attention::Weights { cached, own };
            attention::forward::<N>(shape, self.memory(cache), self.get(before, qkv), &mut weights, &mut scratch, out);
        });
        self.cache.set(cache);
        Attended {
            out: Tensor { start: start + weights, rows: shape.n, columns: shape.queries() },
            lse: Tensor { start, rows: shape.n, columns: heads * (slots + 1) },
        }
    }

    #[inline(never)]
    fn attend_backward(&self, qkv: &Tensor, weights: &Tensor, dout: &Tensor) -> Tensor {
        let Rows { shape, slots, .. } = self.rows;
        let [own, len, flat, scores] =
            [shape.group * shape.key_heads, shape.columns(), shape.group * shape.width, shape.group * slots]
                .map(|columns| self.len(shape.n, columns));
        let cache = self.cache.take();
        let start = self.run(len, 2 * flat + scores, |before, all| {
            let Some(cache) = &cache else { return };
            let (own, cached) = self.get(before, weights).split_at_checked(own).unwrap_or_default();
            let (out, rest) = split(all, len);
            let (a, rest) = split(rest, flat);
            let (b, scores) = split(rest, flat);
            let mut scratch = attention::Scratch { a, b, scores };
            let (qkv, dout) = (self.get(before, qkv), self.get(before, dout));
            attention::backward::<N>(shape, self.memory(cache), qkv, (cached, own), dout, &mut scratch, out);
        });
        self.cache.set(cache);
        Tensor { start, rows: shape.n, columns: shape.columns() }
    }
}

/// Sends `rows` rows to experts by the values of their gates; equal scores go to the lower index.
#[inline(never)]
fn choose(
    gate: &[f32],
    bias: Floats<'_>,
    spec: &RouteSpec,
    (rows, tokens, gates, offsets): (usize, &mut [u32], &mut [u32], &mut [u32]),
) {
    let RouteSpec { experts, top_k, groups, top_groups } = *spec;
    let size = experts.checked_div(groups).unwrap_or(1).max(1);
    let beats = |a: f64, i: usize, b: f64, k: usize| a > b || (a == b && i < k);
    let mut slot = 0;
    for e in 0..experts {
        put(offsets, e, slot as u32);
        for (row, gate) in f32::rows(gate, rows, experts).enumerate() {
            let score = |e: usize| f64::from(gate.get(e).copied().unwrap_or(0.0)) + f64::from(bias.get(e));
            let best = |g: usize| (g * size..(g + 1) * size).map(score).fold(f64::NEG_INFINITY, f64::max);
            let kept = |g: usize| {
                let mine = best(g);
                (0..groups).filter(|&o| beats(best(o), o, mine, g)).count() < top_groups
            };
            let mine = score(e);
            let before = |o: &usize| kept(*o / size) && beats(score(*o), *o, mine, e);
            if kept(e / size) && (0..experts).filter(before).count() < top_k {
                put(tokens, slot, row as u32);
                put(gates, slot, (row * experts + e) as u32);
                slot += 1;
            }
        }
    }
    put(offsets, experts, slot as u32);
}

impl<'m, N: Number> Compute for Lent<'m, '_, N> {
    type Leaf = Leaf<'m>;
    type Tensor = Tensor;
    type Index = Index;

    fn lift(&self, _: &Leaf<'m>) -> Tensor {
        Tensor::default()
    }
    fn slice_rows(&self, leaf: &Leaf<'m>, start: usize, len: usize) -> Leaf<'m> {
        Leaf::Matrix(leaf.matrix().slice_rows(start, len))
    }
    fn shape(&self, a: &Tensor) -> (usize, usize) {
        (a.rows, a.columns)
    }

    unused! {
        fill()(usize, usize, f64);
        exp(a)();
        ln(a)();
        rsqrt(a)();
        sigmoid(a)();
        step(a)();
        sum_rows(a)();
        max_columns(a)();
        matmul(a, b)(Layout);
        grouped(a, b)(&Route<Index>, Layout);
        band(a, b)(Band);
        band_mix(a, b)(Band);
        band_scatter(a, b)(Band);
        band_mask()(Band, Option<&Index>);
        one_hot()(&Index, usize);
        inject(a)(&Leaf<'m>);
    }

    #[inline(never)]
    fn add(&self, a: &Tensor, b: &Tensor) -> Tensor {
        self.zip(a, b, |a, b| a + b)
    }
    #[inline(never)]
    fn mul(&self, a: &Tensor, b: &Tensor) -> Tensor {
        self.zip(a, b, |a, b| a * b)
    }
    #[inline(never)]
    fn scale(&self, a: &Tensor, factor: f64) -> Tensor {
        self.map(a, |a| a * N::constant(factor as f32))
    }
    #[inline(never)]
    fn offset(&self, a: &Tensor, constant: f64) -> Tensor {
        self.map(a, |a| a + N::constant(constant as f32))
    }
    #[inline(never)]
    fn recip(&self, a: &Tensor) -> Tensor {
        self.map(a, N::recip)
    }
    #[inline(never)]
    fn sum_columns(&self, a: &Tensor) -> Tensor {
        self.make(a.rows, 1, |before, out| {
            let rows = N::rows(self.get(before, a), a.rows, a.columns).zip(N::rows_mut(out, a.rows, 1));
            rows.for_each(|(x, mut y)| N::update_with(&mut y, core::iter::once(N::total(x)), |_, sum| sum));
        })
    }

    fn reshape(&self, a: &Tensor, rows: usize, columns: usize) -> Tensor {
        Tensor { rows, columns, ..*a }
    }
    #[inline(never)]
    fn slice_columns(&self, a: &Tensor, start: usize, len: usize) -> Tensor {
        self.make(a.rows, len, |before, out| {
            let rows = N::rows(self.get(before, a), a.rows, a.columns).zip(N::rows_mut(out, a.rows, len));
            rows.for_each(|(x, mut y)| N::update(&mut y, N::part(&x, start, len), |_, x| x));
        })
    }
    #[inline(never)]
    fn pad_columns(&self, a: &Tensor, start: usize, total: usize) -> Tensor {
        self.make(a.rows, total, |before, out| {
            out.fill(0.0);
            let rows = N::rows(self.get(before, a), a.rows, a.columns).zip(N::rows_mut(out, a.rows, total));
            rows.for_each(|(x, mut y)| N::update(&mut N::part_mut(&mut y, start, a.columns), x, |_, x| x));
        })
    }
    #[inline(never)]
    fn gather_rows(&self, a: &Tensor, index: &Index) -> Tensor {
        self.make(index.len, a.columns, |before, out| {
            let all = self.get(before, a);
            self.words(index, |index| {
                for (&i, mut y) in index.iter().zip(N::rows_mut(out, index.len(), a.columns)) {
                    let Some(x) = N::rows(all, a.rows, a.columns).nth(i as usize) else { continue };
                    N::update(&mut y, x, |_, x| x);
                }
            });
        })
    }
    #[inline(never)]
    fn scatter_rows(&self, a: &Tensor, index: &Index, rows: usize) -> Tensor {
        self.words(index, |index| {
            self.make(rows, a.columns, |before, out| {
                out.fill(0.0);
                for (&i, x) in index.iter().zip(N::rows(self.get(before, a), a.rows, a.columns)) {
                    let Some(mut y) = N::rows_mut(out, rows, a.columns).nth(i as usize) else { continue };
                    N::update(&mut y, x, |y, x| y + x);
                }
            })
        })
    }
    #[inline(never)]
    fn rotary(&self, a: &Tensor, r: &Rotary, inverse: bool) -> Tensor {
        self.write(a, |all| {
            for part in all.chunks_exact_mut((a.rows * a.columns).max(1)) {
                let rows = part.chunks_exact_mut(a.columns.max(1));
                for (row, turns) in rows.zip(self.turns.chunks_exact(r.head_dim.max(1))) {
                    rotary::turn(front(row, r.heads * r.head_dim), r.head_dim, turns, inverse);
                }
            }
        });
        *a
    }

    fn route(&self, gate: &Tensor, bias: Option<&Leaf<'m>>, spec: &RouteSpec) -> Route<Index> {
        let (experts, rows, slots) = (spec.experts, gate.rows, gate.rows * spec.top_k);
        let bias = bias.map(Leaf::vector).unwrap_or_default();
        let index = self.make_words(2 * slots + experts + 1, |words| {
            let (offsets, rest) = split(words, experts + 1);
            let (tokens, gates) = split(rest, slots);
            self.read(gate, |gate, _| choose(gate, bias, spec, (rows, tokens, gates, offsets)));
        });
        let part = |start: usize, len: usize| Index { start: index.start + start, len };
        Route {
            offsets: part(0, experts + 1),
            tokens: part(experts + 1, slots),
            gates: part(experts + 1 + slots, slots),
            slots,
            experts,
        }
    }

    fn collect(&self, _: &mut Leaf<'m>, _: &Tensor) {}
    fn collect_product(&self, _: &mut Leaf<'m>, _: usize, _: &Tensor, _: &Tensor) {}
    fn collect_grouped(&self, _: &mut Leaf<'m>, _: &Tensor, _: &Tensor, _: &Route<Index>) {}
    fn collect_dot(&self, _: &mut Leaf<'m>, _: &Tensor, _: &Tensor) {}
    fn collect_scatter(&self, _: &mut Leaf<'m>, _: &Index, _: &Tensor) {}
    fn collect_norm(&self, _: &mut Leaf<'m>, _: Option<&mut Leaf<'m>>, _: &Tensor, _: &Tensor, _: &Tensor) {}

    #[inline(never)]
    fn linear(&self, x: &Tensor, w: &Leaf<'m>) -> Tensor {
        let w = w.matrix();
        self.product(x, w.rows, |x, y| w.product(self.rows.kernel, x, y))
    }
    #[inline(never)]
    fn linear_adjoint(&self, dy: &Tensor, w: &Leaf<'m>) -> Tensor {
        let w = w.matrix();
        self.product(dy, w.columns, |dy, dx| w.adjoint(self.rows.kernel, dy, dx))
    }
    #[inline(never)]
    fn grouped_linear(&self, x: &Tensor, w: &Leaf<'m>, route: &Route<Index>) -> Tensor {
        let w = w.matrix();
        let rows = w.rows.checked_div(route.experts).unwrap_or(0);
        self.grouped(x, rows, route, |e, x, y| w.slice_rows(e * rows, rows).product(self.rows.kernel, x, y))
    }
    #[inline(never)]
    fn grouped_linear_adjoint(&self, dy: &Tensor, w: &Leaf<'m>, route: &Route<Index>) -> Tensor {
        let w = w.matrix();
        let rows = w.rows.checked_div(route.experts).unwrap_or(0);
        self.grouped(dy, w.columns, route, |e, dy, dx| {
            w.slice_rows(e * rows, rows).adjoint(self.rows.kernel, dy, dx);
        })
    }
    #[inline(never)]
    fn modulate(&self, x: &Tensor, a: &Leaf<'m>) -> Tensor {
        self.make(x.rows, x.columns, |before, out| {
            let rows = N::rows(self.get(before, x), x.rows, x.columns).zip(N::rows_mut(out, x.rows, x.columns));
            for (x, mut y) in rows {
                N::update(&mut y, x, |_, x| x);
                N::update_with(&mut y, a.vector().iter().map(N::constant), |x, a| x * a);
            }
        })
    }
    #[inline(never)]
    fn gate_residual(&self, h: &Tensor, a: Option<&Leaf<'m>>, y: &Tensor) -> Tensor {
        self.make(h.rows, h.columns, |before, out| {
            let (h_rows, y_rows) = (self.get(before, h), self.get(before, y));
            let inputs = N::rows(h_rows, h.rows, h.columns).zip(N::rows(y_rows, h.rows, h.columns));
            for ((h, y), mut out) in inputs.zip(N::rows_mut(out, h.rows, h.columns)) {
                N::update(&mut out, h, |_, h| h);
                match a {
                    Some(a) => {
                        let moved = N::numbers(y).zip(a.vector().iter()).map(|(y, a)| y * N::constant(a));
                        N::update_with(&mut out, moved, |h, moved| h + moved);
                    }
                    None => N::update(&mut out, y, |h, y| h + y),
                }
            }
        })
    }

    #[inline(never)]
    fn norm(&self, x: &Tensor, w: &Leaf<'m>, b: Option<&Leaf<'m>>, eps: f64) -> (Tensor, Tensor) {
        let spec = norm::Spec { n: x.rows, width: x.columns, eps: eps as f32 };
        let vectors = (w.vector(), b.map(Leaf::vector));
        let (ry, rr) = (self.len(x.rows, x.columns), self.len(x.rows, 1));
        let start = self.run(ry + rr, 0, |before, out| {
            let (y, r) = split(out, ry);
            norm::forward::<N>(spec, self.get(before, x), vectors, y, r);
        });
        (Tensor { start, ..*x }, Tensor { start: start + ry, rows: x.rows, columns: 1 })
    }
    #[inline(never)]
    fn norm_backward(&self, x: &Tensor, w: &Leaf<'m>, r: &Tensor, dy: &Tensor) -> Tensor {
        self.make(x.rows, x.columns, |before, dx| {
            let (x_rows, r, dy) = (self.get(before, x), self.get(before, r), self.get(before, dy));
            norm::backward::<N>((x.rows, x.columns), x_rows, w.vector(), r, dy, dx);
        })
    }
    #[inline(never)]
    fn swiglu(&self, u: &Tensor) -> Tensor {
        let hidden = u.columns / 2;
        self.product(u, hidden, |x, s| swiglu::forward::<N>(u.rows, hidden, x, s))
    }
    #[inline(never)]
    fn swiglu_backward(&self, u: &Tensor, dy: &Tensor) -> Tensor {
        self.make(u.rows, u.columns, |before, du| {
            swiglu::backward::<N>(u.rows, u.columns / 2, self.get(before, u), self.get(before, dy), du);
        })
    }
    #[inline(never)]
    fn softmax(&self, y: &Tensor) -> Tensor {
        self.make(y.rows, y.columns, |before, p| {
            softmax::forward::<N>(y.rows, y.columns, self.get(before, y), p);
        })
    }
    #[inline(never)]
    fn softmax_backward(&self, p: &Tensor, dp: &Tensor) -> Tensor {
        self.make(p.rows, p.columns, |before, out| {
            softmax::backward::<N>(p.rows, p.columns, self.get(before, p), self.get(before, dp), out);
        })
    }

    fn causal_attention(&self, qkv: &Tensor, _: Option<&Index>, _: Attention) -> Attended<Tensor> {
        self.attend(qkv)
    }
    fn candidate_attention(&self, input: Candidate<'_, Tensor, Leaf<'m>, Index>) -> Attended<Tensor> {
        self.attend(input.qkv)
    }
    fn candidate_attention_backward(
        &self,
        input: Candidate<'_, Tensor, Leaf<'m>, Index>,
        attended: &Attended<Tensor>,
        dout: &Tensor,
        _: Option<&mut Leaf<'m>>,
    ) -> Tensor {
        self.attend_backward(input.qkv, &attended.lse, dout)
    }
}
