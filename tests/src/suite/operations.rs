//! Every operation on the backend under test against the reference in double precision: plainly, under `Dual` and
//! under `Dual<Dual>`; outputs are written in full whatever the memory held before.

use ebt_core::compute::{Backend, Compute, PredictedAttention};
use proptest::prelude::*;

use super::families::{self, Visit};
use crate::attention::attention;
use crate::case::{Case, Operation};
use crate::factory::{Reference64, Tolerance};
use crate::level::{Directions, Run, first, plain, second};
use crate::{Check, Draw, Factory, Mat, close, for_all, op};

struct Against<'a, B, R> {
    b: &'a B,
    yardstick: &'a R,
    tolerance: Tolerance,
    repeatable: bool,
}

/// Leaves freed memory full of NaN, in blocks of the sizes that the next call will ask for.
pub fn poison<B: Backend>(b: &B, sizes: impl Iterator<Item = (usize, usize)>) {
    let mut held = Vec::new();
    for (rows, columns) in sizes.filter(|s| s.0 * s.1 > 0) {
        held.extend((0..4).map(|_| b.fill(rows, columns, f64::NAN)));
    }
}

impl<B: Backend, R: Backend> Against<'_, B, R> {
    fn judge<O: Operation>(&self, case: &Case<O>, got: impl Fn(&B) -> Run, want: Run, tolerance: f64) -> Check {
        let clean = got(self.b);
        clean.close_to(&want, tolerance)?;
        let outputs = clean.parts.iter().map(|p| p.1.shape());
        poison(self.b, outputs.chain(case.tensors.iter().map(Mat::shape)).chain([(1, 1)]));
        let again = got(self.b);
        let what = |e| format!("after other memory held NaN: {e}");
        if self.repeatable {
            again.same_as(&clean).map_err(what)
        } else {
            again.close_to(&want, tolerance).map_err(what)
        }
    }
}

impl<B: Backend, R: Backend> Visit for Against<'_, B, R> {
    fn case<O: Operation>(&self, case: &Case<O>, along: &Directions) -> Check {
        let (r, t) = (self.yardstick, self.tolerance);
        self.judge(case, |b| plain(b, b, case), plain(r, r, case), t.value)?;
        let want = first(r, r, case, &along.u);
        self.judge(case, |b| first(b, b, case, &along.u), want, t.first).map_err(|e| format!("under Dual: {e}"))?;
        let want = second(r, r, case, along);
        self.judge(case, |b| second(b, b, case, along), want, t.second)
            .map_err(|e| format!("under Dual<Dual>: {e}"))?;
        self.b.status().map_err(|e| e.to_string())
    }
    fn largest(&self) -> usize {
        40
    }
    fn draws(&self) -> u32 {
        24
    }
}

/// Runs `body` with the judge of a backend.
macro_rules! families {
    ($($name:ident),*) => {
        $(/// The family on the backend under test against the reference.
        pub fn $name<F: Factory>() {
            F::with(|b| {
                Reference64::with(|yardstick| {
                    let (tolerance, repeatable) = (F::TOLERANCE, F::REPEATABLE);
                    families::$name(&Against { b, yardstick, tolerance, repeatable });
                });
            });
        })*
    };
}
families!(elementwise, movement, products, bands, norms, pointwise, cross_entropies, attentions, sinks);

/// Both attentions equal a softmax over the explicit set of visible keys (SPEC section 2).
pub fn attention_follows_its_definition<F: Factory>() {
    F::with(|b| {
        for_all(48, (families::attention_shape(), any::<bool>(), any::<u64>()), |(shape, documents, seed)| {
            let draw = Draw::new(seed);
            let (n, q, k) = (shape.rows(), shape.query_columns(), shape.key_columns());
            let (qkv, memory) = (draw.matrix(n, q + 2 * k), draw.matrix(n, 2 * k));
            let starts = if documents { op::band::starts(&draw, shape.batch, shape.context) } else { vec![0; n] };
            let (x, m, i) = (qkv.upload(b), memory.upload(b), documents.then(|| b.index(&starts)));
            let causal = Mat::download(b, &b.causal_attention(&x, i.as_ref(), shape).out);
            let input = PredictedAttention { qkv: &x, memory: &m, starts: i.as_ref(), shape };
            let candidate = Mat::download(b, &b.predicted_attention(input).out);
            // exponents of scores of a few units: their rounding is that of the score times its size
            let tolerance = 10.0 * F::TOLERANCE.value;
            close("causal", &causal, &attention(shape, &qkv, None, &starts), tolerance)?;
            close("candidate", &candidate, &attention(shape, &qkv, Some(&memory), &starts), tolerance)
        });
    });
}
