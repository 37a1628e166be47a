use super::super::elementwise::{Operand, axpy, fill, lerp, map, map_in_place, scale, zip, zip_in_place};
use super::super::math::Real;
use super::super::optim::adamw;
use super::super::{gate, reduce, rotary};
use super::*;
use ebt_core::compute::{AdamW, AdamWStep};

const SHAPES: [(usize, usize); 5] = [(1, 1), (3, 37), (130, 65), (70, 513), (1000, 33)];

fn elementwise<E: Element>() {
    for (n, m) in SHAPES {
        let (x, y) = (values(n * m, 1), values(n * m, 2));
        let (xe, ye) = (cast::<E>(&x), cast::<E>(&y));
        let mut out = vec![E::ZERO; n * m];
        map(&xe, &mut out, |x: E| x.exp());
        close(&out, &x.iter().map(|x| x.exp()).collect::<Vec<_>>(), 4.0);
        let mut z = xe.clone();
        map_in_place(&mut z, |x: E| x.sigmoid());
        close(&z, &x.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect::<Vec<_>>(), 4.0);
        let pick = |kind: usize, i: usize, j: usize| match kind {
            0 => x[i * m + j],
            1 => x[j],
            2 => x[i],
            _ => 0.75,
        };
        let operand = |kind: usize| match kind {
            0 => Operand::Full(&xe[..]),
            1 => Operand::Row(&xe[..m]),
            2 => Operand::Column(&xe[..n]),
            _ => Operand::Scalar(E::from_f64(0.75)),
        };
        for a in 0..4 {
            let mut z = ye.clone();
            zip_in_place(m, &mut z, operand(a), |y: E, x: E| y - x);
            let want: Vec<_> = (0..n * m).map(|e| y[e] - pick(a, e / m, e % m)).collect();
            close(&z, &want, 4.0);
            for b in 0..4 {
                zip(m, operand(a), operand(b), &mut out, |x: E, y: E| x * y + x);
                let want: Vec<_> = (0..n * m)
                    .map(|e| {
                        let (p, q) = (pick(a, e / m, e % m), pick(b, e / m, e % m));
                        p * q + p
                    })
                    .collect();
                close(&out, &want, 4.0);
            }
        }
        let mut z = ye.clone();
        axpy(E::from_f64(-0.5), &xe, &mut z);
        close(&z, &x.iter().zip(&y).map(|(x, y)| y - 0.5 * x).collect::<Vec<_>>(), 4.0);
        let mut z = ye.clone();
        lerp(E::from_f64(0.25), &xe, &mut z);
        scale(E::from_f64(2.0), &mut z);
        close(&z, &x.iter().zip(&y).map(|(x, y)| 1.5 * y + 0.5 * x).collect::<Vec<_>>(), 8.0);
        fill(&mut z, E::ONE);
        assert!(z.iter().all(|&z| z == E::ONE));
    }
}

fn reductions<E: Element>() {
    for (n, m) in SHAPES {
        let (x, y) = (values(n * m, 3), values(n * m, 4));
        let (xe, ye) = (cast::<E>(&x), cast::<E>(&y));
        let mut column = vec![E::ZERO; n];
        reduce::sum_columns(m, &xe, &mut column);
        let rows: Vec<f64> = x.chunks(m).map(|r| r.iter().sum()).collect();
        close(&column, &rows, 64.0);
        reduce::max_columns(m, &xe, &mut column);
        let most: Vec<f64> = x.chunks(m).map(|r| r.iter().copied().fold(f64::MIN, f64::max)).collect();
        close(&column, &most, 1.0);
        let start = vec![E::from_f64(0.5); m];
        let (mut sums, mut dots) = (start.clone(), start);
        reduce::sum_rows(&xe, &mut sums);
        reduce::column_dot(&xe, &ye, &mut dots);
        let by = |f: &dyn Fn(usize) -> f64| -> Vec<f64> {
            (0..m).map(|j| 0.5 + (0..n).map(|i| f(i * m + j)).sum::<f64>()).collect()
        };
        close(&sums, &by(&|e| x[e]), 200.0);
        close(&dots, &by(&|e| x[e] * y[e]), 200.0);
        close(&[E::from_f64(reduce::sum(&xe))], &[x.iter().sum()], 300.0);
        close(&[E::from_f64(reduce::sum_squares(&xe))], &[inner(&x, &x)], 300.0);
        close(&[E::from_f64(reduce::dot(&xe, &ye))], &[inner(&x, &y)], 300.0);
        same_on_pools(|| {
            let mut sums = vec![E::ZERO; m];
            reduce::column_dot(&xe, &ye, &mut sums);
            (sums, reduce::sum(&xe))
        });
    }
}

