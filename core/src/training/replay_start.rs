//! Rollouts that continue from the replay buffer.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use super::sequences::Sequences;
use super::trainer::{StepSettings, Trainer};
use crate::compute::Backend;
use crate::descent::adjoint::Trace;
use crate::descent::replay_buffer::{ReplayBuffer, ReplayEntry};
use crate::descent::rollout::Rollout;
use crate::error::{Error, Result};

/// The sequences of one lane that continue from its buffer: the last of the lane.
pub(super) struct Recalled {
    /// Slots that are continued, ascending.
    slots: Vec<usize>,
    /// Place, in the sequences of this rank, of the first of them.
    from: usize,
    /// Their states, each `(T, V)`.
    states: Vec<Vec<f32>>,
}

impl<B: Backend> Trainer<B> {
    /// Gives every lane of this rank a buffer.
    ///
    /// # Errors
    ///
    /// Buffers of other lanes that already remember something, and room that lanes cannot share.
    pub(super) fn fit_replay(&mut self, own: &Range<usize>, lanes: usize) -> Result<()> {
        let capacity = self.objective.replay / lanes;
        if self.replay.len() == own.len() && self.replay.iter().all(|buffer| buffer.capacity() == capacity) {
            return Ok(());
        }
        let refuse = |message: String| Err(Error::Shape { what: String::from("the replay buffer"), message });
        if !self.replay.iter().all(ReplayBuffer::is_empty) {
            return refuse(format!(
                "{} lanes remember sequences, but {} are trained here",
                self.replay.len(),
                own.len()
            ));
        }
        if !self.objective.replay.is_multiple_of(lanes) {
            return refuse(format!("{} sequences cannot be shared by {lanes} lanes", self.objective.replay));
        }
        self.replay = own.clone().map(|_| ReplayBuffer::new(capacity)).collect();
        Ok(())
    }

    /// What this step continues, by lane.
    pub(super) fn recalled(&self, sequences: &Sequences, settings: &StepSettings, own: &Range<usize>) -> Vec<Recalled> {
        let a_lane = sequences.batch / own.len().max(1);
        let one = |(i, (lane, buffer)): (usize, (usize, &ReplayBuffer))| {
            let wanted = buffer.wanted(a_lane, self.objective.replay_share);
            let mut slots = buffer.choose((settings.seed, settings.step, lane as u16), wanted);
            slots.retain(|&s| buffer.get(s).is_some_and(|m| m.tokens.len() == sequences.context));
            let states = slots.iter().filter_map(|&s| buffer.get(s)).map(|m| m.state.clone()).collect();
            Recalled { from: (i + 1) * a_lane - slots.len(), slots, states }
        };
        own.clone().zip(&self.replay).enumerate().map(one).collect()
    }

    /// `sequences` with the last ones of every lane replaced by the remembered.
    pub(super) fn with_recalled(&self, sequences: &Sequences, recalled: &[Recalled]) -> Sequences {
        let mut all = sequences.clone();
        let t = all.context;
        for (lane, buffer) in recalled.iter().zip(&self.replay) {
            for (i, entry) in lane.slots.iter().filter_map(|&s| buffer.get(s)).enumerate() {
                let rows = (lane.from + i) * t..(lane.from + i + 1) * t;
                all.tokens[rows.clone()].copy_from_slice(&entry.tokens);
                all.targets[rows.clone()].copy_from_slice(&entry.targets);
                if !entry.starts.is_empty() && all.starts.is_empty() {
                    all.starts = alloc::vec![0; all.tokens.len()];
                }
                if !all.starts.is_empty() {
                    for (to, from) in all.starts[rows].iter_mut().zip(entry.starts.iter().chain(core::iter::repeat(&0)))
                    {
                        *to = *from;
                    }
                }
            }
        }
        all
    }

    /// Puts last states into the buffers: continued sequences back to their slots, new ones over random slots.
    pub(super) fn remember(
        &mut self,
        b: &B,
        sequences: &Sequences,
        (own, recalled): (&Range<usize>, &[Recalled]),
        settings: &StepSettings,
        parts: &[MicroBatchOutcome<B::Array>],
    ) {
        let (t, v) = (sequences.context, self.config.vocab);
        let a_lane = (sequences.batch / own.len().max(1)).max(1);
        for part in parts {
            let Some(last) = &part.last else { continue };
            let mut values = alloc::vec![0.0f32; b.shape(last).0 * v];
            b.download(last, &mut values);
            for (i, state) in values.chunks_exact(t * v).enumerate() {
                let row = part.first + i;
                let one = sequences.slice(row, 1);
                let entry =
                    ReplayEntry { tokens: one.tokens, targets: one.targets, starts: one.starts, state: state.to_vec() };
                let lane = row / a_lane;
                let (Some(buffer), Some(recalled)) = (self.replay.get_mut(lane), recalled.get(lane)) else { continue };
                match row.checked_sub(recalled.from).and_then(|k| recalled.slots.get(k)) {
                    Some(&slot) => buffer.put(slot, entry),
                    None => {
                        let draw = (row % a_lane) as u64;
                        buffer.insert((settings.seed, settings.step, (own.start + lane) as u16), draw, entry);
                    }
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
    /// The last sequences of every lane continue remembered states.
    Recalled(&'a [Recalled]),
}

impl Initial<'_> {
    /// State `(count T, V)` of sequences `first .. first + count`, which lie in lane `lane` of this rank.
    pub(super) fn build<B: Backend>(
        &self,
        rollout: &Rollout<'_, B>,
        lane: usize,
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
            Initial::Recalled(lanes) => {
                let Some(Recalled { from, states, .. }) = lanes.get(lane) else { return rollout.initial() };
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
