use super::super::{norm, softmax, swiglu};
use super::*;

fn softmax_rows(m: usize, y: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let mut p = vec![0.0; y.len()];
    let mut lse = vec![0.0; y.len() / m];
    for (i, y) in y.chunks(m).enumerate() {
        let top = y.iter().copied().fold(f64::MIN, f64::max);
        let sum: f64 = y.iter().map(|y| (y - top).exp()).sum();
        lse[i] = top + sum.ln();
        for (j, y) in y.iter().enumerate() {
            p[i * m + j] = (y - lse[i]).exp();
        }
    }
    (p, lse)
}

fn softmaxes<E: Element>() {
    for (n, m) in [(1, 1), (5, 7), (40, 1000), (300, 129)] {
        let y: Vec<f64> = values(n * m, 1).iter().map(|y| 9.0 * y).collect();
        let ye = cast::<E>(&y);
        let (mut p, mut lse) = (vec![E::ZERO; n * m], vec![E::ZERO; n]);
        softmax::softmax(m, &ye, &mut p, &mut lse);
        let (want, want_lse) = softmax_rows(m, &y);
        close(&p, &want, 16.0);
        close(&lse, &want_lse, 16.0);
        let mut q = ye.clone();
        softmax::softmax_in_place(m, &mut q, &mut lse);
        assert_eq!(p, q);
        let dp = values(n * m, 2);
        let mut dy = vec![E::ZERO; n * m];
        softmax::softmax_backward(m, &p, &cast::<E>(&dp), &mut dy);
        let want_dy: Vec<f64> = (0..n * m)
            .map(|e| {
                let i = e / m * m..(e / m + 1) * m;
                want[e] * (dp[e] - inner(&want[i.clone()], &dp[i]))
            })
            .collect();
        close(&dy, &want_dy, 32.0);
        let targets: Vec<u32> =
            (0..n).map(|i| if i % 4 == 3 { softmax::PADDING } else { (i * 31 % m) as u32 }).collect();
        let weight: Vec<f64> = values(n, 3).iter().map(|w| w + 1.5).collect();
        let mut loss = vec![E::ZERO; n];
        softmax::cross_entropy(m, &ye, &targets, &cast::<E>(&weight), &mut loss, &mut dy);
        let (mut want_loss, mut want_v) = (vec![0.0; n], vec![0.0; n * m]);
        for i in (0..n).filter(|i| i % 4 != 3) {
            want_loss[i] = want_lse[i] - y[i * m + targets[i] as usize];
            for j in 0..m {
                let target = f64::from(u8::from(targets[i] as usize == j));
                want_v[i * m + j] = weight[i] * (want[i * m + j] - target);
            }
        }
        close(&loss, &want_loss, 64.0);
        close(&dy, &want_v, 32.0);
    }
}

#[test]
fn softmax_and_cross_entropy() {
    softmaxes::<f32>();
    softmaxes::<f64>();
}

fn act<E: Element>(f: usize, u: &[f64]) -> Vec<E> {
    let mut act = vec![E::ZERO; u.len() / 2];
    swiglu::forward(f, &cast::<E>(u), &mut act);
    act
}

fn gated<E: Element>() {
    for (n, f) in [(1, 1), (6, 17), (90, 200)] {
        let wide = 2 * n * f;
        let scaled = |seed| values(wide, seed).iter().map(|x| 5.0 * x).collect::<Vec<_>>();
        let (u, u_dot) = (scaled(1), values(wide, 2));
        let (d, d_dot) = (values(n * f, 3), values(n * f, 4));
        let want: Vec<f64> = (0..n * f)
            .map(|e| {
                let (x, z) = (u[e / f * 2 * f + e % f], u[e / f * 2 * f + f + e % f]);
                x / (1.0 + (-x).exp()) * z
            })
            .collect();
        close(&act::<E>(f, &u), &want, 8.0);
        // The gradient's inner product with a direction is the tangent's with d.
        let back = |u: &[f64], d: &[f64]| {
            let mut du = vec![E::ZERO; wide];
            swiglu::backward(f, &cast::<E>(u), &cast::<E>(d), &mut du);
            du.iter().map(|x| x.to_f64()).collect::<Vec<_>>()
        };
        let mut act_dot = vec![E::ZERO; n * f];
        let (ue, te) = (cast::<E>(&u), cast::<E>(&u_dot));
        swiglu::forward_tangent(f, &ue, &te, &mut act_dot);
        let exact = difference(&u, &u_dot, |u| act::<f64>(f, u));
        let mut du_dot = vec![E::ZERO; wide];
        swiglu::backward_tangent(f, &ue, &te, &cast::<E>(&d), &cast::<E>(&d_dot), &mut du_dot);
        if size_of::<E>() == 4 {
            let mut wider = vec![0.0; n * f];
            swiglu::forward_tangent(f, &u, &u_dot, &mut wider);
            close(&act_dot, &wider, 32.0);
            let mut wider = vec![0.0; wide];
            swiglu::backward(f, &u, &d, &mut wider);
            close(&cast::<E>(&back(&u, &d)), &wider, 32.0);
            swiglu::backward_tangent(f, &u, &u_dot, &d, &d_dot, &mut wider);
            close(&du_dot, &wider, 32.0);
        } else {
            let dots: Vec<f64> = act_dot.iter().map(|x| x.to_f64()).collect();
            agree(&dots, &exact);
            assert!((inner(&back(&u, &d), &u_dot) - inner(&d, &dots)).abs() < 1e-9);
            let joint = [u.clone(), d.clone()].concat();
            let joint_dot = [u_dot, d_dot].concat();
            let exact = difference(&joint, &joint_dot, |x| back(&x[..wide], &x[wide..]));
            agree(&du_dot.iter().map(|x| x.to_f64()).collect::<Vec<_>>(), &exact);
        }
    }
}

