use super::super::tests::{agree, cast, close, difference, inner, same_on_pools, values};
use super::*;

mod joint;

/// A result of a projection and of a gradient of the output.
type Joint<'a> = &'a dyn Fn(&[f64], &[f64]) -> Vec<f64>;

struct Case {
    layout: Layout,
    n: usize,
    starts: Option<Vec<u32>>,
}

/// Adds to `out` what a query attends to among keys with values and what is added to their scores; the log of the sum.
fn attend(query: &[f64], seen: &[(&[f64], &[f64], f64)], out: &mut [f64]) -> f64 {
    let scale = 1.0 / (query.len() as f64).sqrt();
    let s: Vec<f64> = seen.iter().map(|(k, _, added)| scale * inner(query, k) + added).collect();
    let top = s.iter().copied().fold(f64::MIN, f64::max);
    let sum: f64 = s.iter().map(|s| (s - top).exp()).sum();
    for (s, (_, v, _)) in s.iter().zip(seen) {
        for (o, v) in out.iter_mut().zip(*v) {
            *o += (s - top).exp() / sum * v;
        }
    }
    top + sum.ln()
}

impl Case {
    /// Visible observed positions of a row.
    fn visible(&self, row: usize, reach: usize) -> std::ops::Range<usize> {
        let t = row % self.layout.context;
        let start = self.starts.as_ref().map_or(0, |s| s[row] as usize);
        let first = row - t;
        first + (t + 1).saturating_sub(reach).max(start)..row + 1
    }

    /// Scalar attention: `out` and `lse`, over all pairs of the layout.
    fn naive(&self, qkv: &[f64], memory: Option<&[f64]>) -> (Vec<f64>, Vec<f64>) {
        let Layout { heads, kv_heads, width: d, window, .. } = self.layout;
        let columns = self.layout.columns();
        let head = |row: usize, i: usize| &qkv[row * columns + i * d..][..d];
        let (mut out, mut lse) = (vec![0.0; self.n * heads * d], vec![0.0; self.n * heads]);
        for row in 0..self.n {
            for h in 0..heads {
                let g = h / (heads / kv_heads);
                let mut seen: Vec<(&[f64], &[f64], f64)> = Vec::new();
                let own = (head(row, heads + g), head(row, heads + kv_heads + g), 0.0);
                if let Some(m) = memory {
                    let wide = 2 * kv_heads * d;
                    for j in self.visible(row, window - 1) {
                        if window > 1 {
                            let at = j * wide + g * d;
                            seen.push((&m[at..at + d], &m[at + kv_heads * d..][..d], 0.0));
                        }
                    }
                    seen.push(own);
                } else {
                    for j in self.visible(row, window) {
                        seen.push((head(j, heads + g), head(j, heads + kv_heads + g), 0.0));
                    }
                }
                lse[row * heads + h] = attend(head(row, h), &seen, &mut out[(row * heads + h) * d..][..d]);
            }
        }
        (out, lse)
    }

    fn forward<E: Element>(&self, qkv: &[E], memory: Option<&[E]>) -> (Vec<E>, Vec<E>) {
        let heads = self.layout.heads;
        let mut out = vec![E::from_f64(f64::NAN); self.n * heads * self.layout.width];
        let mut lse = vec![E::from_f64(f64::NAN); self.n * heads];
        let starts = self.starts.as_deref();
        match memory {
            Some(m) => predicted_forward(self.layout, qkv, m, starts, &mut out, &mut lse),
            None => causal_forward(self.layout, qkv, starts, &mut out, &mut lse),
        }
        (out, lse)
    }

    /// `dqkv` and `dmemory` (empty without a memory).
    fn backward<E: Element>(&self, qkv: &[E], memory: Option<&[E]>, dout: &[E]) -> (Vec<E>, Vec<E>) {
        let (out, lse) = self.forward(qkv, memory);
        let starts = self.starts.as_deref();
        let mut dqkv = vec![E::from_f64(f64::NAN); qkv.len()];
        let Some(m) = memory else {
            causal_backward(self.layout, qkv, starts, &out, &lse, dout, &mut dqkv);
            return (dqkv, Vec::new());
        };
        predicted_backward(self.layout, qkv, m, starts, &out, &lse, dout, &mut dqkv);
        let mut dm = vec![E::ONE; m.len()];
        memory_backward(self.layout, qkv, m, starts, &out, &lse, dout, &mut dm);
        (dqkv, dm.into_iter().map(|x| x - E::ONE).collect())
    }

