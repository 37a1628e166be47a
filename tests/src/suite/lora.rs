//! Adapters: products of small matrices that are added to frozen ones.

use ebt_core::compute::{Backend, Compute};
use ebt_core::lora::{Adapted, Lora};
use ebt_core::objective::Objective;
use ebt_core::parameters::Role;
use ebt_core::training::{StepSettings, Trainer};
use proptest::prelude::*;

use crate::compare::{close_number, ensure};
use crate::model::{self, Kind};
use crate::{Draw, Factory, Mat, close, for_all};

const RANK: usize = 2;
const ALPHA: f64 = 3.0;

/// Half of the matrices of a model, of stacked ones each for itself.
fn some<B: Backend>(trainer: &Trainer<B>, seed: u64) -> Vec<Adapted> {
    let matrices = trainer.layout.entries.iter().enumerate().filter(|(_, entry)| entry.role == Role::Matrix);
    let parts = matrices.flat_map(|(id, entry)| entry.parts.iter().map(move |part| (id, part)));
    let all = parts.map(|(id, part)| Adapted { id, start: part.start, rows: part.rows }).enumerate();
    all.filter(|(i, _)| *i == 0 || seed >> (i % 64) & 1 == 1).map(|(_, at)| at).collect()
}

fn down<B: Backend>(b: &B, list: &[B::Array]) -> Vec<Mat> {
    list.iter().map(|x| Mat::download(b, x)).collect()
}

/// The rows of a parameter that `at` names.
fn part(whole: &Mat, at: &Adapted) -> Mat {
    let from = at.start * whole.columns;
    Mat::new(at.rows, whole.columns, whole.data[from..from + at.rows * whole.columns].to_vec())
}

/// `s B A`, with `B` transposed.
fn product(a: &Mat, transposed: &Mat) -> Mat {
    let cell = |i: usize, j: usize| (0..RANK).map(|k| transposed.row(k)[i] * a.row(k)[j]).sum::<f64>();
    let cells = (0..transposed.columns).flat_map(|i| (0..a.columns).map(move |j| (i, j)));
    Mat::new(transposed.columns, a.columns, cells.map(|(i, j)| ALPHA / RANK as f64 * cell(i, j)).collect())
}

/// Gradients of adapters are the derivatives of `<dW, s B A>`, the weights are `W_0 + s B A`, and nothing else moves.
pub fn adapters_follow_the_chain_rule<F: Factory>() {
    F::with(|b| {
        for_all(8, (model::sizes(), any::<u64>()), |(sizes, seed)| {
            let draw = Draw::new(seed);
            let config = model::config(&draw, sizes, Kind::Experts);
            let weights = model::weights(&draw, &config);
            let mut trainer = model::trainer(b, &config, &Objective::default(), &weights);
            let of = some(&trainer, seed);
            let mut lora = Lora::new(b, &trainer.layout, &trainer.weights, of.clone(), (RANK, ALPHA), seed);

            // the definition, in double precision: both factors stand in one sum, so its derivatives are sums of the other
            let gradients: Vec<Mat> = trainer.layout.entries.iter().map(|e| draw.matrix(e.rows, e.columns)).collect();
            for own in &mut lora.weights {
                let (rows, columns) = b.shape(own);
                *own = draw.matrix(rows, columns).upload(b);
            }
            lora.differentiate(b, &gradients.iter().map(|g| g.upload(b)).collect::<Vec<_>>());
            let (own, found) = (down(b, &lora.weights), down(b, lora.gradients()));
            for (i, at) in of.iter().enumerate() {
                let (a, transposed, dw) = (&own[2 * i], &own[2 * i + 1], part(&gradients[at.id], at));
                let value = |a: &Mat, transposed: &Mat| {
                    let product = product(a, transposed);
                    product.data.iter().zip(&dw.data).map(|(x, g)| x * g).sum::<f64>()
                };
                // the value is linear in either factor, so a difference of any size is its derivative
                let change = |m: &Mat| draw.matrix(m.rows, m.columns);
                for (k, of_a) in [(2 * i, true), (2 * i + 1, false)] {
                    let by = change(&own[k]);
                    let moved = own[k].plus(1.0, &by);
                    let after = if of_a { value(&moved, transposed) } else { value(a, &moved) };
                    let slope: f64 = found[k].data.iter().zip(&by.data).map(|(g, x)| g * x).sum();
                    let size = 1.0 + dw.data.len() as f64;
                    close_number(
                        "a slope",
                        slope / size,
                        (after - value(a, transposed)) / size,
                        10.0 * F::TOLERANCE.value,
                    )?;
                }
            }

            // a run of them
            let lora = Lora::new(b, &trainer.layout, &trainer.weights, of.clone(), (RANK, ALPHA), seed);
            trainer.frozen = (0..weights.len()).collect();
            trainer.lora = Some(lora);
            let before = down(b, &trainer.weights);
            let sequences = model::sequences(&draw, sizes);
            for step in 0..3 {
                let settings = StepSettings { step, rate: 1e-2, ..model::settings(seed) };
                let report = trainer.step(b, &sequences, &settings).map_err(|e| e.to_string())?;
                let Some(lora) = &trainer.lora else { return Err("the adapters are gone".into()) };
                let squares: f64 = down(b, lora.gradients()).iter().flat_map(|g| &g.data).map(|x| x * x).sum();
                // they are left as large as the loss was scaled
                let scale = report.loss_scale.map_or(1.0, |scale| scale.outer.factor);
                close_number("norm of adapters", report.gradient_norm, squares.sqrt() / scale, F::TOLERANCE.model)?;
            }
            let Some(lora) = &trainer.lora else { return Err("the adapters are gone".into()) };
            let (after, own) = (down(b, &trainer.weights), down(b, &lora.weights));
            let (mut wanted, mut moved) = (before.clone(), false);
            for (at, own) in of.iter().zip(own.chunks_exact(2)) {
                let product = product(&own[0], &own[1]);
                let from = at.start * product.columns;
                wanted[at.id].data[from..].iter_mut().zip(&product.data).for_each(|(w, x)| *w += x);
                moved |= product.data.iter().any(|&x| x != 0.0);
            }
            ensure(moved, || "no adapter moved".into())?;
            for (id, (before, (after, wanted))) in before.iter().zip(after.iter().zip(&wanted)).enumerate() {
                let adapted = of.iter().any(|at| at.id == id);
                ensure(adapted || after.data == before.data, || format!("parameter {id} changed"))?;
                close("a weight put together", after, wanted, 3.0 * F::TOLERANCE.value)?;
            }
            Ok(())
        });
    });
}
