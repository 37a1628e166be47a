//! The energy of states of one problem, as a [`Potential`]: of each, all cells pass through the blocks together.
//!
//! `x_t = P_t W_v + flag + position`, `E = sum_t e_t`, `G_t = W_v dE/dx_t`, `H u = W_v (d^2E/dx^2) W_v^T u`. Rows are evaluated one
//! after the other, so that activations of one are enough memory.

use core::ops::Range;

use super::super::attend::{Attend, Layer};
use super::super::descent::Potential;
use super::super::error::Error;
use super::super::layer::attention::Weights;
use super::super::layer::joint_attention::{Attention, Buffers, Relations};
use super::super::number::{Dual, Number};
use super::super::pass::Pass;
use super::super::scratch::{Activations, Scratch};
use super::super::sizes::Sizes;
use super::super::slices::{copy, front, put, row_mut, row_of};
use crate::engine::arena::Arena;
use crate::packed::{Isa, Marks, Model};
use ebt_core::config::JointConfig;

/// Points that rows were last evaluated at.
#[derive(Debug)]
pub struct Points<'a> {
    /// What the blocks read of every row `(rows, cells, D)`.
    mixed: &'a mut [f32],
    /// `dE/dx` of every row, where it is known.
    gradients: &'a mut [f32],
    /// Whether it is.
    known: &'a mut [bool],
    /// Landscape of every row's last evaluation.
    landscapes: &'a mut [u32],
    /// Which cells are given `(rows, cells)`.
    given: &'a mut [bool],
    /// Row whose activations are held.
    held: Option<usize>,
}

impl<'a> Points<'a> {
    /// Room for `rows` rows.
    pub fn alloc(arena: &mut Arena<'a>, sizes: &Sizes, rows: usize) -> Result<Self, Error> {
        let all = rows.checked_mul(sizes.rows).ok_or(Error::Size { what: "the cells" })?;
        Ok(Self {
            mixed: arena.matrix(all, sizes.dim)?,
            gradients: arena.matrix(all, sizes.dim)?,
            known: arena.flags(rows)?,
            landscapes: arena.words(rows)?,
            given: arena.flags(all)?,
            held: None,
        })
    }

    /// Forgets what was evaluated and which cells are given.
    pub fn clear(&mut self) {
        self.held = None;
        [&mut *self.known, &mut *self.given].into_iter().flatten().for_each(|flag| *flag = false);
    }
}

/// Attention of all cells to each other.
struct Everyone<'s, 'a> {
    joint: &'s JointConfig,
    window: usize,
    /// Row, column and box of every cell of a grid `(cells, 3)`.
    places: &'s [u32],
    buffers: &'s mut Buffers<'a>,
}

impl<'s> Everyone<'s, '_> {
    fn of(&self, layer: Layer<'s>) -> Attention<'s> {
        let Layer { shape, relations, kernel, .. } = layer;
        let relations = relations.map(|bias| Relations { bias, joint: self.joint, places: self.places });
        Attention { shape, window: self.window, relations, kernel }
    }
}

impl Attend for Everyone<'_, '_> {
    fn position(&self, row: usize) -> u64 {
        row as u64
    }

    fn forward<N: Number>(&mut self, layer: Layer<'_>, qkv: &[f32], _kept: &mut Weights<'_>, out: &mut [f32]) {
        self.of(layer).forward::<N>(qkv, self.buffers, out);
    }

    fn backward<N: Number>(
        &mut self,
        layer: Layer<'_>,
        qkv: &[f32],
        _kept: &mut Weights<'_>,
        dout: &[f32],
        dqkv: &mut [f32],
    ) {
        self.of(layer).backward::<N>(qkv, dout, self.buffers, dqkv);
    }
}

/// States of one problem.
#[derive(Debug)]
pub struct States<'s, 'm, 'a> {
    /// Packed joint model.
    pub model: &'s Model<'m>,
    /// Sizes that the buffers below were allocated for.
    pub sizes: &'s Sizes,
    /// How products are computed.
    pub kernel: Isa,
    /// What the held row's forward pass kept for the gradient.
    pub saved: &'s mut Activations<'a>,
    /// Scratch of a pass; its stream `h` takes the points in and gives `dE/dx` back.
    pub work: &'s mut Scratch<'a>,
    /// Scratch of attention.
    pub attention: &'s mut Buffers<'a>,
    /// Row, column and box of every cell of a grid; empty where relations need none.
    pub places: &'s [u32],
    /// Where every row was last evaluated.
    pub points: &'s mut Points<'a>,
    /// Cells of the problem, at most `sizes.rows`.
    pub cells: usize,
    /// Rows: states of the problem, at most as many as there are points.
    pub n: usize,
}