    /// `out_dot`, `lse_dot`, `dqkv_dot` and `dmemory_dot`.
    fn tangents<E: Element>(
        &self,
        [qkv, qkv_dot]: [&[E]; 2],
        memory: &[E],
        dout: &[E],
        dout_dot: Option<&[E]>,
    ) -> [Vec<E>; 4] {
        let (out, lse) = self.forward(qkv, Some(memory));
        let starts = self.starts.as_deref();
        let mut all = [out.clone(), lse.clone(), qkv.to_vec(), vec![E::ONE; memory.len()]];
        let [out_dot, lse_dot, dqkv_dot, dm_dot] = &mut all;
        let layout = self.layout;
        predicted_forward_tangent(layout, qkv, qkv_dot, memory, starts, (&out, &lse), out_dot, lse_dot);
        let mut alone = dqkv_dot.clone();
        for (to, dm) in [(&mut alone, None), (dqkv_dot, Some(&mut dm_dot[..]))] {
            predicted_backward_tangent(
                layout,
                (qkv, qkv_dot),
                memory,
                starts,
                (&out, out_dot),
                (&lse, lse_dot),
                (dout, dout_dot),
                to,
                dm,
            );
        }
        assert!(alone == all[2]);
        all[3].iter_mut().for_each(|x| *x -= E::ONE);
        all
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (heads, kv_heads, width, context) in [(1, 1, 4, 5), (3, 1, 8, 70), (4, 2, 6, 64), (3, 3, 5, 131), (2, 1, 16, 1)]
    {
        for window in [1, 2, 5, context, context + 9] {
            for with_starts in [false, true] {
                let n = 2 * context;
                let starts =
                    with_starts.then(|| (0..n).map(|row| row % context).map(|t| (t / 7 * 7).min(t) as u32).collect());
                let layout = Layout { heads, kv_heads, width, context, window };
                cases.push(Case { layout, n, starts });
            }
        }
    }
    cases
}

#[test]
fn forward_matches_the_definition() {
    for case in cases() {
        let qkv = values(case.n * case.layout.columns(), 1);
        let memory = values(case.n * case.layout.memory_columns(), 2);
        for memory in [None, Some(&memory[..])] {
            let (out, lse) = case.naive(&qkv, memory);
            let got = case.forward::<f64>(&qkv, memory);
            close(&got.0, &out, 64.0);
            close(&got.1, &lse, 64.0);
            let memory = memory.map(cast::<f32>);
            let got = case.forward::<f32>(&cast(&qkv), memory.as_deref());
            close(&got.0, &out, 64.0);
            close(&got.1, &lse, 64.0);
        }
    }
}

#[test]
fn gradients_match_differences() {
    for case in cases() {
        let qkv = values(case.n * case.layout.columns(), 1);
        let memory = values(case.n * case.layout.memory_columns(), 2);
        let (dirs, dirs_m) = (values(qkv.len(), 3), values(memory.len(), 4));
        let dout = values(case.n * case.layout.heads * case.layout.width, 5);
        for with_memory in [false, true] {
            let m = with_memory.then_some(&memory[..]);
            let (dqkv, dm) = case.backward::<f64>(&qkv, m, &dout);
            let loss = |x: &[f64], m: Option<&[f64]>| vec![inner(&case.forward(x, m).0, &dout)];
            let slope = difference(&qkv, &dirs, |x| loss(x, m));
            agree(&[inner(&dqkv, &dirs)], &slope);
            // One-row directions catch errors which cancel in the sum.
            for row in [0, case.n / 2, case.n - 1] {
                let columns = case.layout.columns();
                let mut dir = vec![0.0; qkv.len()];
                let at = row * columns..(row + 1) * columns;
                dir[at.clone()].copy_from_slice(&dirs[at]);
                agree(&[inner(&dqkv, &dir)], &difference(&qkv, &dir, |x| loss(x, m)));
            }
            if with_memory {
                let slope = difference(&memory, &dirs_m, |m| loss(&qkv, Some(m)));
                agree(&[inner(&dm, &dirs_m)], &slope);
            }
            let m32 = m.map(cast::<f32>);
            let got = case.backward::<f32>(&cast(&qkv), m32.as_deref(), &cast(&dout));
            close(&got.0, &dqkv, 200.0);
            close(&got.1, &dm, 400.0);
        }
    }
}

#[test]
fn tangents_match_differences() {
    for case in cases() {
        let qkv = values(case.n * case.layout.columns(), 1);
        let qkv_dot = values(qkv.len(), 2);
        let memory = values(case.n * case.layout.memory_columns(), 3);
        let dout = values(case.n * case.layout.heads * case.layout.width, 4);
        let dout_dot = values(dout.len(), 5);
        let zero = vec![0.0; dout.len()];
        for along in [None, Some(&dout_dot[..])] {
            let got = case.tangents::<f64>([&qkv, &qkv_dot], &memory, &dout, along);
            let at = qkv.len();
            let joint = [qkv.clone(), dout.clone()].concat();
            let joint_dot = [&qkv_dot[..], along.unwrap_or(&zero)].concat();
            let by = |f: Joint<'_>| difference(&joint, &joint_dot, |x| f(&x[..at], &x[at..]));
            agree(&got[0], &by(&|x, _| case.forward(x, Some(&memory)).0));
            agree(&got[1], &by(&|x, _| case.forward(x, Some(&memory)).1));
            agree(&got[2], &by(&|x, d| case.backward(x, Some(&memory), d).0));
            agree(&got[3], &by(&|x, d| case.backward(x, Some(&memory), d).1));
            let (x, t) = (cast::<f32>(&qkv), cast::<f32>(&qkv_dot));
            let along = along.map(cast::<f32>);
            let narrow = case.tangents([&x, &t], &cast(&memory), &cast(&dout), along.as_deref());
            for (narrow, wide) in narrow.iter().zip(&got) {
                close(narrow, wide, 500.0);
            }
        }
    }
}

#[test]
fn results_do_not_depend_on_the_pool() {
    let layout = Layout { heads: 4, kv_heads: 2, width: 8, context: 100, window: 30 };
    let case = Case { layout, n: 200, starts: None };
    let qkv = cast::<f32>(&values(200 * layout.columns(), 1));
    let memory = cast::<f32>(&values(200 * layout.memory_columns(), 2));
    let dout = cast::<f32>(&values(200 * 32, 3));
    same_on_pools(|| {
        let causal = case.backward(&qkv, None, &dout);
        let candidate = case.backward(&qkv, Some(&memory), &dout);
        (causal, candidate, case.tangents([&qkv, &qkv], &memory, &dout, Some(&dout)))
    });
}
