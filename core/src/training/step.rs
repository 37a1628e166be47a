//! The training step: gradient of all micro-batches, clip, update, average, routing bias, report.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::lanes::{self, Part};
use super::replay_start::{Initial, MicroBatchOutcome};
use super::report::StepReport;
use super::sequences::Sequences;
use super::step_size;
use super::trainer::{StepSettings, Trainer};
use crate::compute::{Backend, Parameters, Scope};
use crate::config::{Config, Head, ModelKind};
use crate::descent::adjoint::{self, Trace};
use crate::descent::recurrence;
use crate::descent::rollout::Rollout;
use crate::error::{Error, Result};
use crate::layer::Model;
use crate::objective::target::Target;
use crate::optimizer::{self, Optimizer};
use crate::parameters::{FeedForwardIds, ParameterId, ParameterLayout};
use crate::transformer;

impl<B: Backend> Trainer<B> {
    /// Gradient of the loss over `sequences` without an update, from a given initial state `(n,V)` if there is one.
    /// The replay buffer is left alone. Micro-batches add up to the gradient of the whole.
    ///
    /// # Errors
    ///
    /// Sequences that do not fit the model, a device failure.
    pub fn gradient(
        &mut self,
        b: &B,
        sequences: &Sequences,
        settings: &StepSettings,
        initial: Option<&[f64]>,
        trace: bool,
    ) -> Result<(StepReport, Vec<Trace<B::Array>>)> {
        let part = settings.part_of(sequences);
        let steps = self.prepare(b, sequences, settings, &part)?;
        let initial = initial.map_or(Initial::Drawn, Initial::Given);
        let parts = self.accumulate(b, sequences, (settings, &part), steps, &initial, trace)?;
        if let Some(scaling) = self.inputs.as_ref().and_then(|i| i.scaling.as_ref()) {
            for g in &mut self.grads {
                *g = b.mul(g, &scaling.inverse_outer);
            }
        }
        let (report, _) = self.read(b, steps);
        b.status()?;
        Ok((report, parts.into_iter().filter_map(|p| p.trace).collect()))
    }

    /// One whole training step: gradient, clip, update, average, routing bias, replay buffer.
    ///
    /// # Errors
    ///
    /// Sequences that do not fit the model, a device failure, a loss or gradient that is not finite: then the weights
    /// are those of before the step. With loss scales an overflow is no error but a skipped step, until no smaller scale
    /// is left.
    pub fn step(&mut self, b: &B, sequences: &Sequences, settings: &StepSettings) -> Result<StepReport> {
        let part = settings.part_of(sequences);
        let own = part.own(sequences.batch)?;
        let alone = own.len() == part.lanes;
        self.fit_replay(&own, part.lanes)?;
        let recalled = self.recalled(sequences, settings, &own);
        let sequences = &self.with_recalled(sequences, &recalled);
        let steps = self.prepare(b, sequences, settings, &part)?;
        let mut parts = Vec::new();
        if self.objective.replay == 0 {
            let mut key = self.key(b, settings, steps);
            key.push(0);
            b.run_captured(&key, &mut || {
                self.accumulate(b, sequences, (settings, &part), steps, &Initial::Drawn, false)?;
                if alone {
                    self.update(b);
                }
                Ok(())
            })?;
            if !alone {
                // a rank that could not record must not meet one that could, so the sum stands between two recordings
                self.sum_ranks(b);
                key.pop();
                key.push(1);
                b.run_captured(&key, &mut || {
                    self.update(b);
                    Ok(())
                })?;
            }
        } else {
            parts = self.accumulate(b, sequences, (settings, &part), steps, &Initial::Recalled(&recalled), false)?;
            if !alone {
                self.sum_ranks(b);
            }
            self.update(b);
        }
        let (mut report, inner_finite) = self.read(b, steps);
        b.status()?;
        let finite = report.loss.is_finite() && report.gradient_norm.is_finite();
        if b.needs_loss_scale() {
            report.loss_scale = Some(self.loss_scale);
            self.loss_scale.adapt(inner_finite, finite);
            report.skipped = !finite;
        }
        if !finite {
            self.optimizer.clear_directions(b, &self.layout, &self.optimizer_config);
        }
        if !finite && (!report.skipped || self.loss_scale.exhausted()) {
            let tensor = if report.loss.is_finite() { self.culprit(b) } else { String::from("the loss") };
            return Err(Error::NonFinite { step: u64::from(settings.step), tensor });
        }
        if finite {
            self.optimizer.updates += 1;
            self.average.updates += 1;
            self.remember(b, sequences, (&own, &recalled), settings, &parts);
        }
        b.status()?;
        Ok(report)
    }

