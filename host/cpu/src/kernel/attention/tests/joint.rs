//! Attention among all positions.

use super::*;

/// A geometry, and how many classes by what there are.
struct Joint {
    case: Case,
    relations: Option<(usize, bool)>,
}

impl Joint {
    fn classes(&self) -> Vec<u32> {
        let context = self.case.layout.context;
        match self.relations {
            None => Vec::new(),
            Some((count, true)) => (0..2 * context - 1).map(|i| (i / 3 % count) as u32).collect(),
            Some((count, false)) => (0..context * context).map(|i| (i * i / 5 % count) as u32).collect(),
        }
    }

    fn biases(&self) -> Vec<f64> {
        values(self.relations.map_or(0, |(count, _)| count * self.case.layout.heads), 9)
    }

    fn relations<'a, E>(&self, bias: &'a [E], classes: &'a [u32]) -> Option<Relations<'a, E>> {
        self.relations.map(|(_, by_distance)| Relations { bias, classes, by_distance })
    }

    fn naive(&self, qkv: &[f64], bias: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let Layout { heads, kv_heads, width: d, window, context } = self.case.layout;
        let (columns, classes, n) = (self.case.layout.columns(), self.classes(), self.case.n);
        let head = |row: usize, i: usize| &qkv[row * columns + i * d..][..d];
        let (mut out, mut lse) = (vec![0.0; n * heads * d], vec![0.0; n * heads]);
        for (row, h) in (0..n).flat_map(|row| (0..heads).map(move |h| (row, h))) {
            let (t, g) = (row % context, h / (heads / kv_heads));
            let start = self.case.starts.as_ref().map_or(0, |s| s[row] as usize);
            let visible = (start..context).filter(|u| t.abs_diff(*u) < window);
            let seen: Vec<_> = visible
                .map(|u| {
                    let added = self.relations.map_or(0.0, |(_, by_distance)| {
                        let class = classes[if by_distance { context - 1 + u - t } else { t * context + u }];
                        bias[class as usize * heads + h]
                    });
                    (head(row - t + u, heads + g), head(row - t + u, heads + kv_heads + g), added)
                })
                .collect();
            lse[row * heads + h] = match seen.is_empty() {
                true => -1e30,
                false => attend(head(row, h), &seen, &mut out[(row * heads + h) * d..][..d]),
            };
        }
        (out, lse)
    }

    fn forward<E: Element>(&self, qkv: &[E], bias: &[E]) -> (Vec<E>, Vec<E>) {
        let (layout, classes, nan) = (self.case.layout, self.classes(), E::from_f64(f64::NAN));
        let mut out = vec![nan; self.case.n * layout.heads * layout.width];
        let mut lse = vec![nan; self.case.n * layout.heads];
        let relations = self.relations(bias, &classes);
        joint_forward(layout, qkv, relations, self.case.starts.as_deref(), &mut out, &mut lse);
        (out, lse)
    }

    /// `dqkv` and the gradient of the biases, which is that of every sequence before they are added.
    fn backward<E: Element>(&self, qkv: &[E], bias: &[E], dout: &[E]) -> (Vec<E>, Vec<E>) {
        let (out, lse) = self.forward(qkv, bias);
        let (layout, classes, starts) = (self.case.layout, self.classes(), self.case.starts.as_deref());
        let nan = E::from_f64(f64::NAN);
        let (mut dqkv, mut dbias) = (vec![nan; qkv.len()], vec![nan; self.case.n / layout.context * bias.len()]);
        let (relations, results) = (self.relations(bias, &classes), (&out[..], &lse[..]));
        joint_backward(layout, qkv, relations, starts, results, dout, &mut dqkv, Some(&mut dbias));
        let mut alone = vec![nan; qkv.len()];
        joint_backward(layout, qkv, relations, starts, results, dout, &mut alone, None);
        assert!(alone == dqkv);
        (dqkv, summed(&dbias, bias.len()))
    }

