//! Condition vectors and their gradients against their composition.

use ebt_core::compute::{Backend, Modulation};
use proptest::prelude::*;

use crate::compare::ensure;
use crate::factory::Reference64;
use crate::{Draw, Factory, Mat, close, for_all};

/// A map with parameters `W, bias, gain, gain`; the gradients of some parts may be absent.
struct Case {
    parameters: Vec<Mat>,
    slots: Vec<Mat>,
    gains: Vec<(usize, usize)>,
    c: Mat,
    dc: Mat,
    d: Vec<Option<Mat>>,
}

fn run<B: Backend>(b: &B, case: &Case) -> Vec<Mat> {
    let up = |list: &[Mat]| list.iter().map(|m| m.upload(b)).collect::<Vec<_>>();
    let (weights, mut grads) = (up(&case.parameters), up(&case.slots));
    let (c, mut dc) = (case.c.upload(b), case.dc.upload(b));
    let map = Modulation { weight: 0, bias: 1, gains: &case.gains };
    let at = b.modulation(&weights, map, &c);
    let d: Vec<_> = case.d.iter().map(|d| d.as_ref().map(|d| d.upload(b))).collect();
    let d: Vec<_> = d.iter().map(Option::as_ref).collect();
    // twice: gradients are added
    for _ in 0..2 {
        b.modulation_backward(&weights, map, (&c, &at), &d, &mut grads, &mut dc);
    }
    at.parts.iter().chain(&at.scaled).chain(&grads).chain([&dc]).map(|a| Mat::download(b, a)).collect()
}

/// Parts, scaled gains and all gradients equal their composition.
pub fn modulations_equal_their_definition<F: Factory>() {
    F::with(|b| {
        Reference64::with(|reference| {
            for_all(32, (1..=40usize, 1..=7usize, any::<u64>()), |(dim, parts, seed)| {
                let draw = Draw::new(seed);
                let scales = draw.below(3).min(parts);
                let first = draw.below(parts - scales.saturating_sub(1).min(parts - 1));
                let gains: Vec<(usize, usize)> = (0..scales).map(|i| ((first + i).min(parts - 1), 2 + i)).collect();
                let matrices = || {
                    let mut list = vec![draw.matrix(parts * dim, dim), draw.matrix(1, parts * dim)];
                    list.extend((0..scales).map(|_| draw.matrix(1, dim)));
                    list
                };
                let d = (0..parts).map(|_| (!draw.one_in(4)).then(|| draw.matrix(1, dim))).collect();
                let (parameters, slots) = (matrices(), matrices());
                let case = Case { parameters, slots, gains, c: draw.matrix(1, dim), dc: draw.matrix(1, dim), d };
                let (got, want) = (run(b, &case), run(reference, &case));
                ensure(got.len() == parts + 2 * scales + 3, || format!("{} results", got.len()))?;
                for (got, want) in got.iter().zip(&want) {
                    close("a modulation", got, want, 5.0 * F::TOLERANCE.value)?;
                }
                Ok(())
            });
        });
    });
}

/// Lists of zeros, fresh and cleared; what shares memory with a cleared matrix keeps its numbers.
pub fn lists_are_cleared<F: Factory>() {
    F::with(|b| {
        for_all(16, (1..=70usize, any::<u64>()), |(count, seed)| {
            let draw = Draw::new(seed);
            let shapes: Vec<_> = (0..count).map(|_| (1 + draw.below(9), 1 + draw.below(50))).collect();
            let mut list: Vec<_> = shapes.iter().map(|&(r, c)| draw.matrix(r, c).upload(b)).collect();
            let held = list[0].clone();
            let before = Mat::download(b, &held);
            b.clear_all(&mut list);
            let fresh = b.zeros(&shapes);
            ensure(fresh.len() == count, || format!("{} zeros for {count} shapes", fresh.len()))?;
            for (zero, &(r, c)) in list.iter().chain(&fresh).zip(shapes.iter().chain(&shapes)) {
                crate::same_bits("zeros", &Mat::download(b, zero), &Mat::zeros(r, c))?;
            }
            crate::same_bits("another handle", &Mat::download(b, &held), &before)
        });
    });
}
