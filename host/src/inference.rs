//! Models for inference with a cache: packed models used in place, and trainable ones packed in memory.

use std::borrow::Cow;
use std::path::Path;

use anyhow::{Context, Result, bail};
use ebt::engine::descent::{DescentOptions, Noise, StepSize};
use ebt::engine::{Session, SessionOptions};
use ebt::packed::{self, Isa, Model, Storage};
use ebt::{Damage, Delimiters, Generator, Options};
use ebt_core::config::Config;
use ebt_data::file::{self, Mapped};
use ebt_data::memory;
use ebt_model::{self as model, LoadedModel, check_vocabulary};
use ebt_tokenizer::{Special, Tokenizer};

use crate::{hub, packing};

/// The name of the model that is used where none is named, in messages and results.
pub const SAMPLE_NAME: &str = "the built-in sample model";

/// The same of the model that solves boards.
pub const SOLVER_NAME: &str = "the built-in solver";

/// The same of the model that restores letters.
pub const RESTORER_NAME: &str = "the built-in restorer";

/// The same of the model for letters that were lost, mistyped or misread.
pub const MISTAKES_NAME: &str = "the built-in model of mistakes";

/// A packed model and where its bytes lie.
#[derive(Debug)]
pub struct InferenceModel {
    /// The file, as it was named; [`SAMPLE_NAME`].
    pub name: String,
    bytes: Bytes,
    /// That of a trainable model: one from elsewhere may have no compact form, and stays as it is.
    tokenizer: Option<Tokenizer>,
}

#[derive(Debug)]
enum Bytes {
    Mapped(Mapped),
    Owned(Vec<u8>),
    BuiltIn(&'static [u8]),
}

/// Whether the file that is meant by `path` is a packed model.
///
/// # Errors
///
/// A file that cannot be read; the message names it.
pub fn is_packed(path: &Path) -> Result<bool> {
    Ok(file::map(&model::locate(&hub::local(path)?)?)?.starts_with(&packed::MAGIC))
}

impl InferenceModel {
    /// The model in a file (packed ones are mapped, others packed in memory as singles), in a run or checkpoint folder or on the
    /// hub; the built-in one where none is named.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or is not a sound model; the message names it.
    pub fn load(path: Option<&Path>) -> Result<Self> {
        Self::load_or(path, (SAMPLE_NAME, ebt_fixtures::SAMPLE_MODEL))
    }

    /// The same, where the built-in one solves boards.
    ///
    /// # Errors
    ///
    /// As [`Self::load`].
    pub fn load_solver(path: Option<&Path>) -> Result<Self> {
        Self::load_or(path, (SOLVER_NAME, ebt_fixtures::SUDOKU_MODEL))
    }

    /// The same, where a built-in one restores letters that suffered `damage`.
    ///
    /// # Errors
    ///
    /// As [`Self::load`].
    pub fn load_restorer(path: Option<&Path>, damage: Damage) -> Result<Self> {
        let built_in = match damage {
            Damage::Ascii | Damage::Circumflex => (RESTORER_NAME, ebt_fixtures::RESTORE_MODEL),
            Damage::Missing | Damage::Keyboard | Damage::Ocr => (MISTAKES_NAME, ebt_fixtures::MISTAKES_MODEL),
        };
        Self::load_or(path, built_in)
    }

    fn load_or(path: Option<&Path>, (built_in, bytes): (&str, &'static [u8])) -> Result<Self> {
        let packed = |name: &str, bytes| Self { name: name.to_owned(), bytes, tokenizer: None };
        let Some(path) = path else { return Ok(packed(built_in, Bytes::BuiltIn(bytes))) };
        let name = path.display().to_string();
        let path = &hub::local(path)?;
        let mapped = file::map(&model::locate(path)?)?;
        if mapped.starts_with(&packed::MAGIC) {
            Ok(packed(&name, Bytes::Mapped(mapped)))
        } else {
            Self::of(&name, model::load(path)?)
        }
    }

    /// Memory for a generator.
    ///
    /// # Errors
    ///
    /// Those of [`Generator::bytes_needed`], and more than can be had.
    pub fn generator_memory(&self, options: &Options) -> Result<SessionMemory> {
        SessionMemory::of_bytes(Generator::bytes_needed(self.bytes(), options).with_context(|| self.name.clone())?)
    }

    /// A generator in such memory, with its products computed by `kernel`.
    ///
    /// # Errors
    ///
    /// Those of [`Generator::new`]; the message names the model.
    pub fn generator<'m, 'a>(
        &'m self,
        options: &Options,
        memory: &'a mut SessionMemory,
        kernel: Isa,
    ) -> Result<Generator<'m, 'a>> {
        Ok(Generator::new(self.bytes(), options, memory.arena()).with_context(|| self.name.clone())?.with_isa(kernel))
    }

    /// A trainable model, packed as singles.
    ///
    /// # Errors
    ///
    /// Weights that are not finite.
    pub fn of(name: &str, loaded: LoadedModel) -> Result<Self> {
        let bytes = packing::pack_with(&loaded, Storage::F32, None).with_context(|| name.to_owned())?;
        Ok(Self { name: name.to_owned(), bytes: Bytes::Owned(bytes), tokenizer: loaded.tokenizer })
    }

    /// The model, checked anew: its time is linear in its bytes.
    ///
    /// # Errors
    ///
    /// A damaged file; the message names it.
    pub fn model(&self) -> Result<Model<'_>> {
        Model::read(self.bytes()).with_context(|| self.name.clone())
    }

