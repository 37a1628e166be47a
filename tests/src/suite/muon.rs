//! The directions of Muon.

use ebt_core::compute::Backend;
use ebt_core::muon;
use ebt_core::parameters::Part;
use proptest::prelude::*;

use crate::compare::ensure;
use crate::factory::Reference64;
use crate::{Draw, Factory, Mat, close, for_all};

fn direction<B: Backend>(b: &B, [first, gradient, factor]: [&Mat; 3], parts: &[Part]) -> Mat {
    let [first, gradient, factor] = [first, gradient, factor].map(|m| m.upload(b));
    Mat::download(b, &muon::direction(b, (&first, &gradient), &factor, 0.875, parts))
}

/// Directions of stacked matrices equal the reference's, have the size of an orthogonal matrix, and depend on no other part.
pub fn directions_equal_the_reference<F: Factory>() {
    F::with(|b| {
        Reference64::with(|reference| {
            for_all(
                24,
                (1..=40usize, prop::collection::vec(1..=40usize, 1..4), any::<u64>()),
                |(columns, rows, seed)| {
                    let draw = Draw::new(seed);
                    let start = |i: usize| rows[..i].iter().sum::<usize>();
                    let part = |(i, &rows): (usize, &usize)| Part {
                        name: String::new(),
                        start: start(i),
                        rows,
                        shape: vec![rows, columns],
                        transposed: false,
                    };
                    let parts: Vec<Part> = rows.iter().enumerate().map(part).collect();
                    let all = start(rows.len());
                    let (first, mut gradient) = (draw.matrix(all, columns), draw.matrix(all, columns));
                    let factor = Mat::new(1, 1, vec![0.5]);
                    let got = direction(b, [&first, &gradient, &factor], &parts);
                    let want = direction(reference, [&first, &gradient, &factor], &parts);
                    // small singular values grow by up to 3.4 a round, and their errors with them
                    close("a direction", &got, &want, 300.0 * F::TOLERANCE.value)?;
                    for part in &parts {
                        let of = &want.data[part.start * columns..(part.start + part.rows) * columns];
                        let squares = of.iter().map(|x| x * x).sum::<f64>() / (0.04 * part.rows.max(columns) as f64);
                        let rank = part.rows.min(columns) as f64;
                        ensure(squares < 1.5 * rank, || format!("{squares} is too large for rank {rank}"))?;
                        // random matrices that are far from square have no small singular values
                        let round = part.rows.max(columns) < 2 * part.rows.min(columns);
                        ensure(round || squares > 0.4 * rank, || format!("{squares} is too small for rank {rank}"))?;
                    }
                    gradient.data[(all - 1) * columns..].iter_mut().for_each(|x| *x += 1.0);
                    let other = direction(b, [&first, &gradient, &factor], &parts);
                    let alone = start(rows.len() - 1) * columns;
                    ensure(other.data[..alone] == got.data[..alone], || "another part changed".into())
                },
            );
        });
    });
}
