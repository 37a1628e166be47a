//! `lambda_max` of the linearised step `Y' = Y - alpha f(Y)` by the Lanczos iteration (J. Res. Nat. Bur. Stand. 45,
//! 1950), in Hessian-vector products.
//!
//! The symmetric operators, with `s = sqrt(P)`, `J = diag(P) - P P^T = L L^T`, `L = diag(s) (I - s s^T)`:
//!
//! ```text
//! mirror       f = G      H J has the spectrum of  A = L^T H L;  with entropy f = G + tau Y and A + tau I
//! probability             A = H
//! logit        f = J G    A = J H J + C,  C u = (G - m) * J u - P <u, J G>,  m = <P, G>
//! ```
//!
//! `C` is the second derivative of the softmax contracted with `G`, `diag(z) - z P^T - P z^T` at `z = J G`. Mirror's `A` is taken
//! on the complement of `s` and logit's on that of `1`, where the step acts; both vectors lie in its kernel. Of a row of
//! several cells `J`, `L` and `C` are diagonal by cells, and `H` is that of the row: the operator acts on the allowed
//! tokens of all unknown cells at once.
//!
//! After `k` products the largest Ritz value is a lower bound of `lambda_max` with an error of order
//! `exp(-4 k sqrt(gap))`; power iteration has `exp(-2 k gap)` for the same products, and finds the eigenvalue of largest
//! magnitude whatever its sign (Saad, *Numerical Methods for Large Eigenvalue Problems*, section 6.6). Vectors are not
//! reorthogonalised: lost orthogonality repeats extreme Ritz values, it does not move them.

use super::cells::Cell;
use super::descent_options::{MOST_PRODUCTS, StepSize};
use super::dynamics::Dynamics;
use super::potential::Potential;
use super::row::{Row, WORDS};
use super::run::Run;
use super::start::{first, stream};
use super::tridiagonal::largest;
use crate::engine::Error;
use crate::engine::math::{dot, fill_normal, sqrt, sum1, sum2, sum3};
use crate::engine::slices::{copy, front, put, row_mut, row_of};
use ebt_core::config::UpdateRule;
use ebt_core::random::Purpose;

/// A residual this small against the operator's size is rounding: the subspace is invariant.
const INVARIANT: f32 = 1e-5;

/// One over the largest step size from curvature, in step sizes of the model. `A` vanishes with `P` at a vertex, where
/// `c / lambda_max` grows without bound and moves nothing but logits, out of the range of numbers.
const INVERSE_LONGEST: f32 = f32::EPSILON;

/// `v <- v - s <s, v>`, `s = sqrt(P)`.
fn off_root(p: &[f32], v: &mut [f32]) {
    let along = sum2(p, v, |p, v| sqrt(p) * v);
    v.iter_mut().zip(p).for_each(|(v, &p)| *v -= sqrt(p) * along);
}

/// `v <- v - mean(v)` on the allowed tokens; `v` is 0 elsewhere.
fn off_ones(cell: Cell<'_>, v: &mut [f32]) {
    let mean = sum1(v, |v| v) / cell.size().max(1) as f32;
    v.iter_mut().for_each(|v| *v -= mean);
    cell.restrict(v, 0.0);
}

/// `v <- J v`.
fn jacobian(p: &[f32], v: &mut [f32]) {
    let mean = dot(p, v);
    v.iter_mut().zip(p).for_each(|(v, &p)| *v = p * (*v - mean));
}

/// A cell's part of what is pushed through `H`, from a unit vector.
fn enter(rule: UpdateRule, p: &[f32], v: &[f32], u: &mut [f32]) {
    copy(u, v);
    match rule {
        UpdateRule::Probability => {}
        UpdateRule::Mirror => {
            off_root(p, u);
            u.iter_mut().zip(p).for_each(|(u, &p)| *u *= sqrt(p));
        }
        UpdateRule::Logit => jacobian(p, u),
    }
}

/// A cell's part of `A v` from `w = H u`, in place; `mean = <P, G>`.
fn leave(dynamics: &Dynamics, cell: Cell<'_>, [p, g, v, u]: [&[f32]; 4], mean: f32, w: &mut [f32]) {
    // what a potential leaves at tokens that are not allowed does not matter
    cell.restrict(w, 0.0);
    match dynamics.update {
        UpdateRule::Probability => {}
        UpdateRule::Mirror => {
            w.iter_mut().zip(p).for_each(|(w, &p)| *w *= sqrt(p));
            off_root(p, w);
            if dynamics.tau > 0.0 {
                w.iter_mut().zip(v).for_each(|(w, &v)| *w += dynamics.tau * v);
            }
        }
        UpdateRule::Logit => {
            jacobian(p, w);
            let along = sum3(p, g, v, |p, g, v| p * (g - mean) * v);
            for (((w, &p), &g), &u) in w.iter_mut().zip(p).zip(g).zip(u) {
                *w += (g - mean) * u - p * along;
            }
            off_ones(cell, w);
        }
    }
}

