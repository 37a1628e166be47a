//! Matrices `(n,V)` that are never stored, and updates of all parameters at once, against their definitions.

use ebt_core::compute::{AdamW, Backend, ParamGroup, Parameters, Rule, SoftmaxRows};
use ebt_core::random::{Purpose, Stream};
use ebt_core::training::NO_TARGET;
use proptest::prelude::*;

use crate::factory::Reference64;
use crate::{Draw, Factory, Mat, close, for_all};

struct Case {
    y: Mat,
    w: Mat,
    x: Mat,
    scale: Mat,
    alpha: Mat,
    slot: Mat,
    ids: Vec<u32>,
    targets: bool,
    scaled: bool,
}

/// Everything that reads [`SoftmaxRows`], and the move of a state.
fn run<B: Backend>(b: &B, c: &Case) -> Vec<Mat> {
    let (y, w, x) = (c.y.upload(b), c.w.upload(b), c.x.upload(b));
    let (scale, alpha, ids) = (c.scale.upload(b), c.alpha.upload(b), b.index(&c.ids));
    let lse = b.log_sum_exp(&y);
    let rows =
        SoftmaxRows { logits: &y, lse: &lse, scale: c.scaled.then_some(&scale), targets: c.targets.then_some(&ids) };
    let mut slot = c.slot.upload(b);
    b.accumulate_rows(&mut slot, rows, &x);
    let losses = b.cross_entropy_rows(SoftmaxRows { targets: Some(&ids), ..rows });
    let kept = b.descend(y.clone(), Some(&lse), &alpha, &x, &w);
    let mixed = b.rows_matmul(rows, &w);
    // the only handle now: in place where the backend can
    let lse_again = b.scale(&lse, 1.0);
    let moved = b.descend(y, None, &alpha, &x, &w);
    [&lse, &lse_again, &mixed, &slot, &losses, &kept, &moved].map(|a| Mat::download(b, a)).to_vec()
}

/// Log-sum-exp, products with rows of distributions, cross entropy and descent equal their compositions.
pub fn rows_of_distributions_equal_their_definition<F: Factory>() {
    let sizes = (1..=20usize, 1..=70usize, 1..=20usize, any::<bool>(), any::<bool>(), any::<u64>());
    F::with(|b| {
        Reference64::with(|reference| {
            for_all(48, sizes, |(n, vocabulary, d, targets, scaled, seed)| {
                let draw = Draw::new(seed);
                let mut ids = draw.indices(n, vocabulary);
                for id in &mut ids {
                    if draw.one_in(4) {
                        *id = NO_TARGET;
                    }
                }
                let case = Case {
                    y: Mat::zeros(n, vocabulary).plus(3.0, &draw.matrix(n, vocabulary)),
                    w: draw.matrix(vocabulary, d),
                    x: draw.matrix(n, d),
                    scale: draw.matrix(n, 1),
                    alpha: draw.positive(n, 1),
                    slot: draw.matrix(vocabulary, d),
                    ids,
                    targets,
                    scaled,
                };
                let names =
                    ["log-sum-exp", "it again", "mixed rows", "collected rows", "losses", "softmax moved", "moved"];
                for ((name, got), want) in names.iter().zip(run(b, &case)).zip(run(reference, &case)) {
                    close(name, &got, &want, 3.0 * F::TOLERANCE.value)?;
                }
                Ok(())
            });
        });
    });
}

/// Uniform draws are those of the stream.
pub fn uniform_draws_are_the_reference_draws<F: Factory>() {
    F::with(|b| {
        for_all(24, (1..=40usize, 1..=9usize, 0..100u64, any::<u64>()), |(rows, columns, first, seed)| {
            let stream = Stream::new(seed, 7, Purpose::Test).detail(3);
            b.set_noise_step(7);
            let got = Mat::download(b, &b.uniform(rows, columns, stream, first, -0.5, 1.5));
            let want = (0..(rows * columns) as u64).map(|i| -0.5 + 2.0 * stream.uniform(first + i)).collect();
            close("uniform", &got, &Mat::new(rows, columns, want), F::TOLERANCE.value)
        });
    });
}

/// An update of all parameters is the update of each; a factor that is not finite changes nothing.
pub fn whole_updates_equal_single_ones<F: Factory>() {
    type Lists = [Vec<Mat>; 5];
    fn run<B: Backend>(b: &B, lists: &Lists, param_groups: &[ParamGroup], numbers: &[Mat]) -> Vec<Mat> {
        let mut all = lists.clone().map(|list| list.iter().map(|m| m.upload(b)).collect::<Vec<_>>());
        for numbers in numbers {
            let [weights, first, second, average, gradients] = &mut all;
            let parameters = Parameters { weights, first, second, average, gradients, param_groups };
            b.update(parameters, AdamW { beta1: 0.75, beta2: 0.875, eps: 1e-6 }, &numbers.upload(b));
        }
        // products read the updated weights, whatever copies a backend keeps
        let read = all[0].iter().map(|w| b.linear(w, w)).collect::<Vec<_>>();
        all.iter().take(4).flatten().chain(&read).map(|a| Mat::download(b, a)).collect()
    }
    F::with(|b| {
        Reference64::with(|reference| {
            for_all(24, (1..=6usize, any::<u64>()), |(count, seed)| {
                let draw = Draw::new(seed);
                let shapes: Vec<(usize, usize)> =
                    (0..count).map(|_| (1 + draw.below(40), 1 + draw.below(70))).collect();
                let list = |positive: bool| {
                    let one = |&(r, c): &(usize, usize)| if positive { draw.positive(r, c) } else { draw.matrix(r, c) };
                    shapes.iter().map(one).collect::<Vec<_>>()
                };
                let lists = [list(false), list(false), list(true), list(false), list(false)];
                let treat = |_| ParamGroup {
                    rate: draw.below(3) as f64,
                    decay: 0.0625 * draw.below(2) as f64,
                    rule: if draw.below(2) == 0 { Rule::AdamW } else { Rule::Direction { momentum: 0.875 } },
                };
                let param_groups: Vec<ParamGroup> = (0..count).map(treat).collect();
                let good = Mat::new(1, 5, vec![0.125, 0.25, 0.125, 0.5, 0.75]);
                let mut refused = good.clone();
                refused.data[3] = f64::NAN;
                let before = run(b, &lists, &param_groups, &[refused.clone()]);
                for (got, want) in before.iter().zip(lists.iter().take(4).flatten()) {
                    let want = Mat::download(b, &want.upload(b));
                    crate::same_bits("a refused update", got, &want)?;
                }
                let numbers = [good.clone(), refused, good];
                let (got, want) =
                    (run(b, &lists, &param_groups, &numbers), run(reference, &lists, &param_groups, &numbers));
                for (got, want) in got.iter().zip(&want) {
                    close("an update", got, want, 10.0 * F::TOLERANCE.value)?;
                }
                Ok(())
            });
        });
    });
}