    /// `out_dot`, `lse_dot`, `dqkv_dot` and the tangent of the gradient of the biases.
    fn tangents<E: Element>(&self, [qkv, qkv_dot]: [&[E]; 2], bias: &[E], [dout, dout_dot]: [&[E]; 2]) -> [Vec<E>; 4] {
        let (out, lse) = self.forward(qkv, bias);
        let (layout, classes, starts) = (self.case.layout, self.classes(), self.case.starts.as_deref());
        let nan = E::from_f64(f64::NAN);
        let mut out_dot = vec![nan; out.len()];
        let (mut lse_dot, mut dqkv_dot) = (vec![nan; lse.len()], vec![nan; qkv.len()]);
        let mut dbias_dot = vec![nan; self.case.n / layout.context * bias.len()];
        let (relations, both) = (self.relations(bias, &classes), (qkv, qkv_dot));
        joint_forward_tangent(layout, both, relations, starts, (&out, &lse), &mut out_dot, &mut lse_dot);
        let (outs, sums) = ((&out[..], &out_dot[..]), (&lse[..], &lse_dot[..]));
        let (douts, dbias) = ((dout, dout_dot), Some(&mut dbias_dot[..]));
        joint_backward_tangent(layout, both, relations, starts, outs, sums, douts, &mut dqkv_dot, dbias);
        [out_dot, lse_dot, dqkv_dot, summed(&dbias_dot, bias.len())]
    }
}

/// The sum of all sequences.
fn summed<E: Element>(parts: &[E], len: usize) -> Vec<E> {
    let mut sum = vec![E::ZERO; len];
    for part in parts.chunks_exact(len.max(1)) {
        sum.iter_mut().zip(part).for_each(|(sum, &x)| *sum += x);
    }
    sum
}

fn cases() -> Vec<Joint> {
    let mut cases = Vec::new();
    let shapes: [(usize, usize, usize, usize); 6] =
        [(4, 4, 4, 36), (3, 1, 8, 17), (4, 2, 6, 64), (2, 2, 5, 133), (1, 1, 2, 290), (2, 1, 16, 1)];
    for (i, (heads, kv_heads, width, context)) in shapes.into_iter().enumerate() {
        for (j, window) in [1, 5, context.div_ceil(2), context, usize::MAX].into_iter().enumerate() {
            let (n, layout) = (2 * context, Layout { heads, kv_heads, width, context, window });
            // none; padding before the first position, from which some rows see nothing; documents
            let starts = [
                None,
                Some((0..n).map(|row| if row < context { 0 } else { context as u32 / 3 }).collect()),
                Some((0..n).map(|row| (row % context / 7 * 7) as u32).collect()),
            ];
            let relations = [None, Some((8, false)), Some((5, true))];
            let (starts, relations) = (starts[(i + j) % 3].clone(), relations[(i + 2 * j) % 3]);
            cases.push(Joint { case: Case { layout, n, starts }, relations });
        }
    }
    cases
}

#[test]
fn forward_matches_the_definition() {
    for joint in cases() {
        let (qkv, bias) = (values(joint.case.n * joint.case.layout.columns(), 1), joint.biases());
        let (out, lse) = joint.naive(&qkv, &bias);
        let got = joint.forward::<f64>(&qkv, &bias);
        close(&got.0, &out, 64.0);
        close(&got.1, &lse, 64.0);
        let got = joint.forward::<f32>(&cast(&qkv), &cast(&bias));
        close(&got.0, &out, 64.0);
        close(&got.1, &lse, 64.0);
    }
}

