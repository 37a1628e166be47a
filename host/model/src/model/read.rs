//! Reading model files.

use std::path::Path;

use anyhow::{Context, Result};
use ebt_core::config::{Config, ModelKind};
use ebt_core::objective::Objective;
use ebt_core::parameters::ParameterLayout;
use ebt_tokenizer::Tokenizer;
use ebt_tokenizer::letters::words::Words;

use super::check::{check_tokenizer, check_vocabulary};
use super::loaded::LoadedModel;
use crate::fields;
use crate::format::{
    CONFIG_KEY, FINGERPRINT_KEY, Format, OBJECTIVE_KEY, PROVENANCE_KEY, TOKENIZER_KEY, WORDS_TENSOR, fingerprint,
};
use crate::tensor_file::TensorFile;
use crate::weights::{layout_for, read_parameters, single};

/// The model file. Versions 1 and 2 were files of another kind.
pub const FORMAT: Format = Format {
    name: "model",
    what: "model file",
    version: 3,
    keys: &[OBJECTIVE_KEY, PROVENANCE_KEY, TOKENIZER_KEY, FINGERPRINT_KEY],
    foreign: || {
        let program = ebt_data::program::name();
        format!(
            "is a safetensors file that does not say what its weights mean: turn it into a model file with `{program} import`"
        )
    },
};

/// An open model file: what it says of its weights, which are not read yet.
#[derive(Debug)]
pub struct ModelFile {
    /// The file.
    pub file: TensorFile,
    /// Sizes and semantics.
    pub config: Config,
    /// How the model was trained.
    pub objective: Objective,
    /// Names and shapes of the parameters, derived from the configuration.
    pub layout: ParameterLayout,
    /// Text to tokens, if the file holds it.
    pub tokenizer: Option<Tokenizer>,
    /// Fingerprint of the tokenizer that the weights go with, if it is known.
    pub fingerprint: Option<u64>,
    /// Where the model comes from, as (key, value) pairs.
    pub provenance: Vec<(String, String)>,
}

impl ModelFile {
    /// Opens a model file.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or is not a sound model file; the message names it.
    pub fn open(path: &Path) -> Result<Self> {
        Self::of(TensorFile::open(path)?)
    }

    /// The same of a file that is open.
    ///
    /// # Errors
    ///
    /// As [`ModelFile::open`].
    pub fn of(file: TensorFile) -> Result<Self> {
        let file = FORMAT.require(file)?;
        let config = config(&file)?.with_context(|| format!("{} has no configuration", file.path().display()))?;
        let objective = objective(&file)?.unwrap_or_default();
        Self::with(file, config, objective)
    }

    /// A file whose configuration and objective are these.
    pub(crate) fn with(file: TensorFile, config: Config, objective: Objective) -> Result<Self> {
        let name = || file.path().display().to_string();
        let layout = layout_for(&file, &config)?;
        objective.validate().with_context(name)?;
        let tokenizer = file.text(TOKENIZER_KEY).map(|json| Tokenizer::from_json(json.as_bytes())).transpose();
        let tokenizer = tokenizer.with_context(|| format!("the tokenizer inside {}", name()))?;
        let said = fingerprint(&file)?;
        if let Some(tokenizer) = &tokenizer {
            check_vocabulary(&config, tokenizer).with_context(name)?;
            check_tokenizer(said, tokenizer, "the tokenizer inside it").with_context(name)?;
        }
        let fingerprint = said.or(tokenizer.as_ref().map(Tokenizer::fingerprint));
        let provenance = file.json(PROVENANCE_KEY)?.unwrap_or_default();
        Ok(Self { config, objective, layout, tokenizer, fingerprint, provenance, file })
    }

    /// Reads the weights, and the table of words of a joint model. Tensors that `aside` accepts are passed over.
    ///
    /// # Errors
    ///
    /// Tensors that do not fit the configuration, values that are not finite, and a damaged table; the message names file and tensor.
    pub fn load(self, aside: impl Fn(&str) -> bool) -> Result<LoadedModel> {
        let has_words = self.config.kind == ModelKind::Joint && self.file.shape(WORDS_TENSOR).is_some();
        let aside = |name: &str| (has_words && name == WORDS_TENSOR) || aside(name);
        let weights = read_parameters(&self.file, &self.layout, "", aside, single)?;
        let words = has_words.then(|| self.file.octets(WORDS_TENSOR)).transpose()?;
        if let Some(words) = words {
            Words::read(words).with_context(|| self.file.path().display().to_string())?;
        }
        let words = words.map(<[u8]>::to_vec);
        let Self { config, objective, layout, tokenizer, fingerprint, provenance, .. } = self;
        Ok(LoadedModel { config, objective, layout, weights, tokenizer, fingerprint, words, provenance })
    }
}

/// The configuration that a file carries.
///
/// # Errors
///
/// Fields that are not known or cannot be used; the message names file and field.
pub fn config(file: &TensorFile) -> Result<Option<Config>> {
    file.settings(CONFIG_KEY, fields::MODEL, &fields::of_config())
}

/// The objective that a file carries.
///
/// # Errors
///
/// As [`config`].
pub fn objective(file: &TensorFile) -> Result<Option<Objective>> {
    file.settings(OBJECTIVE_KEY, fields::OBJECTIVE, &fields::of_objective())
}
