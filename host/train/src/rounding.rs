//! Training with matrices as a packed model will hold them (straight-through estimation, Bengio et al., arXiv 1308.3432): energies and
//! gradients are those of the rounded matrices, and what a step adds is added to the matrices as they were.

use ebt::packed::{self, Storage};
use ebt_core::average::Average;
use ebt_core::compute::Backend;
use ebt_core::error::Result;
use ebt_core::parameters::{ParameterId, ParameterLayout};
use ebt_core::training::{Sequences, StepReport, StepSettings, Trainer};

use crate::checkpoint::download;

/// Rounds the matrices of a model to a storage.
#[derive(Clone, Debug)]
pub struct Rounding {
    storage: Storage,
    /// Number and columns of every matrix.
    matrices: Vec<(ParameterId, usize)>,
}

impl Rounding {
    /// The rounding to `storage`; none where that holds singles.
    pub fn of(storage: Storage, layout: &ParameterLayout) -> Option<Self> {
        let wide = |id: ParameterId| (id, layout.entries[id].columns);
        let matrices = packed::matrices(layout).into_iter().map(wide).collect();
        (storage != Storage::F32).then_some(Self { storage, matrices })
    }

    /// Rounds weights in layout order.
    ///
    /// # Errors
    ///
    /// A value that is too large for the storage.
    pub fn round(&self, weights: &mut [Vec<f32>]) -> Result<()> {
        self.matrices.iter().try_for_each(|&(id, columns)| packed::round(self.storage, columns, &mut weights[id]))
    }

    /// Weights in layout order, rounded.
    ///
    /// # Errors
    ///
    /// As [`Self::round`].
    pub fn rounded<B: Backend>(&self, b: &B, weights: &[B::Array]) -> Result<Vec<B::Array>> {
        let mut values = download(b, weights);
        self.round(&mut values)?;
        let up = |(array, values): (&B::Array, &Vec<f32>)| {
            let (rows, columns) = b.shape(array);
            b.upload(rows, columns, values)
        };
        Ok(weights.iter().zip(&values).map(up).collect())
    }

    /// What rounding adds to every matrix.
    fn errors<B: Backend>(&self, b: &B, weights: &[B::Array]) -> Result<Vec<B::Array>> {
        let of = |&(id, columns): &(ParameterId, usize)| {
            let before = download(b, &weights[id..=id]).concat();
            let mut values = before.clone();
            packed::round(self.storage, columns, &mut values)?;
            values.iter_mut().zip(&before).for_each(|(to, from)| *to -= from);
            Ok(b.upload(values.len() / columns, columns, &values))
        };
        self.matrices.iter().map(of).collect()
    }
}

/// One training step ([`Trainer::step`]), of rounded matrices where there is a rounding.
///
/// # Errors
///
/// As [`Rounding::round`] and [`Trainer::step`]; the weights are then those of before the step, up to single precision.
pub fn step<B: Backend>(
    rounding: Option<&Rounding>,
    b: &B,
    trainer: &mut Trainer<B>,
    sequences: &Sequences,
    settings: &StepSettings,
) -> Result<StepReport> {
    let Some(rounding) = rounding else { return trainer.step(b, sequences, settings) };
    let errors = rounding.errors(b, &trainer.weights)?;
    let updates = trainer.average.updates;
    for (&(id, _), by) in rounding.matrices.iter().zip(&errors) {
        b.accumulate(&mut trainer.weights[id], by);
    }
    let report = trainer.step(b, sequences, settings);
    // the average has taken a share of the weights with the errors in them
    let keep = Average::<B::Array>::keep(settings.ema_decay, updates);
    let share = if trainer.average.updates > updates { 1.0 - keep } else { 0.0 };
    for (&(id, _), by) in rounding.matrices.iter().zip(&errors) {
        b.accumulate(&mut trainer.weights[id], &b.scale(by, -1.0));
        if share > 0.0 {
            b.accumulate(&mut trainer.average.weights[id], &b.scale(by, -share));
        }
    }
    report
}
