//! A handle is a value: whoever writes in place must not be seen through another handle or a view.

use std::slice::{from_mut, from_ref};

use ebt_core::compute::{AdamW, Backend, Compute, ParamGroup, Parameters, Rule};
use proptest::prelude::*;

use crate::case::HostRoute;
use crate::{Draw, Factory, Mat, for_all, same_bits};

/// A clone, a view of some rows and a reshaped view keep their values while the first handle is written.
pub fn writing_through_one_handle_leaves_the_others<F: Factory>() {
    F::with(|b| {
        for_all(32, (2..=9usize, 1..=9usize, any::<u64>()), |(rows, columns, seed)| {
            let draw = Draw::new(seed);
            let before = draw.matrix(rows, columns);
            let other = draw.matrix(rows, columns);
            let x = other.upload(b);
            for writer in 0..WRITERS {
                let mut a = before.upload(b);
                let held = (a.clone(), b.slice_rows(&a, 1, rows - 1), b.reshape(&a, columns, rows));
                write(b, writer, &mut a, &x);
                let below = Mat::new(rows - 1, columns, before.data[columns..].to_vec());
                let turned = Mat::new(columns, rows, before.data.clone());
                let named = |what: &str| format!("{what}, writer {writer}");
                same_bits(&named("a clone"), &Mat::download(b, &held.0), &before)?;
                same_bits(&named("a view"), &Mat::download(b, &held.1), &below)?;
                same_bits(&named("a reshaped view"), &Mat::download(b, &held.2), &turned)?;
                // and the other way round: writing a view leaves the whole
                let whole = before.upload(b);
                let mut view = b.slice_rows(&whole, 0, rows);
                write(b, writer, &mut view, &x);
                same_bits(&named("the whole"), &Mat::download(b, &whole), &before)?;
            }
            same_bits("an operand", &Mat::download(b, &x), &other)
        });
    });
}

const WRITERS: usize = 11;

/// A step of the optimiser on one parameter, whose first moment is another handle of the weight.
fn update<B: Backend>(b: &B, weight: &mut B::Array, average: &mut B::Array, gradient: &B::Array, rate: f64) {
    let (mut first, mut second) = (weight.clone(), b.mul(gradient, gradient));
    let parameters = Parameters {
        weights: from_mut(weight),
        first: from_mut(&mut first),
        second: from_mut(&mut second),
        average: from_mut(average),
        gradients: from_ref(gradient),
        param_groups: &[ParamGroup { rate, decay: 0.1, rule: Rule::AdamW }],
    };
    let constants = AdamW { beta1: 0.9, beta2: 0.9, eps: 1e-8 };
    b.update(parameters, constants, &b.upload(1, 5, &[0.1, 0.1, 0.1, 1.0, 0.5]));
}

/// In-place operation number `writer` on `a`; `x` is an operand of the same shape.
fn write<B: Backend>(b: &B, writer: usize, a: &mut B::Array, x: &B::Array) {
    let (rows, columns) = b.shape(a);
    let one = b.fill(1, 1, 1.0);
    let ones = b.fill(rows, 1, 1.0);
    match writer {
        0 => b.accumulate(a, x),
        1 => b.accumulate_product(a, 0, &b.fill(3, rows, 1.0), &b.fill(3, columns, 1.0)),
        2 => {
            let route = HostRoute::sorted(vec![(0, 0)], 1).upload(b);
            b.accumulate_grouped(a, &b.fill(1, rows, 1.0), &b.fill(1, columns, 1.0), &route);
        }
        3 => {
            let mut row = b.slice_rows(a, 0, 1);
            b.accumulate_dot(&mut row, x, x);
        }
        4 => b.accumulate_scatter(a, &b.index(&vec![0; rows]), x),
        5 => {
            let (mut dw, mut db) = (b.slice_rows(a, 0, 1), b.slice_rows(a, 1, 1));
            b.accumulate_norm(&mut dw, Some(&mut db), x, &ones, x);
        }
        6 => *a = b.axpy(a.clone(), &one, x),
        7 => b.clear(a),
        8 => update(b, &mut x.clone(), a, x, 0.0),
        9 => update(b, a, &mut x.clone(), x, 1.0),
        _ => {
            let taken = std::mem::replace(a, one);
            *a = b.axpy(taken, &ones, x);
        }
    }
}
