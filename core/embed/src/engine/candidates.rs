//! The energy of the candidates of some positions, as a [`Potential`] on distributions over the vocabulary.
//!
//! `p = P W_v`, `E = E(x, p, s)`, `G = W_v dE/dp`, `H u = W_v (d^2E/dp^2) W_v^T u`: all curvature lives in the width `D`.

use super::attend::Cached;
use super::cache::{Cache, LastTokens, Visibility};
use super::descent::Potential;
use super::number::{Dual, Number};
use super::pass::Pass;
use super::scratch::{Activations, AttentionScratch, Scratch};
use super::sizes::Sizes;
use super::slices::{copy, front};
use crate::packed::{Isa, Model};

/// Points that rows were last evaluated at.
#[derive(Debug)]
pub struct Points<'a> {
    /// `P W_v` of every row `(rows, D)`.
    pub mixed: &'a mut [f32],
    /// Landscape of every row's last evaluation.
    pub landscapes: &'a mut [u32],
    /// Rows whose activations are held, in order.
    pub members: &'a mut [u32],
    /// How many of `members` are valid, from the front on; 0 where no activations can be used again.
    pub held: usize,
}

/// Candidates at positions from `first` on, `every` a position.
#[derive(Debug)]
pub struct Candidates<'s, 'm, 'a> {
    /// Packed model whose energy is evaluated; its vocabulary matrix is `W_v`.
    pub model: &'s Model<'m>,
    /// Sizes that the cache and the buffers below were allocated for.
    pub sizes: &'s Sizes,
    /// How products are computed.
    pub kernel: Isa,
    /// Observed keys and values.
    pub cache: &'s mut Cache<'a>,
    /// Tokens that were read, where candidates meet the last one.
    pub tokens: &'s LastTokens<'a>,
    /// Scratch of attention to them.
    pub attention: &'s mut AttentionScratch<'a>,
    /// What the members' last forward pass kept for the gradient.
    pub saved: &'s mut Activations<'a>,
    /// Scratch of a pass; its stream `h` takes the points in and gives `dE/dp` back.
    pub work: &'s mut Scratch<'a>,
    /// Where every row was last evaluated, and whose activations `saved` holds.
    pub points: &'s mut Points<'a>,
    /// Position of the first row.
    pub first: u64,
    /// Rows of one position.
    pub every: usize,
    /// Rows: `every` times the number of positions, at most the session's `rows`.
    pub n: usize,
}

impl Candidates<'_, '_, '_> {
    /// Makes the active rows the members and copies their points to the stream, with the embeddings of the tokens before them where
    /// they meet these; returns their landscape.
    fn gather(&mut self, active: &[bool]) -> usize {
        let dim = self.sizes.dim;
        let embedding = self.model.embedding();
        let visible = Visibility { first: self.first, every: self.every, members: &[], predicted: true };
        let (mut held, mut landscape) = (0, 0);
        let mut to = self.work.h.chunks_exact_mut(dim.max(1));
        let rows = self.points.mixed.chunks_exact(dim.max(1)).zip(self.points.landscapes.iter());
        for ((row, active), (mixed, &at)) in active.iter().enumerate().take(self.n).zip(rows) {
            if !active {
                continue;
            }
            let (Some(to), Some(member)) = (to.next(), self.points.members.get_mut(held)) else { break };
            copy(to, mixed);
            if let Some(token) = self.tokens.before(visible.position(row)) {
                let embedded = front(self.work.x, dim);
                embedding.row_into(token as usize, embedded);
                to.iter_mut().zip(embedded.iter()).for_each(|(h, x)| *h += x);
            }
            *member = row as u32;
            (held, landscape) = (held.saturating_add(1), at as usize);
        }
        self.points.held = held;
        landscape
    }

    /// Runs `body` on the members' pass.
    fn pass<R>(
        &mut self,
        landscape: usize,
        body: impl FnOnce(&Pass<'_, '_>, &mut Cached<'_, '_>, &mut Activations<'_>, &mut Scratch<'_>) -> R,
    ) -> R {
        let members = self.points.members.get(..self.points.held).unwrap_or(&[]);
        let pass = Pass { model: self.model, sizes: self.sizes, kernel: self.kernel, n: members.len() };
        let mut cached = Cached {
            cache: &mut *self.cache,
            scratch: &mut *self.attention,
            visible: Visibility { first: self.first, every: self.every, members, predicted: true },
            stream: landscape.min(self.sizes.streams.saturating_sub(1)),
        };
        body(&pass, &mut cached, self.saved, self.work)
    }

    /// Evaluates the members, which lie in the stream already.
    fn forward<N: Number>(&mut self, landscape: usize, mut each: impl FnMut(usize, f32)) {
        self.pass(landscape, |pass, cached, saved, work| {
            let members = cached.visible.members;
            pass.energies::<N>(landscape, cached, saved, work, |row, energy| {
                each(members.get(row).map_or(row, |&member| member as usize), energy);
            });
        });
    }

    /// `out_r = W_v a_j` for the members `j` that are active, `a (held, D)` in the stream from `skip` rows on.
    fn unmix(&mut self, skip: usize, active: &[bool], out: &mut [f32]) {
        let (dim, vocab) = (self.sizes.dim.max(1), self.sizes.vocab.max(1));
        let members = self.points.members.get(..self.points.held).unwrap_or(&[]);
        let matrix = self.model.vocabulary();
        if members.len() == self.n && active.iter().take(self.n).all(|a| *a) {
            let start = skip.saturating_mul(dim);
            let all = self.work.h.get(start..start.saturating_add(self.n.saturating_mul(dim))).unwrap_or(&[]);
            return matrix.product(self.kernel, all, front(out, self.n.saturating_mul(vocab)));
        }
        for (row, &member) in self.work.h.chunks_exact(dim).skip(skip).zip(members) {
            let wanted = active.get(member as usize).copied().unwrap_or(false);
            if let (true, Some(out)) = (wanted, out.chunks_exact_mut(vocab).nth(member as usize)) {
                matrix.product(self.kernel, row, out);
            }
        }
    }
}

