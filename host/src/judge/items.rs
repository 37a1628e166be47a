//! What is judged, and reading it.

use std::path::Path;

use anyhow::{Result, bail};
use ebt_data::text::clean;
use serde_json::Value;

use super::rows::{Row, rows};

/// What items are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Two texts, of which one is right.
    Pairs,
    /// Answers to a question.
    Choices,
}

/// Texts of which one is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What stands before every choice; empty in a pair.
    pub context: String,
    /// Two texts or more; none empty.
    pub choices: Vec<String>,
    /// Index of the right one.
    pub answer: usize,
    /// What it tests; results are given for each.
    pub phenomenon: String,
}

impl Item {
    /// A pair; `row` says what it tests, else `otherwise` does.
    ///
    /// # Errors
    ///
    /// A row without the texts, and equal texts.
    pub fn pair(row: &Row, [good, bad]: [&str; 2], otherwise: &str) -> Result<Self> {
        let phenomenon = match row.field("phenomenon") {
            Some(Value::String(text)) => text.clone(),
            Some(_) => bail!("{}: `phenomenon` is no text", row.place),
            None => otherwise.to_owned(),
        };
        Self { context: String::new(), choices: vec![row.text(good)?, row.text(bad)?], answer: 0, phenomenon }
            .checked(row)
    }

    /// The same item in the form that training text has, if it can be judged.
    ///
    /// # Errors
    ///
    /// Fewer than two choices, an empty one, equal ones, an answer that is none of them.
    pub fn checked(mut self, row: &Row) -> Result<Self> {
        self.context = clean::normal(&self.context).into_owned();
        for choice in &mut self.choices {
            *choice = clean::normal(choice).into_owned();
        }
        let (place, count) = (&row.place, self.choices.len());
        if count < 2 {
            bail!("{place}: two choices or more are needed, there are {count}");
        }
        for (i, choice) in self.choices.iter().enumerate() {
            if choice.is_empty() {
                bail!("{place}: text {} is empty", i + 1);
            }
            if let Some(other) = self.choices.iter().take(i).position(|other| other == choice) {
                bail!("{place}: the texts {} and {} are the same", other + 1, i + 1);
            }
        }
        if self.answer >= count {
            bail!("{place}: the answer {} is none of the {count} choices, which are counted from 0", self.answer);
        }
        Ok(self)
    }
}

/// The items of a file.
///
/// # Errors
///
/// A file that cannot be read or is of no known format, and rows that are no items; the message names the place.
pub fn read(path: &Path, kind: Kind) -> Result<Vec<Item>> {
    let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let item = |row: &Row| match kind {
        Kind::Pairs => Item::pair(row, ["good", "bad"], &stem),
        Kind::Choices => {
            let Some(Value::Array(choices)) = row.field("choices") else { bail!("{}: no list `choices`", row.place) };
            let texts = choices.iter().map(|choice| choice.as_str().map(str::to_owned));
            let Some(choices) = texts.collect() else { bail!("{}: `choices` holds what is no text", row.place) };
            let phenomenon = row.field("phenomenon").and_then(Value::as_str).unwrap_or(&stem).to_owned();
            Item { context: row.text("context")?, choices, answer: row.index("answer")?, phenomenon }.checked(row)
        }
    };
    let items: Vec<Item> = rows(path)?.iter().map(item).collect::<Result<_>>()?;
    if items.is_empty() {
        bail!("{} holds nothing to judge", path.display());
    }
    Ok(items)
}