    /// The bytes of the packed model.
    pub fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Mapped(mapped) => mapped,
            Bytes::Owned(bytes) => bytes,
            Bytes::BuiltIn(bytes) => bytes,
        }
    }

    /// The tokenizer that goes with `model`, which [`Self::model`] gave.
    ///
    /// # Errors
    ///
    /// A model without one, or with one that is damaged or does not fit; the message names the model.
    pub fn tokenizer(&self, model: &Model<'_>) -> Result<Cow<'_, Tokenizer>> {
        if let Some(tokenizer) = &self.tokenizer {
            return Ok(Cow::Borrowed(tokenizer));
        }
        let Some(bytes) = model.tokenizer() else {
            bail!("{}: the model holds no tokenizer: import it again with --tokenizer tokenizer.json", self.name)
        };
        let tokenizer =
            Tokenizer::from_compact(bytes).with_context(|| format!("the tokenizer inside {}", self.name))?;
        check_vocabulary(&model.config, &tokenizer).with_context(|| self.name.clone())?;
        Ok(Cow::Owned(tokenizer))
    }
}

/// The tokens that delimit a text.
///
/// # Errors
///
/// A tokenizer without a begin token.
pub fn delimiters(tokenizer: &Tokenizer) -> Result<Delimiters> {
    let Some(begin) = tokenizer.special(Special::Begin) else {
        bail!("the tokenizer has no {} token, which has to stand before every text", Special::Begin);
    };
    Ok(Delimiters { begin, end: tokenizer.special(Special::End) })
}

/// Whether a token is text: special tokens, and numbers that are no token, are not.
pub fn spells(tokenizer: &Tokenizer, id: u32) -> bool {
    tokenizer.token_bytes(id).is_some_and(|bytes| !bytes.is_empty())
}

/// Tokens of a prompt that are read together.
const BLOCK: usize = 64;

/// Extents of a session that thinks so; its steps are those of all rounds of committing.
pub fn extents(think: &DescentOptions, usual_steps: usize) -> SessionOptions {
    let steps = if think.steps == 0 { usual_steps } else { think.steps };
    SessionOptions {
        block: BLOCK,
        rows: think.candidates,
        steps: steps.saturating_mul(think.commits.max(1)),
        trials: matches!(think.step_size, StepSize::Armijo { .. }) || matches!(think.noise, Noise::Metropolis { .. }),
        curvature: think.curvature > 0 || matches!(think.step_size, StepSize::Curvature { .. }),
        ..SessionOptions::default()
    }
}

/// Memory for a session: words, because an arena starts at a multiple of four.
#[derive(Debug)]
pub struct SessionMemory(Vec<u32>);

impl SessionMemory {
    /// As much as a session takes.
    ///
    /// # Errors
    ///
    /// Options out of their range, and more memory than can be had.
    pub fn of(config: &Config, options: &SessionOptions) -> Result<Self> {
        Self::of_bytes(Session::bytes_needed(config, options)?)
    }

    /// So many bytes.
    ///
    /// # Errors
    ///
    /// More memory than can be had.
    pub fn of_bytes(bytes: usize) -> Result<Self> {
        let remedy = "fewer candidates or steps, or a model with a shorter context or window, take less";
        memory::check("a session of this model", bytes as u64, remedy)?;
        let mut words = Vec::new();
        if words.try_reserve_exact(bytes.div_ceil(4)).is_err() {
            bail!("a session of this model takes {bytes} bytes of memory, which cannot be had: {remedy}");
        }
        words.resize(bytes.div_ceil(4), 0);
        Ok(Self(words))
    }

    /// Its size in bytes.
    pub fn bytes(&self) -> usize {
        4 * self.0.len()
    }

    /// The memory itself.
    pub fn arena(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(&mut self.0)
    }

    /// A session that works in it.
    ///
    /// # Errors
    ///
    /// As [`Session::new`].
    pub fn session<'m>(&mut self, model: Model<'m>, options: &SessionOptions, kernel: Isa) -> Result<Session<'m, '_>> {
        Ok(Session::new(model, options, self.arena())?.with_isa(kernel))
    }
}
