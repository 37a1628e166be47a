//! Taking in files of other programs: weights that say what they are, or are told.

use std::path::Path;

use anyhow::Result;
use ebt_core::config::Config;
use ebt_core::objective::Objective;

use crate::dtype::Dtype;
use crate::infer::{Hints, infer};
use crate::model::{FORMAT, LoadedModel, ModelFile, config, objective};
use crate::tensor_file::TensorFile;
use crate::weights::is_case_name;

/// A file to take in.
#[derive(Debug)]
pub struct Foreign(TensorFile);

/// What was taken in.
#[derive(Debug)]
pub struct Imported {
    /// The model.
    pub model: LoadedModel,
    /// How its file stored the weights: this keeps every bit of them.
    pub dtype: Dtype,
    /// Tensors of a golden case, which were left out.
    pub aside: usize,
}

impl Foreign {
    /// Opens a safetensors file: one of another program, or a model file.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, is of another kind or version, or damaged; the message names it.
    pub fn open(path: &Path) -> Result<Self> {
        Self::of(TensorFile::open(path)?)
    }

    /// The same of a file that is open.
    ///
    /// # Errors
    ///
    /// As [`Foreign::open`].
    pub fn of(file: TensorFile) -> Result<Self> {
        FORMAT.admit(&file)?;
        Ok(Self(file))
    }

    /// The configuration that the file carries.
    ///
    /// # Errors
    ///
    /// Fields that are not known or cannot be used; the message names file and field.
    pub fn config(&self) -> Result<Option<Config>> {
        config(&self.0)
    }

    /// The configuration that the shapes tell, with hints for the rest.
    ///
    /// # Errors
    ///
    /// As [`infer`].
    pub fn infer(&self, hints: &Hints) -> Result<Config> {
        infer(&self.0, hints)
    }

    /// The model in the file, which has this configuration. Where the file does not say how it was trained, it takes as
    /// many noiseless steps as there are landscapes; where it does not say where it comes from, `origin` does.
    ///
    /// # Errors
    ///
    /// Tensors that do not fit the configuration, values that are not finite, and strings that cannot be used; the message
    /// names the file.
    pub fn read(self, config: Config, origin: &[(String, String)]) -> Result<Imported> {
        let steps = config.landscapes;
        let noiseless = || Objective { min_steps: steps, max_steps: steps, ..Objective::default() };
        let objective = objective(&self.0)?.unwrap_or_else(noiseless);
        let (mut dtypes, aside) = (Vec::new(), self.0.names().filter(|name| is_case_name(name)).count());
        dtypes.extend(self.0.names().filter(|name| !is_case_name(name)).filter_map(|name| self.0.dtype(name)));
        let kept = [Dtype::F16, Dtype::Bf16].into_iter().find(|&dtype| dtypes.iter().all(|&own| own == dtype.into()));
        let mut model = ModelFile::with(self.0, config, objective)?.load(is_case_name)?;
        if model.provenance.is_empty() {
            model.provenance = origin.to_vec();
        }
        Ok(Imported { model, dtype: kept.unwrap_or_default(), aside })
    }
}