#[test]
fn swiglu_gradient_and_tangents() {
    gated::<f32>();
    gated::<f64>();
}

struct Norm {
    m: usize,
    w: Vec<f64>,
    b: Vec<f64>,
}

impl Norm {
    fn forward<E: Element>(&self, x: &[f64], shift: bool) -> (Vec<E>, Vec<E>) {
        let b = cast::<E>(&self.b);
        let (mut y, mut r) = (vec![E::ZERO; x.len()], vec![E::ZERO; x.len() / self.m]);
        let b = shift.then_some(&b[..]);
        norm::forward(&cast::<E>(x), &cast::<E>(&self.w), b, E::from_f64(1e-5), &mut y, &mut r);
        (y, r)
    }

    fn backward<E: Element>(&self, x: &[f64], dy: &[f64]) -> (Vec<E>, Vec<E>) {
        let r = self.forward::<E>(x, false).1;
        let (xe, dye) = (cast::<E>(x), cast::<E>(dy));
        let (mut dx, mut dw) = (vec![E::ZERO; x.len()], vec![E::ZERO; self.m]);
        norm::backward(&xe, &cast::<E>(&self.w), &r, &dye, &mut dx);
        norm::gain_gradient(&xe, &r, &dye, &mut dw);
        (dx, dw)
    }

    /// `(y_dot, r_dot, dx_dot, dw_dot)`.
    fn tangents<E: Element>(&self, x: [&[f64]; 2], dy: [&[f64]; 2]) -> [Vec<E>; 4] {
        let [x, t] = x.map(cast::<E>);
        let [d, dt] = dy.map(cast::<E>);
        let w = cast::<E>(&self.w);
        let n = x.len() / self.m;
        let (mut y, mut r) = (vec![E::ZERO; x.len()], vec![E::ZERO; n]);
        norm::forward(&x, &w, None, E::from_f64(1e-5), &mut y, &mut r);
        let mut out = [y.clone(), r.clone(), y, vec![E::ZERO; self.m]];
        let [y_dot, r_dot, dx_dot, dw_dot] = &mut out;
        norm::forward_tangent(&x, &t, &w, &r, y_dot, r_dot);
        norm::backward_tangent(&x, &t, &w, &r, r_dot, &d, &dt, dx_dot);
        norm::gain_gradient_tangent(&x, &t, &r, r_dot, &d, &dt, dw_dot);
        out
    }
}

#[test]
fn norm_gradient_and_tangents() {
    for (n, m) in [(1, 3), (5, 40), (200, 100)] {
        let kernel = Norm { m, w: values(m, 1), b: values(m, 2) };
        let (x, t) = (values(n * m, 3), values(n * m, 4));
        let (d, dt) = (values(n * m, 5), values(n * m, 6));
        for shift in [false, true] {
            let want: Vec<f64> = (0..n * m)
                .map(|e| {
                    let row = &x[e / m * m..(e / m + 1) * m];
                    let r = 1.0 / (inner(row, row) / m as f64 + 1e-5).sqrt();
                    r * x[e] * kernel.w[e % m] + if shift { kernel.b[e % m] } else { 0.0 }
                })
                .collect();
            close(&kernel.forward::<f64>(&x, shift).0, &want, 16.0);
            close(&kernel.forward::<f32>(&x, shift).0, &want, 16.0);
        }
        let [y_dot, r_dot, dx_dot, dw_dot] = kernel.tangents::<f64>([&x, &t], [&d, &dt]);
        agree(&y_dot, &difference(&x, &t, |x| kernel.forward::<f64>(x, true).0));
        agree(&r_dot, &difference(&x, &t, |x| kernel.forward::<f64>(x, true).1));
        let (dx, dw) = kernel.backward::<f64>(&x, &d);
        assert!((inner(&dx, &t) - inner(&d, &y_dot)).abs() < 1e-9);
        // The gain enters linearly: <dw, w> = <d, y> without the shift.
        let y = kernel.forward::<f64>(&x, false).0;
        assert!((inner(&dw, &kernel.w) - inner(&d, &y)).abs() < 1e-9);
        let joint = [x.clone(), d.clone()].concat();
        let joint_dot = [t.clone(), dt.clone()].concat();
        let at = n * m;
        let back = |v: &[f64]| kernel.backward::<f64>(&v[..at], &v[at..]);
        agree(&dx_dot, &difference(&joint, &joint_dot, |v| back(v).0));
        agree(&dw_dot, &difference(&joint, &joint_dot, |v| back(v).1));
        let (dx32, dw32) = kernel.backward::<f32>(&x, &d);
        close(&dx32, &dx, 64.0);
        close(&dw32, &dw, 64.0);
        let all = kernel.tangents::<f32>([&x, &t], [&d, &dt]);
        for (got, want) in all.iter().zip([&y_dot, &r_dot, &dx_dot, &dw_dot]) {
            close(got, want, 200.0);
        }
    }
}