impl<P: Potential> Run<'_, '_, P> {
    /// Measures `lambda_max` of every row that runs and sets the step sizes that depend on it.
    pub fn measure(&mut self, i: usize) -> Result<(), Error> {
        let products = self.think.products();
        if products == 0 {
            return Ok(());
        }
        self.update(|_, row| row.searching = true);
        self.start_vectors(i);
        let mut taken = 0usize;
        while taken < products && self.select(|row| row.searching) > 0 {
            self.product(taken)?;
            taken = taken.saturating_add(1);
        }
        let model = self.dynamics.alpha;
        let wanted = match self.think.step_size {
            StepSize::Curvature { c, .. } => Some(c),
            _ => None,
        };
        for r in 0..self.n {
            let Some(mut row) = self.d.row(r).filter(Row::runs) else { continue };
            let size = if row.searching { taken } else { row.lambda as usize };
            let part = |all| row_of(all, r, MOST_PRODUCTS).get(..size).unwrap_or_default();
            row.lambda = largest(part(self.d.diagonal), part(self.d.off_diagonal));
            row.searching = false;
            if let Some(c) = wanted {
                let alpha = c / row.lambda;
                // false of what is not finite, as it is where lambda is 0
                row.alpha = if alpha > 0.0 && alpha * INVERSE_LONGEST <= model { alpha } else { model };
            }
            let at = self.column(r, &row);
            put(self.d.trajectories.alpha_lambda, at, row.alpha * row.lambda);
            put(self.d.rows.as_chunks_mut::<WORDS>().0, r, row.store());
        }
        Ok(())
    }

    /// Unit starting vectors of normal numbers, in the subspace of the operator.
    fn start_vectors(&mut self, i: usize) {
        let (width, number) = (self.d.width(), self.number(i));
        for r in 0..self.n {
            let (position, candidate) = self.place(r);
            let noise = stream(self.think.seed, Purpose::Curvature, candidate, number);
            let d = &mut *self.d;
            fill_normal(&noise, first(position, width), 1.0, row_mut(d.trial_y, r, width));
            for cell in d.cells.of_row(r) {
                let (p, x) = (cell.of(d.p), cell.of_mut(d.trial_y));
                if cell.given {
                    x.iter_mut().for_each(|x| *x = 0.0);
                    continue;
                }
                cell.restrict(x, 0.0);
                match self.dynamics.update {
                    UpdateRule::Probability => {}
                    UpdateRule::Mirror => off_root(p, x),
                    UpdateRule::Logit => off_ones(cell, x),
                }
            }
            // a subspace of no dimension (V = 1) leaves zeros, and their eigenvalue 0
            let x = row_mut(d.trial_y, r, width);
            let norm = sqrt(dot(x, x));
            let inverse = if norm > 0.0 { 1.0 / norm } else { 0.0 };
            x.iter_mut().for_each(|x| *x *= inverse);
            row_mut(d.trial_p, r, width).iter_mut().for_each(|x| *x = 0.0);
        }
    }

    /// One product: `w = A v_j`, `a_j = <w, v_j>`, `w -= a_j v_j + b_j v_{j-1}`, `b_{j+1} = |w|`, `v_{j+1} = w / b_{j+1}`.
    fn product(&mut self, j: usize) -> Result<(), Error> {
        let width = self.d.width();
        let count = self.select(|row| row.searching);
        let d = &mut *self.d;
        for r in (0..self.n).filter(|r| d.mask.get(*r) == Some(&true)) {
            for cell in d.cells.of_row(r) {
                let (p, x, u) = (cell.of(d.p), cell.of(d.trial_y), cell.of_mut(d.trial_g));
                if cell.given {
                    u.iter_mut().for_each(|u| *u = 0.0);
                } else {
                    enter(self.dynamics.update, p, x, u);
                }
            }
        }
        let values = self.n.saturating_mul(width);
        let (mask, u, hu) = (front(d.mask, self.n), front(d.trial_g, values), front(d.hu, values));
        if !self.potential.curvature(mask, u, hu) {
            return Err(Error::Option { field: "curvature", requirement: "this potential gives no curvature" });
        }
        self.outcome.curvatures = self.outcome.curvatures.saturating_add(count);
        for r in 0..self.n {
            let Some(mut row) = self.d.row(r).filter(|row| row.runs() && row.searching) else { continue };
            let d = &mut *self.d;
            for cell in d.cells.of_row(r) {
                let w = cell.of_mut(d.hu);
                if cell.given {
                    w.iter_mut().for_each(|w| *w = 0.0);
                    continue;
                }
                let known = [cell.of(d.p), cell.of(d.g), cell.of(d.trial_y), cell.of(d.trial_g)];
                leave(self.dynamics, cell, known, d.means.get(cell.at).copied().unwrap_or(0.0), w);
            }
            let (x, old) = (row_mut(d.trial_y, r, width), row_mut(d.trial_p, r, width));
            let w = row_mut(d.hu, r, width);
            let diagonal = row_mut(d.diagonal, r, MOST_PRODUCTS);
            let off_diagonal = row_mut(d.off_diagonal, r, MOST_PRODUCTS);
            let a = dot(w, x);
            let b = j.checked_sub(1).and_then(|j| off_diagonal.get(j).copied()).unwrap_or(0.0);
            for ((w, &x), &old) in w.iter_mut().zip(x.iter()).zip(old.iter()) {
                *w -= a * x + b * old;
            }
            let next = sqrt(dot(w, w));
            put(diagonal, j, a);
            put(off_diagonal, j, next);
            let scale = a.abs() + b + next;
            if next <= INVARIANT * scale || !next.is_finite() {
                // the tridiagonal matrix is complete: its size takes the place of the eigenvalue until that is found
                row.searching = false;
                row.lambda = j.saturating_add(1) as f32;
            }
            copy(old, x);
            let inverse = 1.0 / next;
            x.iter_mut().zip(w.iter()).for_each(|(x, &w)| *x = w * inverse);
            put(d.rows.as_chunks_mut::<WORDS>().0, r, row.store());
        }
        Ok(())
    }
}
