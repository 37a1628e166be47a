//! The vocabulary, the optimiser, noise.

use ebt_core::compute::{AdamW, Backend, ParamGroup, Parameters, Rule, SoftmaxRows};
use ebt_core::random::{Purpose, Stream};

use super::{Bench, Exact, Twin, in_all_precisions};
use crate::{Kind, Matrix};

/// Numbers of a matrix and its product with others, in double precision.
struct Plain {
    columns: usize,
    data: Vec<f64>,
}

impl Plain {
    fn of(b: &Bench<'_, '_>, m: &Matrix) -> Self {
        Self { columns: m.columns, data: b.values(m) }
    }
    fn at(&self, i: usize, j: usize) -> f64 {
        self.data[i * self.columns + j]
    }
}

#[test]
#[ignore = "needs a device or a stand-in"]
fn rows_of_the_vocabulary_are_what_they_stand_for() {
    in_all_precisions(|b| {
        for round in 0..16 {
            // more rows than a chunk has
            let (n, v, d) =
                if round % 4 == 0 { (300, 5, 3) } else { (2 + b.below(90), 1 + b.below(50), 1 + b.below(20)) };
            vocabulary(b, [n, v, d], round);
        }
    });
}

fn vocabulary(b: &Bench<'_, '_>, [n, v, d]: [usize; 3], round: usize) {
    let c = &b.cuda;
    let y = b.draw(n, v, Kind::F32, [-3.0, 3.0]);
    let (w, x, scale) = (b.float(v, d), b.stream(n, d), b.float(n, 1));
    let lse = c.log_sum_exp(&y.device);
    let ids = b.targets(n, v);
    let ids_on_device = b.index(&ids);
    let targets = (!round.is_multiple_of(3)).then_some(&ids_on_device);
    let scaled = round % 4 < 2;
    let rows = SoftmaxRows { logits: &y.device, lse: &lse, scale: scaled.then_some(&scale.device), targets };
    let (ys, ls, ws, xs) = (Plain::of(b, &y.device), b.values(&lse), Plain::of(b, &w.device), Plain::of(b, &x.device));
    let scales = b.values(&scale.device);
    let by = |i: usize| if scaled { scales[i] } else { 1.0 };
    let m = |i: usize, j: usize| {
        let target = ids[i] as usize;
        let share = (ys.at(i, j) - ls[i]).exp();
        let aim = f64::from(u8::from(j == target));
        match targets {
            None => by(i) * share,
            Some(_) if ids[i] == u32::MAX => 0.0,
            Some(_) => by(i) * (share - aim),
        }
    };
    let each = |rows: usize, columns: usize, f: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
        (0..rows * columns).map(|at| f(at / columns, at % columns)).collect()
    };
    let mixed = c.rows_matmul(rows, &w.device);
    assert_eq!(mixed.kind, c.stream_kind());
    b.near("mixed", &mixed, &each(n, d, &|i, k| (0..v).map(|j| m(i, j) * ws.at(j, k)).sum()), 2.0 * b.rounding);
    let mut slot = b.float(v, d);
    let old = Plain::of(b, &slot.device);
    c.accumulate_rows(&mut slot.device, rows, &x.device);
    let want = each(v, d, &|j, k| old.at(j, k) + (0..n).map(|i| m(i, j) * xs.at(i, k)).sum::<f64>());
    b.near("collected", &slot.device, &want, 2.0 * b.rounding);
    let rows = SoftmaxRows { targets: Some(&ids_on_device), ..rows };
    let want = each(n, 1, &|i, _| {
        if ids[i] == u32::MAX {
            return 0.0;
        }
        by(i) * (ls[i] - ys.at(i, ids[i] as usize))
    });
    b.near("loss", &c.cross_entropy_rows(rows), &want, 4e-6);
    for (alone, softmax) in [(false, false), (true, false), (false, true), (true, true)] {
        let start = c.copy(&y.device);
        let held = (!alone).then(|| start.clone());
        let address = start.address();
        let found = c.descend(start, softmax.then_some(&lse), &scale.device, &x.device, &w.device);
        assert_eq!(found.address() == address, alone);
        let want = each(n, v, &|i, j| {
            let from = if softmax { (ys.at(i, j) - ls[i]).exp() } else { ys.at(i, j) };
            from - scales[i] * (0..d).map(|k| xs.at(i, k) * ws.at(j, k)).sum::<f64>()
        });
        b.near("descended", &found, &want, 2.0 * b.rounding);
        if let Some(held) = held {
            b.near("what others read", &held, &ys.data, 0.0);
        }
    }
}

/// Weight, moments, gradient and average of one parameter.
type State<'a> = [Twin<'a>; 5];

#[test]
#[ignore = "needs a device or a stand-in"]
fn a_step_of_all_parameters_is_a_step_of_each() {
    in_all_precisions(|b| {
        for factor in [0.5, 0.0, -1.0, f32::NAN, f32::INFINITY] {
            for averages in [false, true] {
                update(b, factor, averages);
            }
        }
    });
}