impl Potential for Candidates<'_, '_, '_> {
    fn rows(&self) -> usize {
        self.n
    }

    fn vocab(&self) -> usize {
        self.sizes.vocab
    }

    fn energy(&mut self, landscape: usize, p: &[f32], active: &[bool], energies: &mut [f32]) {
        let (dim, vocab) = (self.sizes.dim.max(1), self.sizes.vocab.max(1));
        let matrix = self.model.vocabulary();
        let whole = self.n.saturating_mul(vocab);
        if active.iter().take(self.n).all(|a| *a) {
            let p = p.get(..whole).unwrap_or(&[]);
            matrix.adjoint(self.kernel, p, front(self.points.mixed, self.n.saturating_mul(dim)));
        } else {
            let rows = p.chunks_exact(vocab).zip(self.points.mixed.chunks_exact_mut(dim)).take(self.n);
            for ((p, mixed), _) in rows.zip(active).filter(|(_, active)| **active) {
                matrix.adjoint(self.kernel, p, mixed);
            }
        }
        let marks = self.points.landscapes.iter_mut().zip(active).take(self.n);
        marks.filter(|(_, active)| **active).for_each(|(at, _)| *at = landscape as u32);
        self.gather(active);
        self.forward::<f32>(landscape, |row, energy| {
            if let Some(to) = energies.get_mut(row) {
                *to = energy;
            }
        });
    }

    fn gradient(&mut self, active: &[bool], g: &mut [f32]) {
        let members = self.points.members.get(..self.points.held).unwrap_or(&[]);
        let holds = |row: usize| members.contains(&(row as u32));
        let all_held = active.iter().enumerate().take(self.n).all(|(row, active)| !active || holds(row));
        let first = active.iter().take(self.n).position(|a| *a).unwrap_or(0);
        let mut landscape = self.points.landscapes.get(first).map_or(0, |&at| at as usize);
        if !all_held {
            landscape = self.gather(active);
            self.forward::<f32>(landscape, |_, _| ());
        }
        self.pass(landscape, |pass, cached, saved, work| pass.gradient::<f32>(landscape, cached, saved, work));
        self.unmix(0, active, g);
    }

    fn curvature(&mut self, active: &[bool], u: &[f32], hu: &mut [f32]) -> bool {
        if self.sizes.parts < 2 {
            return false;
        }
        let (dim, vocab) = (self.sizes.dim.max(1), self.sizes.vocab.max(1));
        let landscape = self.gather(active);
        let held = self.points.held;
        let members = self.points.members.get(..held).unwrap_or(&[]);
        for (tangent, &member) in self.work.h.chunks_exact_mut(dim).skip(held).zip(members) {
            let Some(u) = u.chunks_exact(vocab).nth(member as usize) else { continue };
            self.model.vocabulary().adjoint(self.kernel, u, tangent);
        }
        self.forward::<Dual>(landscape, |_, _| ());
        self.pass(landscape, |pass, cached, saved, work| pass.gradient::<Dual>(landscape, cached, saved, work));
        self.unmix(held, active, hu);
        // activations with tangents lie where values alone are looked for
        self.points.held = 0;
        true
    }
}
