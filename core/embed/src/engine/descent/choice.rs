//! Which candidate of a position is kept.

use super::descent_options::Selection;
use super::dynamics::free;
use super::potential::Potential;
use super::row::{Row, WORDS};
use super::run::Run;
use super::state::Descent;
use crate::engine::slices::{put, row_of};

impl Descent<'_> {
    /// Whether two rows give the same answer.
    fn agree(&self, a: usize, b: usize) -> bool {
        let answer = |r| self.cells.answer(row_of(self.p, r, self.width()));
        answer(a).eq(answer(b))
    }
}

impl<P: Potential> Run<'_, '_, P> {
    /// Counts for every row the candidates of its position that give its answer.
    fn vote(&mut self) {
        for r in 0..self.n {
            let first = r.saturating_sub(self.place(r).1);
            let group = first..first.saturating_add(self.candidates);
            let votes = group.filter(|&other| other == r || self.d.agree(r, other)).count();
            if let Some(stored) = self.d.rows.as_chunks_mut::<WORDS>().0.get_mut(r) {
                *stored = Row { votes: votes as u32, ..Row::load(stored) }.store();
            }
        }
    }

    /// Keeps one candidate of every position: the first of the best.
    pub fn choose(&mut self) {
        if self.think.assesses() {
            self.vote();
        }
        let tau = self.dynamics.tau;
        for (r, stored) in self.d.rows.as_chunks::<WORDS>().0.iter().take(self.n).enumerate() {
            let row = Row::load(stored);
            put(self.d.energies, r, free(tau, row.energy, row.entropy));
        }
        let groups = self.d.rows.as_chunks::<WORDS>().0.chunks(self.candidates.max(1));
        for (slot, group) in self.d.chosen.iter_mut().zip(groups) {
            let mut best = (0, 0, f32::INFINITY);
            for (candidate, stored) in group.iter().enumerate() {
                let row = Row::load(stored);
                let free = free(tau, row.energy, row.entropy);
                let score = match self.think.choose {
                    Selection::Energy => row.energy,
                    Selection::Drop => free - row.first,
                    Selection::Free | Selection::Vote => free,
                    Selection::Entropy => row.entropy,
                    // the dissipation of an assessed state is the square of its residual
                    Selection::Residual => row.dissipation,
                };
                let votes = if self.think.choose == Selection::Vote { row.votes } else { 0 };
                if votes > best.1 || (votes == best.1 && score < best.2) {
                    best = (candidate as u32, votes, score);
                }
            }
            *slot = best.0;
        }
    }
}
