//! Models in files: loading and saving `.ebt`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ebt_core::compute::Backend;
use ebt_core::config::Config;
use ebt_core::model_file::{self, Contents, Dtype, MAGIC};
use ebt_core::objective::Objective;
use ebt_core::parameters::ParameterLayout;
use ebt_tokenizer::Tokenizer;

use ebt_data::{file, program};

/// Name of the model file inside a run or checkpoint folder.
pub const MODEL_FILE: &str = "model.ebt";

/// How a packed model begins, which is for inference alone and no model file.
pub const PACKED: [u8; 8] = [0x89, b'E', b'B', b'P', b'\r', b'\n', 0x1a, b'\n'];

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
    /// Where the model comes from, as (key, value) pairs.
    pub provenance: Vec<(String, String)>,
}

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

/// Loads a model from a model file, or from a run or checkpoint folder.
///
/// # Errors
///
/// A file that cannot be read or is not a sound model file; the message names it.
pub fn load(path: &Path) -> Result<LoadedModel> {
    let path = locate(path)?;
    let bytes = file::map(&path)?;
    if looks_like_safetensors(&bytes) {
        bail!("{} is a safetensors file: turn it into a model with `{} import`", path.display(), program::name());
    }
    if bytes.starts_with(&PACKED) {
        let path = path.display();
        bail!("{path} is a packed model, for inference alone: give the model file that it was exported from");
    }
    let parsed = model_file::read(&bytes).with_context(|| path.display().to_string())?;
    let tokenizer = parsed.tokenizer.map(Tokenizer::from_json).transpose();
    let tokenizer = tokenizer.with_context(|| format!("the tokenizer inside {}", path.display()))?;
    if let Some(tokenizer) = &tokenizer {
        check_vocabulary(&parsed.config, tokenizer).with_context(|| path.display().to_string())?;
    }
    Ok(LoadedModel {
        weights: parsed.tensors.iter().map(|t| t.to_f32().collect()).collect(),
        provenance: parsed.provenance().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
        config: parsed.config,
        objective: parsed.objective,
        layout: parsed.layout,
        tokenizer,
    })
}

/// Whether a file begins as safetensors do: a header length and an opening brace.
fn looks_like_safetensors(bytes: &[u8]) -> bool {
    !bytes.starts_with(&MAGIC) && bytes.get(8) == Some(&b'{')
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

/// Saves a model atomically.
///
/// # Errors
///
/// Contents that contradict each other, and whatever the file system refuses; the message names the file.
pub fn save<W: AsRef<[f32]>>(path: &Path, contents: &Contents<'_, W>) -> Result<()> {
    let bytes = model_file::write(contents).with_context(|| format!("cannot write {}", path.display()))?;
    file::write(path, |out| Ok(out.write_all(&bytes)?))
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

    /// Saves the model atomically with its values stored as `dtype`.
    ///
    /// # Errors
    ///
    /// As [`save`].
    pub fn save(&self, path: &Path, dtype: Dtype) -> Result<()> {
        let tokenizer = self.tokenizer.as_ref().map(Tokenizer::to_json);
        save(
            path,
            &Contents {
                config: &self.config,
                objective: &self.objective,
                provenance: &self.provenance,
                weights: &self.weights,
                dtype,
                tokenizer: tokenizer.map(str::as_bytes),
            },
        )
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
        match &self.tokenizer {
            Some(tokenizer) => Ok(tokenizer),
            None => bail!("the model holds no tokenizer: import it again with --tokenizer tokenizer.json"),
        }
    }
}
