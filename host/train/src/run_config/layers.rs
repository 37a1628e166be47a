//! Putting a configuration together: preset, then file, then `--set`, then flags.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
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
    pub fn compose(&self) -> Result<RunConfig> {
        let base = match (self.preset, self.file, self.recipe) {
            (Some(name), _, recipe) => presets::preset(name, recipe)?,
            (None, None, recipe) => presets::preset("sample", recipe)?,
            (None, Some(_), Some(_)) => bail!("--recipe needs a --preset to build on"),
            (None, Some(_), None) => presets::neutral(),
        };
        self.over(base)
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
    let line = |at: usize| 1 + text.as_bytes().iter().take(at).filter(|&&b| b == b'\n').count();
    let at = |error: &toml::de::Error| match error.span() {
        Some(span) => anyhow!("{}, line {}: {}", path.display(), line(span.start), error.message()),
        None => anyhow!("{}: {}", path.display(), error.message()),
    };
    let tree = DeTable::parse(text).map_err(|error| at(&error))?;
    if let Some((name, offset)) = unknown(tree.get_ref(), "", &known()) {
        bail!("{}, line {}: {}", path.display(), line(offset), unknown_key(&name));
    }
    toml::from_str::<RunConfig>(text).map_err(|error| at(&error))?;
    text.parse::<Table>().map_err(|error| at(&error))
}

/// The first unknown key with its place in the text.
fn unknown(table: &DeTable<'_>, prefix: &str, known: &[String]) -> Option<(String, usize)> {
    let mut found: Option<(String, usize)> = None;
    for (key, value) in table {
        let name = join(prefix, key.get_ref());
        let here = if known.contains(&name) {
            match value.get_ref() {
                DeValue::Table(inner) => unknown(inner, &name, known),
                _ => None,
            }
        } else {
            Some((name, key.span().start))
        };
        if let Some((name, at)) = here
            && found.as_ref().is_none_or(|(_, first)| at < *first)
        {
            found = Some((name, at));
        }
    }
    found
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