#[test]
fn gradients_match_differences() {
    for joint in cases() {
        let (qkv, bias) = (values(joint.case.n * joint.case.layout.columns(), 1), joint.biases());
        let (dirs, dirs_b) = (values(qkv.len(), 3), values(bias.len(), 4));
        let dout = values(joint.case.n * joint.case.layout.heads * joint.case.layout.width, 5);
        let (dqkv, dbias) = joint.backward::<f64>(&qkv, &bias, &dout);
        let loss = |x: &[f64], b: &[f64]| vec![inner(&joint.forward(x, b).0, &dout)];
        agree(&[inner(&dqkv, &dirs)], &difference(&qkv, &dirs, |x| loss(x, &bias)));
        // One-row directions catch errors which cancel in the sum.
        let columns = joint.case.layout.columns();
        for row in [0, joint.case.n / 2, joint.case.n - 1] {
            let (mut dir, at) = (vec![0.0; qkv.len()], row * columns..(row + 1) * columns);
            dir[at.clone()].copy_from_slice(&dirs[at]);
            agree(&[inner(&dqkv, &dir)], &difference(&qkv, &dir, |x| loss(x, &bias)));
        }
        agree(&[inner(&dbias, &dirs_b)], &difference(&bias, &dirs_b, |b| loss(&qkv, b)));
        let got = joint.backward::<f32>(&cast(&qkv), &cast(&bias), &cast(&dout));
        close(&got.0, &dqkv, 200.0);
        close(&got.1, &dbias, 1000.0);
    }
}

#[test]
fn tangents_match_differences() {
    for joint in cases() {
        let (qkv, bias) = (values(joint.case.n * joint.case.layout.columns(), 1), joint.biases());
        let qkv_dot = values(qkv.len(), 2);
        let dout = values(joint.case.n * joint.case.layout.heads * joint.case.layout.width, 4);
        let dout_dot = values(dout.len(), 5);
        let got = joint.tangents::<f64>([&qkv, &qkv_dot], &bias, [&dout, &dout_dot]);
        let at = qkv.len();
        let both = [qkv.clone(), dout.clone()].concat();
        let both_dot = [&qkv_dot[..], &dout_dot[..]].concat();
        let by = |f: super::Joint<'_>| difference(&both, &both_dot, |x| f(&x[..at], &x[at..]));
        agree(&got[0], &by(&|x, _| joint.forward(x, &bias).0));
        agree(&got[1], &by(&|x, _| joint.forward(x, &bias).1));
        agree(&got[2], &by(&|x, d| joint.backward(x, &bias, d).0));
        agree(&got[3], &by(&|x, d| joint.backward(x, &bias, d).1));
        let (x, t, b) = (cast::<f32>(&qkv), cast::<f32>(&qkv_dot), cast::<f32>(&bias));
        let narrow = joint.tangents([&x, &t], &b, [&cast(&dout), &cast(&dout_dot)]);
        for (narrow, wide) in narrow.iter().zip(&got) {
            close(narrow, wide, 1000.0);
        }
    }
}

#[test]
fn results_do_not_depend_on_the_pool() {
    for relations in [(8, false), (5, true)] {
        let layout = Layout { heads: 4, kv_heads: 2, width: 8, context: 40, window: 30 };
        let case = Case { layout, n: 280, starts: None };
        let joint = Joint { case, relations: Some(relations) };
        let (qkv, bias) = (cast::<f32>(&values(280 * layout.columns(), 1)), cast::<f32>(&joint.biases()));
        let dout = cast::<f32>(&values(280 * 32, 3));
        same_on_pools(|| (joint.backward(&qkv, &bias, &dout), joint.tangents([&qkv, &qkv], &bias, [&dout, &dout])));
    }
}

/// A sequence has the same bits whatever stands beside it.
#[test]
fn sequences_do_not_reach_each_other() {
    let layout = Layout { heads: 2, kv_heads: 1, width: 8, context: 36, window: 36 };
    let of = |n| Joint { case: Case { layout, n, starts: None }, relations: Some((8, false)) };
    let (one, many) = (of(36), of(36 * 5));
    let (bias, columns) = (cast::<f32>(&one.biases()), layout.columns());
    let (qkv, dout) = (cast::<f32>(&values(36 * 5 * columns, 1)), cast::<f32>(&values(36 * 5 * 16, 2)));
    let whole = (many.forward(&qkv, &bias), many.backward(&qkv, &bias, &dout));
    for (x, (d, (out, dqkv))) in qkv
        .chunks_exact(36 * columns)
        .zip(dout.chunks_exact(36 * 16).zip(whole.0.0.chunks_exact(36 * 16).zip(whole.1.0.chunks_exact(36 * columns))))
    {
        assert!(one.forward(x, &bias).0 == out && one.backward(x, &bias, d).0 == dqkv);
    }
}
