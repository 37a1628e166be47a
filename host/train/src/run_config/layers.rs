//! Putting a configuration together: preset, then file, then `--set`, then flags.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use ebt_model::fields;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::RunConfig;
use super::keys::{OPTIONAL, is_whole, join, known, nearest};
use super::presets;

/// The layers a user may give.
#[derive(Clone, Debug, Default)]
pub struct Layers<'a> {
    /// Name of a preset, `+recipe` allowed.
    pub preset: Option<&'a str>,
    /// Recipe laid over the preset.
    pub recipe: Option<&'a str>,
    /// A TOML file.
    pub file: Option<&'a Path>,
    /// Assignments `section.key=value`, laid over all of the above in this order.
    pub set: &'a [String],
}

impl Layers<'_> {
    /// Whether nothing was asked for.
    pub fn is_empty(&self) -> bool {
        self.preset.is_none() && self.recipe.is_none() && self.file.is_none() && self.set.is_empty()
    }

    /// The configuration, on top of a preset; without preset and file, of the preset `sample`; with a file alone, of
    /// neutral defaults.
    ///
    /// The embedding of a preset is one of its own: tied to the candidates it is drawn, and learns, as the model has it.
    pub fn compose(&self) -> Result<RunConfig> {
        let base = self.base()?;
        let config = self.over(base.clone())?;
        if config.model.tied && !base.model.tied { self.over(base.with_plain_embedding()) } else { Ok(config) }
    }

    /// What file and assignments are laid over.
    pub fn base(&self) -> Result<RunConfig> {
        match (self.preset, self.file, self.recipe) {
            (Some(name), _, recipe) => presets::preset(name, recipe),
            (None, None, recipe) => presets::preset("sample", recipe),
            (None, Some(_), Some(_)) => bail!("--recipe needs a --preset to build on"),
            (None, Some(_), None) => Ok(presets::neutral()),
        }
    }

    /// File and assignments over `base`.
    pub fn over(&self, base: RunConfig) -> Result<RunConfig> {
        let mut table = Table::try_from(&base).context("cannot represent the preset as TOML")?;
        let mut config = base;
        if let Some(path) = self.file {
            merge(&mut table, read(path)?);
            config = table.clone().try_into().with_context(|| format!("{}", path.display()))?;
        }
        for assignment in self.set {
            assign(&mut table, assignment)?;
            config = table.clone().try_into().map_err(|error| anyhow!("--set {assignment}: {error}"))?;
        }
        Ok(config)
    }
}

/// Reads a configuration file: syntax, keys and types are checked with file and line in the message.
fn read(path: &Path) -> Result<Table> {
    let bytes = fs::read(path).with_context(|| format!("cannot read the configuration file {}", path.display()))?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|error| anyhow!("{}: not UTF-8 text (byte {})", path.display(), error.valid_up_to()))?;
    let place = |line: Option<usize>| line.map_or(String::new(), |line| format!(", line {line}"));
    parse(text).map_err(|error| match error {
        TextError::Unknown { key, line } => anyhow!("{}, line {line}: {}", path.display(), unknown_key(&key)),
        TextError::Wrong { message, line } => anyhow!("{}{}: {message}", path.display(), place(line)),
    })?;
    text.parse::<Table>().with_context(|| path.display().to_string())
}

/// Why the text of a configuration was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextError {
    /// A key that there is not.
    Unknown {
        /// Its dotted name.
        key: String,
        /// Where it stands, counted from 1.
        line: usize,
    },
    /// Anything else.
    Wrong {
        /// What is wrong.
        message: String,
        /// Where, counted from 1, if that is known.
        line: Option<usize>,
    },
}

/// The configuration in a text of TOML; keys that are missing take their defaults.
///
/// # Errors
///
/// Text that is no TOML, a key that there is not, a value of another type than its key has.
pub fn parse(text: &str) -> Result<RunConfig, TextError> {
    let line = |at: usize| 1 + text.as_bytes().iter().take(at).filter(|&&b| b == b'\n').count();
    let wrong = |error: toml::de::Error| TextError::Wrong {
        message: error.message().to_owned(),
        line: error.span().map(|span| line(span.start)),
    };
    let tree = DeTable::parse(text).map_err(wrong)?;
    let (known, mut found) = (known(), [Vec::new(), Vec::new()]);
    collect(tree.get_ref(), "", &known, &mut found);
    let [mut found, misshapen] = found;
    found.sort_by_key(|(_, at)| *at);
    if let Some((key, at)) = fields::unknown(found, &known) {
        return Err(TextError::Unknown { key, line: line(at) });
    }
    if let Some((key, at)) = misshapen.first() {
        return Err(TextError::Wrong { message: format!("`{key}` is a section"), line: Some(line(*at)) });
    }
    toml::from_str(text).map_err(wrong)
}

/// All keys with their places in the text, and those of `known` sections that are no table.
fn collect(table: &DeTable<'_>, section: &str, known: &[String], found: &mut [Vec<(String, usize)>; 2]) {
    for (key, value) in table {
        let (name, at) = (join(section, key.get_ref()), key.span().start);
        match value.get_ref() {
            DeValue::Table(inner) => collect(inner, &name, known, found),
            _ if fields::is_structure(&name, known) => found[1].push((name.clone(), at)),
            _ => {}
        }
        found[0].push((name, at));
    }
}

fn unknown_key(name: &str) -> String {
    match nearest(name, &known()) {
        Some(key) => format!("unknown key `{name}`; the nearest key is `{key}`"),
        None => format!("unknown key `{name}`"),
    }
}

/// Lays `upper` over `lower`, table by table.
fn merge(lower: &mut Table, upper: Table) {
    for (key, value) in upper {
        match (lower.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => {
                lower.insert(key, value);
            }
        }
    }
}

/// Carries out one `section.key=value`. The value is TOML; what is no TOML is a string; `none` unsets an optional key.
fn assign(table: &mut Table, assignment: &str) -> Result<()> {
    let Some((name, value)) = assignment.split_once('=') else {
        bail!("--set {assignment}: expected section.key=value");
    };
    let (name, value) = (name.trim(), value.trim());
    if !known().iter().any(|key| key == name) {
        bail!("--set {assignment}: {}", unknown_key(name));
    }
    let mut parts: Vec<&str> = name.split('.').collect();
    let Some(last) = parts.pop() else { bail!("--set {assignment}: the key is empty") };
    let mut table = table;
    for part in parts {
        let entry = table.entry(part).or_insert_with(|| Value::Table(Table::new()));
        match entry {
            Value::Table(inner) => table = inner,
            _ => bail!("--set {assignment}: `{part}` is not a section"),
        }
    }
    if value == "none" && OPTIONAL.contains(&name) {
        table.remove(last);
        return Ok(());
    }
    let parsed = format!("value = {value}").parse::<Table>().ok().and_then(|mut t| t.remove("value"));
    let value = parsed.unwrap_or_else(|| Value::String(value.to_owned()));
    if fields::is_structure(name, &known()) && !value.is_table() {
        bail!("--set {assignment}: `{name}` is a section; a table of its keys is needed");
    }
    if is_whole(name) && !matches!(value, Value::Integer(0..)) {
        bail!("--set {assignment}: must be a whole number from 0 to {}", i64::MAX);
    }
    match (table.get_mut(last), value) {
        (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
        (_, value) => {
            table.insert(last.to_owned(), value);
        }
    }
    Ok(())
}
