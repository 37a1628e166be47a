//! The model file `.ebt`: weights, configuration, objective, tokenizer and origin in one safetensors file.
//!
//! What makes a file a model file is in its strings ([`format`](mod@crate::format)), not in its name.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ebt_core::compute::Backend;
use ebt_core::config::{Conditioning, Config, Initialization, ModelKind};
use ebt_core::objective::Objective;
use ebt_core::parameters::ParameterLayout;
use ebt_data::{file, program};
use ebt_tokenizer::Tokenizer;
use serde_json::Value;

use crate::dtype::Dtype;
use crate::fields;
use crate::format::{
    CONFIG_KEY, FINGERPRINT_KEY, Format, OBJECTIVE_KEY, PROVENANCE_KEY, TOKENIZER_KEY, fingerprint, fingerprint_text,
};
use crate::tensor_file::TensorFile;
use crate::weights::{Names, layout_for, read_parameters, single};
use crate::write::{self, Values};

/// The model file. Versions 1 and 2 were files of another kind.
pub const FORMAT: Format = Format {
    name: "model",
    what: "model file",
    version: 3,
    keys: &[OBJECTIVE_KEY, PROVENANCE_KEY, TOKENIZER_KEY, FINGERPRINT_KEY],
    foreign: || {
        let program = program::name();
        format!("is a safetensors file that does not say what its weights mean: turn it into a model file with `{program} import`")
    },
};

/// Name of the model file inside a run or checkpoint folder.
pub const MODEL_FILE: &str = "model.ebt";

/// The model file meant by `path`: a file itself, or `model.ebt` in a run or checkpoint folder.
///
/// # Errors
///
/// A path that does not exist, and a folder without a model file.
pub fn locate(path: &Path) -> Result<PathBuf> {
    if !path.try_exists().with_context(|| format!("cannot read {}", path.display()))? {
        bail!("{} does not exist", path.display());
    }
    if !path.is_dir() {
        return Ok(path.to_path_buf());
    }
    let found = [path.join(MODEL_FILE), path.join("checkpoint").join(MODEL_FILE)].into_iter().find(|p| p.is_file());
    found.with_context(|| format!("the folder {} holds no {MODEL_FILE}", path.display()))
}

/// Refuses a tokenizer with ids that the model does not have.
///
/// # Errors
///
/// Both sizes in a sentence.
pub fn check_vocabulary(config: &Config, tokenizer: &Tokenizer) -> Result<()> {
    let (tokens, vocab) = (tokenizer.vocabulary_size(), config.vocab);
    if tokens > vocab {
        bail!("the tokenizer has {tokens} tokens, but the model's vocabulary (`vocab`) holds {vocab}");
    }
    Ok(())
}

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

    /// Reads the weights. Tensors that `aside` accepts are passed over.
    ///
    /// # Errors
    ///
    /// Tensors that do not fit the configuration, and values that are not finite; the message names file and tensor.
    pub fn load(self, aside: impl Fn(&str) -> bool) -> Result<LoadedModel> {
        let weights = read_parameters(&self.file, &self.layout, "", aside, single)?;
        let Self { config, objective, layout, tokenizer, fingerprint, provenance, .. } = self;
        Ok(LoadedModel { config, objective, layout, weights, tokenizer, fingerprint, provenance })
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

/// Refuses a tokenizer, called `what`, other than the one with the fingerprint that weights go with.
///
/// # Errors
///
/// Both fingerprints in a sentence.
pub fn check_tokenizer(expected: Option<u64>, tokenizer: &Tokenizer, what: &str) -> Result<()> {
    let found = tokenizer.fingerprint();
    match expected {
        Some(expected) if expected != found => bail!(
            "the weights go with the tokenizer {}, but {what} is {} of {} tokens, whose ids mean other text",
            fingerprint_text(expected),
            fingerprint_text(found),
            tokenizer.vocabulary_size()
        ),
        _ => Ok(()),
    }
}

/// What a model file is written from.
#[derive(Debug)]
pub struct Contents<'a, W> {
    /// Sizes and semantics.
    pub config: &'a Config,
    /// How the model was trained.
    pub objective: &'a Objective,
    /// Where the model comes from.
    pub provenance: &'a [(String, String)],
    /// Weights in layout order.
    pub weights: &'a [W],
    /// How they are stored.
    pub dtype: Dtype,
    /// Text to tokens, if the file is to hold it.
    pub tokenizer: Option<&'a Tokenizer>,
    /// Fingerprint of the tokenizer that the weights go with, where it is known and no tokenizer is given.
    pub fingerprint: Option<u64>,
}

/// Writes a model file: [`Dtype::F32`] keeps every bit, and equal models give equal bytes.
///
/// # Errors
///
/// A configuration or objective that is not valid, weights that do not fit it or that are not finite as they are stored, and
/// what `out` refuses.
pub fn write<W: AsRef<[f32]>>(contents: &Contents<'_, W>, out: &mut dyn Write) -> Result<()> {
    let Contents { config, objective, provenance, weights, dtype, tokenizer, fingerprint } = *contents;
    config.validate()?;
    objective.validate()?;
    let layout = ParameterLayout::new(config);
    let tensors = Names::of(&layout).tensors(&layout, weights, "", dtype)?;
    for tensor in &tensors {
        if let Values::Floats { values, .. } = tensor.values
            && let Some(bad) = values.iter().find(|&&x| !dtype.round(x).is_finite())
        {
            bail!("tensor {} holds {bad:e}, which is no finite number as {}", tensor.name, dtype.name());
        }
    }
    let mut strings = FORMAT.stamp();
    strings.insert(CONFIG_KEY, config_json(config)?);
    strings.insert(OBJECTIVE_KEY, serde_json::to_string(objective)?);
    strings.insert(PROVENANCE_KEY, serde_json::to_string(provenance)?);
    if let Some(fingerprint) = tokenizer.map(Tokenizer::fingerprint).or(fingerprint) {
        strings.insert(FINGERPRINT_KEY, fingerprint_text(fingerprint));
    }
    if let Some(tokenizer) = tokenizer {
        strings.insert(TOKENIZER_KEY, tokenizer.to_json().to_owned());
    }
    write::write(out, strings, tensors)
}