/// Runs of cells that are all given or all unknown, and whether they are given.
fn runs(given: &[bool]) -> impl Iterator<Item = (Range<usize>, bool)> {
    let mut start = 0usize;
    core::iter::from_fn(move || {
        let rest = given.get(start..)?;
        let first = *rest.first()?;
        let run = start..start.saturating_add(rest.iter().take_while(|x| **x == first).count());
        start = run.end;
        Some((run, first))
    })
}

/// Cells `cells` of a matrix `(cells, width)`.
fn part<'x>(matrix: &'x [f32], cells: &Range<usize>, width: usize) -> &'x [f32] {
    matrix.get(cells.start.saturating_mul(width)..cells.end.saturating_mul(width)).unwrap_or_default()
}

/// The same, to be written.
fn part_mut<'x>(matrix: &'x mut [f32], cells: &Range<usize>, width: usize) -> &'x mut [f32] {
    matrix.get_mut(cells.start.saturating_mul(width)..cells.end.saturating_mul(width)).unwrap_or_default()
}

/// The given cells of row `r`.
fn given_of(given: &[bool], r: usize, cells: usize) -> &[bool] {
    let start = r.saturating_mul(cells);
    given.get(start..start.saturating_add(cells)).unwrap_or_default()
}

impl States<'_, '_, '_> {
    /// Numbers of a row's points.
    fn width(&self) -> usize {
        self.cells.saturating_mul(self.sizes.dim)
    }

    /// `x` of row `r` at `p (cells, V)`.
    fn mix(&mut self, r: usize, p: &[f32]) {
        let (dim, vocab, width) = (self.sizes.dim, self.sizes.vocab, self.width());
        let (matrix, joint) = (self.model.vocabulary(), &self.model.config.joint);
        let given = given_of(self.points.given, r, self.cells);
        let mixed = row_mut(self.points.mixed, r, width);
        for (run, given) in runs(given) {
            let (p, x) = (part(p, &run, vocab), part_mut(mixed, &run, dim));
            if !given {
                matrix.adjoint(self.kernel, p, x);
                continue;
            }
            for (p, x) in p.chunks_exact(vocab.max(1)).zip(x.chunks_exact_mut(dim.max(1))) {
                // the vertex that a given cell stands at
                let token = p.iter().position(|&p| p > 0.5).unwrap_or(0);
                matrix.row_into(token, x);
            }
        }
        let Some(Marks { flags, positions }) = self.model.marks() else { return };
        for (cell, (x, given)) in mixed.chunks_exact_mut(dim.max(1)).zip(given).enumerate() {
            let flag = flags.part(if *given { 0 } else { dim }, dim);
            let of = |row: usize| positions.unwrap_or_default().part(row.saturating_mul(dim), dim);
            for marks in core::iter::once(flag).chain(joint.position_of(cell).map(of)) {
                x.iter_mut().zip(marks.iter()).for_each(|(x, mark)| *x += mark);
            }
        }
    }

    /// Runs `body` on the pass of a row's cells.
    fn pass<R>(
        &mut self,
        body: impl FnOnce(&Pass<'_, '_>, &mut Everyone<'_, '_>, &mut Activations<'_>, &mut Scratch<'_>) -> R,
    ) -> R {
        let pass = Pass { model: self.model, sizes: self.sizes, kernel: self.kernel, n: self.cells };
        let joint = &self.model.config.joint;
        let (window, places) = (self.sizes.window, self.places);
        let mut everyone = Everyone { joint, window, places, buffers: &mut *self.attention };
        body(&pass, &mut everyone, self.saved, self.work)
    }

    /// Energy of row `r`, at its point with the tangents that lie behind its place in the stream.
    fn forward<N: Number>(&mut self, r: usize) -> f32 {
        copy(self.work.h, row_of(self.points.mixed, r, self.width()));
        let landscape = self.landscape(r);
        let mut sum = 0.0f64;
        self.pass(|pass, everyone, saved, work| {
            pass.energies::<N>(landscape, everyone, saved, work, |_, energy| sum += f64::from(energy));
        });
        self.points.held = Some(r);
        sum as f32
    }

    fn landscape(&self, r: usize) -> usize {
        self.points.landscapes.get(r).map_or(0, |&at| at as usize)
    }

    /// `dE/dx` of row `r`, from the activations that are held where they are its own.
    fn differentiate(&mut self, r: usize) {
        if self.points.held != Some(r) {
            self.forward::<f32>(r);
        }
        let (landscape, width) = (self.landscape(r), self.width());
        self.pass(|pass, everyone, saved, work| pass.gradient::<f32>(landscape, everyone, saved, work));
        copy(row_mut(self.points.gradients, r, width), front(self.work.h, width));
        put(self.points.known, r, true);
    }

    /// `-logits (cells, V)` of row `r`: what a loop replaces its state by, as the gradient that leads there
    /// ([`Dynamics`](super::super::descent::Dynamics)).
    fn logits(&mut self, r: usize, out: &mut [f32]) {
        copy(self.work.h, row_of(self.points.mixed, r, self.width()));
        self.pass(|pass, everyone, saved, work| pass.logits(everyone, saved, work, out));
        out.iter_mut().for_each(|x| *x = -*x);
    }

    /// `out_t = W_v a_t` at unknown cells of row `r`, 0 at given ones.
    fn unmix(&self, r: usize, a: &[f32], out: &mut [f32]) {
        let (dim, vocab) = (self.sizes.dim, self.sizes.vocab);
        for (run, given) in runs(given_of(self.points.given, r, self.cells)) {
            let out = part_mut(out, &run, vocab);
            if given {
                out.iter_mut().for_each(|x| *x = 0.0);
            } else {
                self.model.vocabulary().product(self.kernel, part(a, &run, dim), out);
            }
        }
    }

    /// The active rows.
    fn active<'x>(&self, active: &'x [bool]) -> impl Iterator<Item = usize> + use<'x> {
        active.iter().enumerate().take(self.n).filter(|(_, active)| **active).map(|(r, _)| r)
    }
}

