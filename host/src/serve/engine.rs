//! The model that is served.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use ebt::engine::descent::DescentOptions;
use ebt::engine::{Session, SessionOptions};
use ebt::packed::{Isa, Storage};
use ebt::{Delimiters, Settings};
use ebt_core::config::{Config, ModelKind};
use ebt_tokenizer::{Special, Tokenizer};

use super::limits::Limits;
use crate::inference::{InferenceModel, delimiters, extents};

/// A model, its tokenizer, and what a session of it may take.
#[derive(Debug)]
pub struct Engine {
    /// The model; every worker reads it anew.
    pub model: InferenceModel,
    /// What requests call it.
    pub name: String,
    /// Seconds from 1970 to the start of the server.
    pub created: u64,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// The tokens that delimit a text.
    pub delimiters: Delimiters,
    /// Its sizes.
    pub config: Config,
    /// Descent steps of a token where nothing is said.
    pub steps: usize,
    /// Bytes of a session: what the largest settings that the limits allow take, without curvatures.
    pub bytes: usize,
    /// How sessions keep keys and values.
    pub cache: Storage,
    /// Instructions of the processor.
    pub kernel: Isa,
    /// Bounds of requests.
    pub limits: Limits,
}

impl Engine {
    /// The model under a name.
    ///
    /// # Errors
    ///
    /// A model that continues no text, and limits below what the model itself asks for.
    pub fn new(model: InferenceModel, name: String, cache: Storage, kernel: Isa, limits: Limits) -> Result<Self> {
        let read = model.model()?;
        let (config, steps) = (read.config.clone(), read.descent.steps);
        if config.kind == ModelKind::Joint {
            bail!("{}: a joint model answers boards and letters; it continues no text", model.name);
        }
        if steps > limits.steps {
            bail!("--most-think {}: {} takes {steps} steps by itself", limits.steps, model.name);
        }
        let tokenizer = model.tokenizer(&read)?.into_owned();
        let think = DescentOptions { steps: limits.steps, candidates: limits.candidates, ..DescentOptions::default() };
        let bytes = Session::bytes_needed(&config, &SessionOptions { trials: true, cache, ..extents(&think, steps) })?;
        let delimiters = delimiters(&tokenizer)?;
        let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Ok(Self { model, name, created, tokenizer, delimiters, config, steps, bytes, cache, kernel, limits })
    }

    /// Extents of a session for such settings: those of `ebt generate`, where they fit in a session of this server.
    ///
    /// # Errors
    ///
    /// A sentence that says how much they take and how much there is.
    pub fn extents(&self, settings: &Settings) -> Result<SessionOptions, String> {
        let wanted = SessionOptions { cache: self.cache, ..extents(&settings.think, self.steps) };
        match Session::bytes_needed(&self.config, &wanted) {
            Ok(needed) if needed <= self.bytes => Ok(wanted),
            Ok(needed) => Err(format!(
                "takes {needed} bytes of memory, and a session of this server has {}: `ebt serve --most-candidates N` makes it larger",
                self.bytes
            )),
            Err(error) => Err(format!("cannot be run: {error}")),
        }
    }

    /// A token as a string: its text, the name of a special token, or `bytes:` and its bytes where they are no whole characters.
    pub fn label(&self, id: u32) -> String {
        let bytes = self.tokenizer.token_bytes(id).unwrap_or_default();
        if bytes.is_empty() {
            let special = Special::ALL.into_iter().find(|special| self.tokenizer.special(*special) == Some(id));
            return special.map_or_else(String::new, |special| special.text().to_owned());
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => bytes.iter().fold(String::from("bytes:"), |text, byte| format!("{text}\\x{byte:02x}")),
        }
    }
}
