//! What a run learns: text with its tokenizer, damaged text, or puzzles that are drawn as they are needed.

mod fingerprints;
pub mod letters;
pub mod sudoku;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ebt_core::config::ModelKind;
use ebt_core::training::Sequences;
use ebt_data::encoder::Letters;
use ebt_data::progress::{Progress, count};
use ebt_data::{BatchSource, Batches, Dataset, Tokens, Worker};
use ebt_tokenizer::Tokenizer;

use crate::run_config::RunConfig;
pub use fingerprints::Fingerprints;
use letters::{LetterBatches, LetterText};
use sudoku::{Boards, Sudoku};

/// Characters of a run of validation text that stays together where it is sampled.
const LETTERS_TOGETHER: usize = 1024;

/// What a run learns.
#[derive(Debug)]
pub enum Task {
    /// The next token of a text.
    Text(Box<Dataset>),
    /// The letters of a damaged text.
    Letters(Box<LetterText>),
    /// The unknown cells of boards.
    Sudoku(Sudoku),
}

/// What a model is measured on.
#[derive(Clone, Debug)]
pub enum Probe {
    /// Validation text.
    Text(Tokens),
    /// Symbols of validation text.
    Letters(Tokens),
    /// So many of the test boards, from the first.
    Boards(usize),
}

/// Batches of a task.
#[derive(Clone, Debug)]
pub enum TaskBatches {
    /// Of text.
    Text(Batches),
    /// Of damaged text.
    Letters(Box<LetterBatches>),
    /// Of boards.
    Sudoku(Boards),
}

impl BatchSource for TaskBatches {
    fn get(&self, k: u64) -> Result<Sequences> {
        match self {
            Self::Text(batches) => batches.get(k),
            Self::Letters(batches) => batches.get(k),
            Self::Sudoku(boards) => boards.get(k),
        }
    }
    fn positions(&self, k: u64) -> Result<usize> {
        match self {
            Self::Text(batches) => Ok(batches.positions(k)),
            Self::Letters(batches) => batches.positions(k),
            Self::Sudoku(boards) => boards.positions(k),
        }
    }
}

impl RunConfig {
    /// What is learned: boards, letters, or text, of which it opens tokenizer and text, fills in what is left open (the paths of the sample text, the vocabulary), and checks that
    /// the text is long enough.
    ///
    /// # Errors
    ///
    /// Text or a tokenizer that cannot be read or used, and too little text; the message says what to change.
    pub fn load_data(&mut self) -> Result<Task> {
        self.load_data_if(|_| Ok(()))
    }

    /// The same, where `check` accepts the tokenizer; it is asked before any text is read.
    ///
    /// # Errors
    ///
    /// As [`RunConfig::load_data`], and what `check` returns.
    pub fn load_data_if(&mut self, check: impl FnOnce(&Tokenizer) -> Result<()>) -> Result<Task> {
        if let Some(sudoku) = self.sudoku {
            return Ok(Task::Sudoku(Sudoku::new(&self.model, sudoku, self.train.seed)?));
        }
        if let Some(restore) = self.restore.clone() {
            self.data.locate_text()?;
            return Ok(Task::Letters(Box::new(LetterText::load(self, restore)?)));
        }
        if self.model.kind == ModelKind::Joint {
            bail!(
                "configuration field `model.kind`: a joint model learns boards or letters; use --preset sudoku or restore, or a \
                 section `sudoku` or `restore`"
            );
        }
        let tokenizer = match self.data.tokenizer.as_deref().map(of_model).transpose()?.flatten() {
            Some((path, tokenizer)) => {
                self.data.locate_text()?;
                self.data.tokenizer = Some(path);
                tokenizer
            }
            None => self.data.locate()?,
        };
        check(&tokenizer)?;
        self.fit_vocabulary(tokenizer.vocabulary_size())?;
        Ok(Task::Text(Box::new(Dataset::load(&self.data, tokenizer, self.context())?)))
    }
}

/// The tokenizer inside a model file, where `path` is one, and that path made absolute.
fn of_model(path: &Path) -> Result<Option<(PathBuf, Tokenizer)>> {
    let Some(file) = ebt_model::locate(path).ok().filter(|file| file.is_file()) else { return Ok(None) };
    let Ok(tensors) = ebt_model::TensorFile::open(&file) else { return Ok(None) };
    let model = ebt_model::ModelFile::of(tensors)?;
    let absent = || format!("{} holds no tokenizer", file.display());
    let tokenizer = model.tokenizer.with_context(absent)?;
    Ok(Some((std::path::absolute(&file)?, tokenizer)))
}