    /// Adds up the gradients of all micro-batches of the own lanes and gathers the report.
    fn accumulate(
        &mut self,
        b: &B,
        sequences: &Sequences,
        (settings, part): (&StepSettings, &Part),
        steps: usize,
        initial: &Initial<'_>,
        trace: bool,
    ) -> Result<Vec<MicroBatchOutcome<B::Array>>> {
        let lanes = part.own(sequences.batch)?.len();
        let Some(inputs) = &mut self.inputs else { return Ok(Vec::new()) };
        let a_lane = (inputs.sequences.len() / lanes).max(1);
        let mut outcomes = Vec::new();
        let mut first = 0;
        for (lane, micro_batches) in inputs.sequences.chunks(a_lane).enumerate() {
            let at = lanes::slot(lane);
            let (report, grads) = match at.checked_sub(1).and_then(|i| self.waiting.get_mut(i)?.split_last_mut()) {
                None => (&mut inputs.report, self.grads.as_mut_slice()),
                Some(waiting) => waiting,
            };
            b.clear_all(grads);
            b.clear(report);
            for device in micro_batches {
                let geometry = device.geometry(&self.config);
                let count = geometry.shape.batch;
                let share = count as f64 / part.sequences as f64;
                let outer = inputs.scaling.as_ref().map(|s| &s.outer);
                let target = Target { targets: device.targets(), weight: &inputs.weight, outer, share };
                let model = Model { config: &self.config, layout: &self.layout, weights: &self.weights };
                if self.config.kind == ModelKind::Transformer {
                    let loss = transformer::gradient(b, model, geometry, device.tokens(), target, grads);
                    inputs.report_layout.add_baseline(b, report, &loss);
                } else {
                    let rollout = Rollout {
                        b,
                        model,
                        geometry,
                        tokens: device.tokens(),
                        problems: device.problems(),
                        objective: &self.objective,
                        seed: settings.seed,
                        step: settings.step,
                        first_row: ((part.first + first) * sequences.context) as u64,
                        steps,
                        scaling: inputs.scaling.as_ref(),
                    };
                    let y = initial.build(&rollout, lane, first, count, sequences.context);
                    let mut outcome = match self.config.head {
                        Head::Energy => adjoint::gradient(rollout, target, y, grads, trace)?,
                        Head::Logits => recurrence::gradient(rollout, target, y, grads, trace)?,
                    };
                    inputs.report_layout.add(b, report, &outcome, share);
                    let last = (self.objective.replay > 0).then_some(outcome.last);
                    outcomes.push(MicroBatchOutcome { first, last, trace: outcome.trace.take() });
                }
                first += count;
            }
            for i in (at - lanes::merges(lane, lanes)..at).rev() {
                let (before, behind) = self.waiting.split_at_mut(i);
                let Some(from) = behind.first() else { continue };
                match before.last_mut() {
                    Some(to) => lanes::add(b, to.iter_mut(), from.iter()),
                    None => lanes::add(b, self.grads.iter_mut().chain([&mut inputs.report]), from.iter()),
                }
            }
        }
        Ok(outcomes)
    }

    /// Adds the sums of the other ranks to those of the own lanes.
    fn sum_ranks(&mut self, b: &B) {
        let Some(inputs) = &mut self.inputs else { return };
        inputs.report_layout.add_stop(b, &mut inputs.report, &inputs.stop);
        let mut list: Vec<&mut B::Array> = self.grads.iter_mut().chain([&mut inputs.report]).collect();
        b.sum_ranks(&mut list);
    }