impl Potential for States<'_, '_, '_> {
    fn rows(&self) -> usize {
        self.n
    }

    fn vocab(&self) -> usize {
        self.sizes.vocab
    }

    fn cells(&self) -> usize {
        self.cells
    }

    fn set_given(&mut self, given: &[bool]) {
        self.points.given.iter_mut().zip(given).for_each(|(to, &given)| *to = given);
    }

    fn energy(&mut self, landscape: usize, p: &[f32], active: &[bool], energies: &mut [f32]) {
        let wide = self.cells.saturating_mul(self.sizes.vocab);
        for r in self.active(active) {
            put(self.points.landscapes, r, landscape as u32);
            put(self.points.known, r, false);
            self.mix(r, row_of(p, r, wide));
            if !self.model.config.has_energy() {
                put(energies, r, 0.0);
                continue;
            }
            let energy = self.forward::<f32>(r);
            put(energies, r, energy);
            // the next row takes the activations, and a gradient is what most energies are followed by
            if self.n > 1 {
                self.differentiate(r);
            }
        }
    }

    fn gradient(&mut self, active: &[bool], g: &mut [f32]) {
        let (wide, width) = (self.cells.saturating_mul(self.sizes.vocab), self.width());
        for r in self.active(active) {
            if !self.model.config.has_energy() {
                self.logits(r, row_mut(g, r, wide));
                continue;
            }
            if self.points.known.get(r) != Some(&true) {
                self.differentiate(r);
            }
            self.unmix(r, row_of(self.points.gradients, r, width), row_mut(g, r, wide));
        }
    }

    fn curvature(&mut self, active: &[bool], u: &[f32], hu: &mut [f32]) -> bool {
        if self.sizes.parts < 2 {
            return false;
        }
        let (dim, vocab, width) = (self.sizes.dim, self.sizes.vocab, self.width());
        let wide = self.cells.saturating_mul(vocab);
        for r in self.active(active) {
            let (landscape, u) = (self.landscape(r), row_of(u, r, wide));
            let tangents = front(self.work.h.get_mut(width..).unwrap_or_default(), width);
            for (run, given) in runs(given_of(self.points.given, r, self.cells)) {
                let tangent = part_mut(tangents, &run, dim);
                if given {
                    tangent.iter_mut().for_each(|x| *x = 0.0);
                } else {
                    self.model.vocabulary().adjoint(self.kernel, part(u, &run, vocab), tangent);
                }
            }
            self.forward::<Dual>(r);
            self.pass(|pass, everyone, saved, work| pass.gradient::<Dual>(landscape, everyone, saved, work));
            // activations with tangents lie where values alone are looked for
            self.points.held = None;
            let bent = self.work.h.get(width..width.saturating_mul(2)).unwrap_or_default();
            self.unmix(r, bent, row_mut(hu, r, wide));
        }
        true
    }
}
