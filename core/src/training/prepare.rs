//! Brings what a training step takes from the host to the device.

use alloc::string::String;
use alloc::vec::Vec;

use super::device_sequences::DeviceSequences;
use super::inputs::Inputs;
use super::lanes::Part;
use super::report::ReportLayout;
use super::sequences::Sequences;
use super::trainer::{StepSettings, Trainer};
use crate::average::Average;
use crate::compute::Backend;
use crate::config::ModelKind;
use crate::error::{Error, Result};
use crate::loss_scale::Scaling;

/// `(first sequence, sequences)` of every micro-batch.
fn micro_batches(batch: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let most = most.max(1);
    (0..batch).step_by(most).map(move |first| (first, most.min(batch - first)))
}

impl<B: Backend> Trainer<B> {
    /// Brings a step's sequences and numbers to the device; returns the number of descent steps.
    pub(super) fn prepare(
        &mut self,
        b: &B,
        sequences: &Sequences,
        settings: &StepSettings,
        part: &Part,
    ) -> Result<usize> {
        sequences.validate(&self.config)?;
        let lanes = part.own(sequences.batch)?.len();
        // remembered sequences may have other positions than those they replaced
        let positions = match self.objective.replay {
            0 => part.positions as u64,
            _ => {
                let all = b.sum_count(sequences.positions() as u64);
                // a rank that is gone has no number, which is not that there is nothing to learn
                b.status()?;
                all
            }
        };
        if positions == 0 {
            let message = String::from("no position has a target");
            return Err(Error::Shape { what: String::from("batch"), message });
        }
        let (steps, most) = match self.config.kind {
            ModelKind::Transformer => (1, 1),
            ModelKind::Ebt | ModelKind::Joint => {
                (self.objective.steps(settings.seed, settings.step), self.objective.most_steps())
            }
        };
        let experts = (0..self.config.layers).filter_map(|l| self.config.mixture(l)).map(|m| m.n_routed).collect();
        let decrease = self.config.has_energy() && self.objective.measures_decrease();
        let report_layout = ReportLayout::new(most, experts, decrease);
        let a_lane = sequences.batch / lanes;
        let parts: Vec<Sequences> = (0..lanes)
            .flat_map(|lane| {
                micro_batches(a_lane, settings.micro_batch).map(move |(first, n)| (lane * a_lane + first, n))
            })
            .map(|(first, n)| sequences.slice(first, n))
            .collect();
        let mut inputs = match self.inputs.take() {
            Some(inputs) => inputs,
            None => Inputs {
                sequences: Vec::new(),
                device_scalars: b.fill(1, 5, 0.0),
                weight: b.fill(1, 1, 0.0),
                scaling: b.needs_loss_scale().then(|| Scaling::new(b)),
                stop: b.fill(1, 1, 0.0),
                report: b.fill(1, report_layout.columns(), 0.0),
                report_layout: report_layout.clone(),
            },
        };
        if inputs.report_layout != report_layout {
            inputs.report = b.fill(1, report_layout.columns(), 0.0);
            self.waiting.clear();
            inputs.report_layout = report_layout;
        }
        while self.waiting.len() < Part::waiting(lanes) {
            let shapes = self.layout.entries.iter().map(|e| (e.rows, e.columns));
            let shapes: Vec<_> = shapes.chain([(1, inputs.report_layout.columns())]).collect();
            self.waiting.push(b.zeros(&shapes));
        }
        let fits = inputs.sequences.len() == parts.len() && inputs.sequences.iter().zip(&parts).all(|(d, s)| d.fits(s));
        if fits {
            for (device, part) in inputs.sequences.iter_mut().zip(&parts) {
                device.write(b, &self.config, part);
            }
        } else {
            let upload = |part| DeviceSequences::upload(b, &self.config, part);
            inputs.sequences = parts.iter().map(upload).collect::<Result<_>>()?;
        }
        let keep = Average::<B::Array>::keep(settings.ema_decay, self.average.updates);
        b.write(
            &mut inputs.device_scalars,
            &self.optimizer.device_scalars(&self.optimizer_config, settings.rate, keep),
        );
        let outer = match &mut inputs.scaling {
            Some(scaling) => {
                scaling.write(b, &self.loss_scale);
                self.loss_scale.outer.factor
            }
            None => 1.0,
        };
        b.write(&mut inputs.weight, &[outer / positions as f64]);
        if lanes < part.lanes {
            b.write(&mut inputs.stop, &[f64::from(u8::from(part.stop))]);
        }
        b.set_noise_step(settings.step);
        self.inputs = Some(inputs);
        Ok(steps)
    }

    /// What a recorded step depends on beside the values in its arrays: where they live, and how many descent steps.
    pub(super) fn key(&self, b: &B, settings: &StepSettings, steps: usize) -> Vec<u64> {
        let mut key = alloc::vec![settings.seed, steps as u64];
        let lists = [&self.weights, &self.optimizer.first, &self.optimizer.second, &self.average.weights, &self.grads];
        key.extend(lists.into_iter().chain(&self.waiting).flatten().map(|a| b.address(a)));
        if let Some(inputs) = &self.inputs {
            key.extend([&inputs.device_scalars, &inputs.weight, &inputs.report].map(|a| b.address(a)));
            key.extend(inputs.scaling.iter().flat_map(|s| s.addresses(b)));
            for device in &inputs.sequences {
                let shape = device.geometry(&self.config).shape;
                key.extend([shape.batch as u64, shape.context as u64]);
                key.extend(device.addresses(b));
            }
        }
        key
    }
}