/// Weights, moments, gradients and averages as an update takes them.
fn parameters<'l, A>(lists: &'l mut [Vec<A>; 5], averages: bool, param_groups: &'l [ParamGroup]) -> Parameters<'l, A> {
    let [weights, first, second, gradients, average] = lists;
    let average = if averages { average.as_mut_slice() } else { &mut [] };
    Parameters { weights, first, second, average, gradients, param_groups }
}

fn update(b: &Bench<'_, '_>, factor: f32, averages: bool) {
    let (c, r) = (&b.cuda, b.reference);
    let moved = factor >= 0.0 && factor.is_finite();
    let count = 1 + b.below(32);
    let mut state: Vec<State<'_>> = (0..count)
        .map(|_| {
            let (rows, columns) = (b.size(), b.size());
            std::array::from_fn(|part| b.draw(rows, columns, Kind::F32, [if part == 2 { 0.01 } else { -1.0 }, 1.0]))
        })
        .collect();
    let rule = |i| if i % 5 < 2 { Rule::Direction { momentum: 0.875 } } else { Rule::AdamW };
    let group = |i| ParamGroup { rate: [1.0, 0.0, 0.5][i % 3], decay: [0.0625, 0.0][i % 2], rule: rule(i) };
    let param_groups: Vec<ParamGroup> = (0..count).map(group).collect();
    // some weights have a copy for products, some are read by another handle
    let copies: Vec<Matrix> = state.iter().step_by(2).map(|s| c.narrow_copy(&s[0].device)).collect();
    let held: Vec<Twin<'_>> = state.iter().step_by(5).map(|s| b.twin(s[0].device.clone())).collect();
    drop(copies);
    let mut lists: [Vec<Matrix>; 5] = std::array::from_fn(|part| {
        // the bench's own handles are given up: parameters are alone
        state.iter_mut().map(|s| std::mem::replace(&mut s[part].device, c.take(1, 1, Kind::F32))).collect()
    });
    let mut exact: [Vec<Exact<'_>>; 5] =
        std::array::from_fn(|part| state.iter().map(|s| s[part].exact.clone()).collect());
    let constants = AdamW { beta1: 0.75, beta2: 0.875, eps: 1e-6 };
    let numbers = [0.125, 0.25, 0.125, factor, 0.75];
    c.update(parameters(&mut lists, averages, &param_groups), constants, &c.upload(1, 5, &numbers));
    if moved {
        r.update(parameters(&mut exact, averages, &param_groups), constants, &r.upload(1, 5, &numbers));
    }
    for i in 0..count {
        for (part, list) in lists.iter().enumerate() {
            b.same("state", &list[i], &exact[part][i], if moved { 1e-5 } else { 0.0 });
        }
        let copy = c.narrow_copy(&lists[0][i]);
        b.same("copy for products", &copy, &exact[0][i], b.rounding);
    }
    for twin in held {
        b.same("what others read", &twin.device, &twin.exact, 0.0);
    }
}

#[test]
#[ignore = "needs a device or a stand-in"]
fn noise_is_the_stream_wherever_a_call_starts() {
    in_all_precisions(|b| {
        for round in 0..12 {
            let (rows, columns) = (b.size(), b.size());
            let first = [b.below(200) as u64, (1 << 34) - 5, u64::MAX / 2][round % 3];
            let stream = Stream::new(b.below(1 << 40) as u64, 7, Purpose::Langevin).detail(3);
            let indices = || (0..(rows * columns) as u64).map(|i| first + i);
            let found = b.cuda.normal(rows, columns, stream, first, 1.5);
            b.near("normal", &found, &indices().map(|i| 1.5 * stream.normal(i)).collect::<Vec<_>>(), 2e-6);
            let found = b.cuda.uniform(rows, columns, stream, first, -2.0, 3.0);
            b.near("uniform", &found, &indices().map(|i| -2.0 + 5.0 * stream.uniform(i)).collect::<Vec<_>>(), 2e-6);
        }
    });
}

#[test]
#[ignore = "needs a device or a stand-in"]
fn a_recorded_step_draws_the_numbers_of_its_own_step() {
    in_all_precisions(|b| {
        let c = &b.cuda;
        let (rows, columns) = (7, 9);
        let mut sum = c.take(rows, columns, Kind::F32);
        for t in [3, 4, 5, 9, 11] {
            let stream = Stream::new(21, t, Purpose::Langevin);
            c.set_noise_step(t);
            let done = c.run_captured(&[1], &mut || {
                c.clear(&mut sum);
                c.accumulate(&mut sum, &c.normal(rows, columns, stream, 2, 0.5));
                c.accumulate(&mut sum, &c.uniform(rows, columns, stream, 1, 1.0, 2.0));
                Ok(())
            });
            assert_eq!(done, Ok(()));
            let at = |i: u64| 0.5 * stream.normal(2 + i) + 1.0 + stream.uniform(1 + i);
            b.near("noise of a step", &sum, &(0..63).map(at).collect::<Vec<_>>(), 2e-6);
        }
        let report = c.steps();
        assert!(report.iter().any(|step| step.replays > 0), "{report:?}");
    });
}