    /// Clips, updates and averages on the device; nothing changes where the loss or the gradient is not finite.
    fn update(&mut self, b: &B) {
        let Some(inputs) = &mut self.inputs else { return };
        let left = b.enter(Scope::Optimizer);
        if let Some(lora) = &mut self.lora {
            lora.differentiate(b, &self.grads);
        }
        for &id in &self.frozen {
            b.clear(&mut self.grads[id]);
        }
        let mut squares = b.sum_squares(&self.grads);
        if let Some(lora) = &self.lora {
            squares = b.add(&squares, &b.sum_squares(lora.gradients()));
        }
        let loss = inputs.report_layout.loss(b, &inputs.report);
        let unscale = inputs.scaling.as_ref().map(|s| &s.inverse_outer);
        let (norm, factor) = optimizer::clip(b, self.optimizer_config.clip, &squares, &loss, unscale);
        let loads = inputs.report_layout.loads(b, &inputs.report);
        nudge_routing(b, &self.config, (&self.layout, &self.frozen), &mut self.weights, &loads, &factor);
        let device_scalars = b.add(&inputs.device_scalars, &b.pad_columns(&factor, 3, 5));
        let mut param_groups =
            Optimizer::<B::Array>::param_groups(&self.layout, &self.optimizer_config, self.objective.learn_alpha);
        self.frozen.iter().for_each(|&id| param_groups[id].rate = 0.0);
        self.optimizer.find_directions(b, &self.layout, (&self.optimizer_config, &self.frozen), &self.grads, &factor);
        if let Some(lora) = &mut self.lora {
            let how = (self.optimizer_config.constants(), self.optimizer_config.weight_decay);
            lora.update(b, how, &device_scalars, &mut self.weights);
        }
        let parameters = Parameters {
            weights: &mut self.weights,
            first: &mut self.optimizer.first,
            second: &mut self.optimizer.second,
            average: &mut self.average.weights,
            gradients: &self.grads,
            param_groups: &param_groups,
        };
        b.update(parameters, self.optimizer_config.constants(), &device_scalars);
        let share = inputs.report_layout.decreased(b, &inputs.report);
        let share = unscale.map_or_else(|| share.clone(), |unscale| b.mul(&share, unscale));
        if !self.layout.energy.is_some_and(|ids| self.frozen.contains(&ids.alpha)) {
            step_size::control(b, &self.config, &self.objective, &self.layout, &mut self.weights, &share, &factor);
        }
        let alpha = self.layout.energy.map(|ids| &self.weights[ids.alpha]);
        inputs.report_layout.add_update(b, &mut inputs.report, &norm, alpha);
        b.enter(left);
    }

    /// The report on the host, and whether energy gradients were finite.
    fn read(&self, b: &B, steps: usize) -> (StepReport, bool) {
        let Some(inputs) = &self.inputs else { return (StepReport::default(), true) };
        let scale = if inputs.scaling.is_some() { self.loss_scale.outer.factor } else { 1.0 };
        let (mut report, inner_finite) = inputs.report_layout.read(b, &inputs.report, scale, steps);
        if !self.config.has_energy() {
            report.energies.clear();
        }
        (report, inner_finite)
    }

    /// The first parameter whose gradient is not finite.
    fn culprit(&self, b: &B) -> String {
        let bad = self
            .layout
            .entries
            .iter()
            .zip(&self.grads)
            .find(|(_, g)| !scalar(b, &b.sum_squares(core::slice::from_ref(*g))).is_finite());
        bad.map_or_else(|| String::from("the gradient"), |(e, _)| format!("the gradient of {}", e.name))
    }
}

/// Auxiliary-loss-free balancing (arXiv 2408.15664): every routing bias moves by `bias_rate` against the sign of its
/// expert's load error, unless the step is skipped (`factor` is NaN).
fn nudge_routing<B: Backend>(
    b: &B,
    config: &Config,
    (layout, frozen): (&ParameterLayout, &[ParameterId]),
    weights: &mut [B::Array],
    loads: &[B::Array],
    factor: &B::Array,
) {
    let Some(moe) = config.moe.as_ref().filter(|m| m.bias_rate > 0.0) else { return };
    let biases = layout.blocks.iter().filter_map(|block| match block.feed_forward {
        FeedForwardIds::Mixture { bias, .. } => Some(bias),
        FeedForwardIds::Dense(_) => None,
    });
    let applied = b.heaviside(&b.offset(&b.scale(factor, 0.0), 1.0));
    for (bias, load) in biases.zip(loads).filter(|(bias, _)| !frozen.contains(bias)) {
        let mean = b.scale(&b.sum_columns(load), 1.0 / moe.n_routed as f64);
        let over = b.add(load, &b.scale(&mean, -1.0));
        let sign = b.add(&b.heaviside(&b.scale(&over, -1.0)), &b.scale(&b.heaviside(&over), -1.0));
        b.accumulate(&mut weights[bias], &b.mul(&b.scale(&sign, moe.bias_rate), &applied));
    }
}

/// Reads a `(1,1)` matrix.
fn scalar<B: Backend>(b: &B, a: &B::Array) -> f64 {
    let mut out = [f64::NAN];
    b.download_f64(a, &mut out);
    out[0]
}
