//! Rollouts that continue from the replay buffer.

use alloc::vec::Vec;

use super::sequences::Sequences;
use super::trainer::{StepSettings, Trainer};
use crate::compute::Backend;
use crate::descent::adjoint::Trace;
use crate::descent::replay_buffer::ReplayEntry;
use crate::descent::rollout::Rollout;

impl<B: Backend> Trainer<B> {
    /// Buffer slots that this step continues.
    pub(super) fn recalled(&self, sequences: &Sequences, settings: &StepSettings) -> Vec<usize> {
        let wanted = self.replay.wanted(sequences.batch, self.objective.replay_share);
        let mut slots = self.replay.choose(settings.seed, settings.step, wanted);
        slots.retain(|&s| self.replay.get(s).is_some_and(|m| m.tokens.len() == sequences.context));
        slots
    }

    /// `sequences` with its last ones replaced by the remembered.
    pub(super) fn with_recalled(&self, sequences: &Sequences, slots: &[usize]) -> Sequences {
        let mut all = sequences.clone();
        let t = all.context;
        let from = all.batch - slots.len();
        for (i, entry) in slots.iter().filter_map(|&s| self.replay.get(s)).enumerate() {
            let rows = (from + i) * t..(from + i + 1) * t;
            all.tokens[rows.clone()].copy_from_slice(&entry.tokens);
            all.targets[rows.clone()].copy_from_slice(&entry.targets);
            if !entry.starts.is_empty() && all.starts.is_empty() {
                all.starts = alloc::vec![0; all.tokens.len()];
            }
            if !all.starts.is_empty() {
                for (to, from) in all.starts[rows].iter_mut().zip(entry.starts.iter().chain(core::iter::repeat(&0))) {
                    *to = *from;
                }
            }
        }
        all
    }

    /// Puts last states into the buffer: continued sequences back to their slots, new ones over random slots.
    pub(super) fn remember(
        &mut self,
        b: &B,
        sequences: &Sequences,
        slots: &[usize],
        settings: &StepSettings,
        parts: &[MicroBatchOutcome<B::Array>],
    ) {
        let (t, v) = (sequences.context, self.config.vocab);
        let from = sequences.batch - slots.len();
        for part in parts {
            let Some(last) = &part.last else { continue };
            let mut values = alloc::vec![0.0f32; b.shape(last).0 * v];
            b.download(last, &mut values);
            for (i, state) in values.chunks_exact(t * v).enumerate() {
                let row = part.first + i;
                let one = sequences.slice(row, 1);
                let entry =
                    ReplayEntry { tokens: one.tokens, targets: one.targets, starts: one.starts, state: state.to_vec() };
                match row.checked_sub(from).and_then(|k| slots.get(k)) {
                    Some(&slot) => self.replay.put(slot, entry),
                    None => self.replay.insert(settings.seed, settings.step, row as u64, entry),
                }
            }
        }
    }
}

/// What one micro-batch leaves behind.
pub(super) struct MicroBatchOutcome<T> {
    /// Its first sequence in the batch.
    pub(super) first: usize,
    /// Last state `(n,V)`, where the replay buffer wants it.
    pub(super) last: Option<T>,
    pub(super) trace: Option<Trace<T>>,
}

/// Where initial states come from.
pub(super) enum Initial<'a> {
    /// Drawn from the noise of the step.
    Drawn,
    /// These values, `(n,V)` of the whole batch.
    Given(&'a [f64]),
    /// Sequences `from ..` continue these states.
    Recalled { from: usize, states: &'a [Vec<f32>] },
}

impl Initial<'_> {
    /// State `(count T, V)` of sequences `first .. first + count`.
    pub(super) fn build<B: Backend>(
        &self,
        rollout: &Rollout<'_, B>,
        first: usize,
        count: usize,
        context: usize,
    ) -> B::Array {
        let (b, v) = (rollout.b, rollout.model.config.vocab);
        match self {
            Initial::Drawn => rollout.initial(),
            Initial::Given(y) => {
                let rows = first * context * v..(first + count) * context * v;
                b.upload_f64(count * context, v, &y[rows])
            }
            Initial::Recalled { from, states } => {
                let fresh = from.saturating_sub(first).min(count) * context;
                if fresh == count * context {
                    return rollout.initial();
                }
                let skip = first.saturating_sub(*from);
                let recalled: Vec<f32> =
                    states.iter().skip(skip).take(count - fresh / context).flatten().copied().collect();
                let recalled = b.upload(count * context - fresh, v, &recalled);
                if fresh == 0 {
                    return recalled;
                }
                let mut y = b.fill(count * context, v, 0.0);
                let index = |rows: core::ops::Range<usize>| b.index(&rows.map(|r| r as u32).collect::<Vec<_>>());
                b.accumulate_scatter(&mut y, &index(0..fresh), &b.slice_rows(&rollout.initial(), 0, fresh));
                b.accumulate_scatter(&mut y, &index(fresh..count * context), &recalled);
                y
            }
        }
    }
}
