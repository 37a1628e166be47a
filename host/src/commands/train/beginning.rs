//! Beginning a run with the weights of a model.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use ebt::packed::{self, Model, unpack};
use ebt_core::config::Config;
use ebt_core::objective::Objective;
use ebt_core::parameters::ParameterLayout;
use ebt_data::file;
use ebt_data::shard::Manifest;
use ebt_model::model::check_tokenizer;
use ebt_model::{self as model, ModelFile};
use ebt_tokenizer::Tokenizer;
use ebt_train::checkpoint::{Header, State};
use ebt_train::grow::grown;
use ebt_train::run_config::{Layers, RunConfig};
use ebt_train::task::Task;

use crate::hub;

/// A model to begin with.
pub struct Origin {
    file: PathBuf,
    config: Config,
    /// How it was trained, where the file says it.
    objective: Option<Objective>,
    layout: ParameterLayout,
    weights: Vec<Vec<f32>>,
    /// Fingerprint of the tokenizer that the weights go with, if it is known.
    fingerprint: Option<u64>,
    /// Whether the file holds that tokenizer as it can be trained with.
    lends: bool,
}

impl Origin {
    /// The model in a file, or in a run or checkpoint folder.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, is no sound model, or holds a packed one whose conditions are folded; the message names it.
    pub fn load(path: &Path) -> Result<Self> {
        let file = model::locate(&hub::local(path)?)?;
        let bytes = file::map(&file)?;
        if !bytes.starts_with(&packed::MAGIC) {
            let loaded = ModelFile::open(&file)?.load(|_| false)?;
            let (config, objective, layout) = (loaded.config, Some(loaded.objective), loaded.layout);
            let lends = loaded.tokenizer.is_some();
            return Ok(Self {
                file,
                config,
                objective,
                layout,
                weights: loaded.weights,
                fingerprint: loaded.fingerprint,
                lends,
            });
        }
        let name = || file.display().to_string();
        let packed = Model::read(&bytes).with_context(name)?;
        let Some(weights) = unpack(&packed) else {
            bail!(
                "{} is a packed model whose conditions (AdaLN) are folded: begin with the model file that it was exported from",
                name()
            )
        };
        let tokenizer = packed.tokenizer().map(Tokenizer::from_compact).transpose().with_context(name)?;
        let (config, fingerprint) = (packed.config.clone(), tokenizer.map(|tokenizer| tokenizer.fingerprint()));
        let layout = ParameterLayout::new(&config);
        Ok(Self { file, config, objective: None, layout, weights, fingerprint, lends: false })
    }

    /// The configuration: sizes and semantics of the model are its own; so is the objective, unless a preset or a file is named. An embedding
    /// that was learned moves no faster than the rest, unless file or settings say so: a preset's rate is for one that was drawn.
    ///
    /// # Errors
    ///
    /// Layers that cannot be read.
    pub fn configuration(&self, layers: &Layers<'_>) -> Result<RunConfig> {
        let mut base = layers.base()?.with_plain_embedding();
        base.model = self.config.clone();
        if let (None, None, None, Some(objective)) = (layers.preset, layers.recipe, layers.file, &self.objective) {
            base.objective = objective.clone();
        }
        layers.over(base)
    }

    /// Lends its tokenizer to a run that names none.
    pub fn lend_tokenizer(&self, config: &mut RunConfig) {
        let data = &mut config.data;
        if self.lends && data.tokenizer.is_none() && !data.train.iter().any(|path| Manifest::exists(path)) {
            data.tokenizer = Some(self.file.clone());
        }
    }

    /// The run at its beginning.
    ///
    /// # Errors
    ///
    /// A configuration of other sizes than the model's, but for those in which it can grow, and another tokenizer.
    pub fn begin(self, config: &RunConfig, task: &Task) -> Result<State> {
        let (name, layout) = (self.file.display(), ParameterLayout::new(&config.model));
        let weights = grown(&self.layout, self.weights, &layout, config.train.seed).map_err(|error| {
            anyhow!(
                "--from: {name} has {error} by the configuration (section `model`); a model can grow in `layers` and `ffn` alone"
            )
        })?;
        if let Some(tokenizer) = task.tokenizer() {
            let what = "the one of this run (`data.tokenizer`, else that of prepared data)";
            check_tokenizer(self.fingerprint, tokenizer, what).with_context(|| format!("--from {name}"))?;
        }
        let from = self.file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let header = Header { from, ..Header::new(config, task, config.to_toml()?) };
        Ok(State::beginning(header, config, weights))
    }
}