impl Task {
    /// Numbers that tell it apart from others.
    pub fn fingerprints(&self) -> Fingerprints {
        match self {
            Self::Text(data) => Fingerprints {
                tokenizer: data.tokenizer.fingerprint(),
                train: data.train.fingerprint(),
                validation: data.validation.fingerprint(),
            },
            Self::Letters(text) => text.fingerprints(),
            Self::Sudoku(sudoku) => sudoku.fingerprints(),
        }
    }

    /// The table of words of letters to restore.
    pub fn words(&self) -> Option<&[u8]> {
        match self {
            Self::Letters(text) if !text.words.is_empty() => Some(&text.words),
            _ => None,
        }
    }

    /// The tokenizer of a text.
    pub fn tokenizer(&self) -> Option<&Tokenizer> {
        match self {
            Self::Text(data) => Some(&data.tokenizer),
            Self::Letters(_) | Self::Sudoku(_) => None,
        }
    }

    /// The batches of one of the workers that share every step.
    pub fn batches(&self, config: &RunConfig, worker: Worker) -> TaskBatches {
        match self {
            Self::Text(data) => TaskBatches::Text(config.batches(data, worker)),
            Self::Letters(text) => TaskBatches::Letters(Box::new(text.batches(config, worker))),
            Self::Sudoku(sudoku) => TaskBatches::Sudoku(sudoku.batches(config, worker)),
        }
    }

    /// Everything that a model can be measured on.
    pub fn whole(&self) -> Probe {
        match self {
            Self::Text(data) => Probe::Text(data.validation.clone()),
            Self::Letters(text) => Probe::Letters(text.validation.clone()),
            Self::Sudoku(sudoku) => Probe::Boards(sudoku.tests()),
        }
    }

    /// A part of [`Task::whole`] of about so many tokens; 0 = all.
    ///
    /// # Errors
    ///
    /// Text that cannot be read.
    pub fn probe(&self, config: &RunConfig, tokens: usize) -> Result<Probe> {
        match self {
            Self::Text(data) => {
                Ok(Probe::Text(data.validation.sample(tokens, config.model.context, &data.tokenizer)?))
            }
            Self::Letters(text) => Ok(Probe::Letters(text.validation.sample(tokens, LETTERS_TOGETHER, &Letters)?)),
            Self::Sudoku(sudoku) => {
                let boards = tokens.div_ceil(config.model.context);
                let all = sudoku.tests();
                Ok(Probe::Boards(if tokens == 0 { all } else { boards.min(all) }))
            }
        }
    }

    /// Tells what is learned.
    pub fn describe(&self, config: &RunConfig, progress: &mut dyn Progress) {
        match self {
            Self::Text(data) => progress.note(&format!(
                "data: {:.2} MB of text, {} tokens; validation {:.2} MB, {} tokens; {} tokens a step",
                data.train.bytes() as f64 / 1e6,
                count(data.train.text_tokens() as f64),
                data.validation.bytes() as f64 / 1e6,
                count(data.validation.text_tokens() as f64),
                config.tokens_per_step()
            )),
            Self::Letters(text) => progress.note(&text.describe(config)),
            Self::Sudoku(sudoku) => progress.note(&sudoku.describe(config)),
        }
    }
}

impl Probe {
    /// Tokens of it, for what measuring costs; a board has one for every cell.
    pub fn tokens(&self, config: &RunConfig) -> u64 {
        match self {
            Self::Text(tokens) | Self::Letters(tokens) => tokens.len(),
            Self::Boards(boards) => (boards * config.model.context) as u64,
        }
    }

    /// What it is, for a sentence.
    pub fn describe(&self) -> String {
        match self {
            Self::Text(tokens) => format!("{} tokens of validation text", count(tokens.text_tokens() as f64)),
            Self::Letters(tokens) => format!("{} characters of validation text", count(tokens.text_tokens() as f64)),
            Self::Boards(boards) => format!("{boards} harder boards"),
        }
    }
}