/// The configuration as JSON. Fields that the published reference does not know are left out where they hold their
/// default, so that it can read the rest.
fn config_json(config: &Config) -> Result<String> {
    let mut value = serde_json::to_value(config)?;
    if let Some(fields) = value.as_object_mut() {
        let ours = [
            ("kind", config.kind == ModelKind::default()),
            ("condition", config.condition == Conditioning::default()),
            ("initialization", config.initialization == Initialization::default()),
        ];
        for (field, _) in ours.iter().filter(|(_, default)| *default) {
            fields.remove(*field);
        }
        if let (Some(Value::Object(moe)), Some(set)) = (fields.get_mut("moe"), &config.moe)
            && set.bias_rate == 0.0
        {
            moe.remove("bias_rate");
        }
    }
    Ok(serde_json::to_string(&value)?)
}

/// Saves a model file atomically.
///
/// # Errors
///
/// As [`write`], and whatever the file system refuses; the message names the file.
pub fn save<W: AsRef<[f32]>>(path: &Path, contents: &Contents<'_, W>) -> Result<()> {
    file::write(path, |out| write(contents, out))
}

/// Loads a model from a model file, or from a run or checkpoint folder.
///
/// # Errors
///
/// A file that cannot be read or is not a sound model file; the message names it.
pub fn load(path: &Path) -> Result<LoadedModel> {
    ModelFile::open(&locate(path)?)?.load(|_| false)
}

/// A model in memory.
#[derive(Clone, Debug)]
pub struct LoadedModel {
    /// Sizes and semantics.
    pub config: Config,
    /// How it was trained; inference takes its defaults from here.
    pub objective: Objective,
    /// Names and shapes of the parameters.
    pub layout: ParameterLayout,
    /// Weights in layout order, each row-major `(rows, columns)`. In a model from training: the moving average.
    pub weights: Vec<Vec<f32>>,
    /// Text to tokens, if the file holds it.
    pub tokenizer: Option<Tokenizer>,
    /// Fingerprint of the tokenizer that the weights go with, if it is known; where there is a tokenizer, its own.
    pub fingerprint: Option<u64>,
    /// Where the model comes from, as (key, value) pairs.
    pub provenance: Vec<(String, String)>,
}

impl LoadedModel {
    /// Loads a model file with its tokenizer, as the function [`load`] does.
    ///
    /// # Errors
    ///
    /// As [`load`].
    pub fn load(path: &Path) -> Result<Self> {
        load(path)
    }

    /// Gives the model its tokenizer, called `name` in messages.
    ///
    /// # Errors
    ///
    /// A tokenizer other than the one that the weights go with, or with ids that the model does not have.
    pub fn take_tokenizer(&mut self, tokenizer: Tokenizer, name: &str) -> Result<()> {
        check_tokenizer(self.fingerprint, &tokenizer, name)?;
        check_vocabulary(&self.config, &tokenizer)?;
        self.fingerprint = Some(tokenizer.fingerprint());
        self.tokenizer = Some(tokenizer);
        Ok(())
    }

    /// Writes the model with its values stored as `dtype`.
    ///
    /// # Errors
    ///
    /// As [`write`].
    pub fn write(&self, dtype: Dtype, out: &mut dyn Write) -> Result<()> {
        let Self { config, objective, provenance, weights, fingerprint, .. } = self;
        let (tokenizer, fingerprint) = (self.tokenizer.as_ref(), *fingerprint);
        write(&Contents { config, objective, provenance, weights, dtype, tokenizer, fingerprint }, out)
    }

    /// Saves the model atomically with its values stored as `dtype`.
    ///
    /// # Errors
    ///
    /// As [`save`].
    pub fn save(&self, path: &Path, dtype: Dtype) -> Result<()> {
        file::write(path, |out| self.write(dtype, out))
    }

    /// Copies the weights to a device, in layout order.
    ///
    /// # Errors
    ///
    /// A device failure.
    pub fn upload<B: Backend>(&self, b: &B) -> Result<Vec<B::Array>> {
        let entries = self.layout.entries.iter().zip(&self.weights);
        let weights = entries.map(|(e, w)| b.upload(e.rows, e.columns, w)).collect();
        b.status()?;
        Ok(weights)
    }

    /// The tokenizer from the model file, none of whose ids is beyond the model's vocabulary.
    ///
    /// # Errors
    ///
    /// A model without one.
    pub fn tokenizer(&self) -> Result<&Tokenizer> {
        match (&self.tokenizer, self.fingerprint) {
            (Some(tokenizer), _) => Ok(tokenizer),
            (None, Some(fingerprint)) => bail!(
                "the model holds no tokenizer: import it again with --tokenizer and the tokenizer {}",
                fingerprint_text(fingerprint)
            ),
            (None, None) => bail!("the model holds no tokenizer: import it again with --tokenizer tokenizer.json"),
        }
    }
}