fn rotation<E: Element>() {
    for (heads, width, context, offset) in [(3, 8, 5, 0), (2, 6, 7, 1), (1, 2, 3, 1), (4, 64, 40, 1)] {
        let (n, total) = (2 * context, heads * width + 5);
        let (cos, sin) = rotary::tables::<E>(context + 1, width, 1e4);
        let x = values(n * total, 5);
        let mut y = cast::<E>(&x);
        let layout = rotary::Layout { total, heads, width, context, offset };
        rotary::rotate(&mut y, layout, &cos, &sin, false);
        let mut want = x.clone();
        for i in 0..n {
            for h in 0..heads {
                for p in 0..width / 2 {
                    let angle = (i % context + offset) as f64 * 1e4f64.powf(-2.0 * p as f64 / width as f64);
                    let (s, c) = angle.sin_cos();
                    let at = i * total + h * width + 2 * p;
                    (want[at], want[at + 1]) = (c * x[at] - s * x[at + 1], s * x[at] + c * x[at + 1]);
                }
            }
        }
        close(&y, &want, 8.0);
        rotary::rotate(&mut y, layout, &cos, &sin, true);
        close(&y, &x, 8.0);
    }
}

fn step<E: Element>() {
    let len = 20_001;
    let (beta1, beta2, eps) = (0.9, 0.95, 1e-8);
    let s = AdamWStep {
        constants: AdamW { beta1, beta2, eps },
        rate: 1e-2,
        decay: 0.1,
        correction1: 1.0 - 0.9f64.powi(3),
        correction2: 1.0 - 0.95f64.powi(3),
        factor: 0.5,
    };
    let (mut p, mut m, g) = (values(len, 6), values(len, 7), values(len, 8));
    let mut v: Vec<f64> = values(len, 9).iter().map(|v| v * v + 0.01).collect();
    let (mut pe, mut me, mut ve) = (cast::<E>(&p), cast::<E>(&m), cast::<E>(&v));
    adamw(&mut pe, &mut me, &mut ve, &cast::<E>(&g), s);
    for i in 0..len {
        let g = g[i] * s.factor;
        m[i] = beta1 * m[i] + (1.0 - beta1) * g;
        v[i] = beta2 * v[i] + (1.0 - beta2) * g * g;
        let root = (v[i] / s.correction2).sqrt() + eps;
        p[i] -= s.rate * (m[i] / s.correction1 / root + s.decay * p[i]);
    }
    close(&pe, &p, 8.0);
    close(&me, &m, 8.0);
    close(&ve, &v, 8.0);
}

#[test]
fn elementwise_and_broadcast() {
    elementwise::<f32>();
    elementwise::<f64>();
}

#[test]
fn reductions_in_fixed_order() {
    reductions::<f32>();
    reductions::<f64>();
}

#[test]
fn rotary_turns_and_returns() {
    rotation::<f32>();
    rotation::<f64>();
}

#[test]
fn adamw_step() {
    step::<f32>();
    step::<f64>();
}

#[test]
fn operators_of_reals() {
    assert_eq!(Real::larger(f64::NAN, 1.0), 1.0);
    assert_eq!(<f32 as Real>::from_u32(u32::MAX), 4_294_967_296.0);
}

fn gated<E: Element>() {
    for (n, m) in SHAPES {
        let (h, a, y) = (values(n * m, 1), values(m, 2), values(n * m, 3));
        let (he, ae, ye) = (cast::<E>(&h), cast::<E>(&a), cast::<E>(&y));
        let (mut out, mut dy) = (he.clone(), he.clone());
        gate::residual(&he, &ae, &ye, &mut out);
        close(&out, &(0..n * m).map(|e| h[e] + a[e % m] * y[e]).collect::<Vec<_>>(), 4.0);
        gate::residual_in_place(&mut dy, &ae, &ye);
        assert_eq!(out, dy);
        gate::backward(&ae, &ye, &mut dy);
        close(&dy, &(0..n * m).map(|e| a[e % m] * y[e]).collect::<Vec<_>>(), 4.0);
    }
}

#[test]
fn gated_residual() {
    gated::<f32>();
    gated::<f64>();
}
