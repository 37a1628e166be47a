//! Settings in files: which fields there may be, and reading them.
//!
//! Files of training runs (TOML) and the strings of model files (JSON) hold the same structures and keep the same rule: a
//! field that is missing takes its documented default, one that is not known is refused by its name.

use std::fmt;

use ebt_core::config::{Config, Grid, JointConfig, MoeConfig};
use ebt_core::objective::Objective;
use ebt_data::program;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Section of a configuration in messages, as in files of training runs.
pub const MODEL: &str = "model";
/// Section of an objective in messages, as in files of training runs.
pub const OBJECTIVE: &str = "objective";

/// A configuration in which every optional field is present.
pub fn complete_config() -> Config {
    Config {
        kv_heads: Some(1),
        head_dim: Some(2),
        window: Some(1),
        moe: Some(MoeConfig::default()),
        joint: JointConfig {
            grid: Some(Grid { rows: 1, columns: 1, box_rows: 1, box_columns: 1 }),
            ..JointConfig::default()
        },
        ..Config::default()
    }
}

/// Dotted names of the fields of a configuration.
pub fn of_config() -> Vec<String> {
    names(&complete_config(), MODEL)
}

/// Dotted names of the fields of an objective.
pub fn of_objective() -> Vec<String> {
    names(&Objective::default(), OBJECTIVE)
}

/// Dotted names of all fields of a structure, those of structures inside it included. Fields that are absent are not seen,
/// so every optional one has to be present.
pub fn names(complete: &impl Serialize, section: &str) -> Vec<String> {
    let mut all = Vec::new();
    if let Ok(value) = serde_json::to_value(complete) {
        collect(&value, section, &mut all);
    }
    all
}

fn collect(value: &Value, section: &str, all: &mut Vec<String>) {
    for (key, inner) in value.as_object().into_iter().flatten() {
        let name = join(section, key);
        all.push(name.clone());
        collect(inner, &name, all);
    }
}

/// `section.key`, or `key` alone at the top.
pub fn join(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

/// Whether a field is a structure of fields, which has to be written field by field, never as a list by position.
pub fn is_structure(name: &str, known: &[String]) -> bool {
    known.iter().any(|known| known.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
}

/// The first structure that is written as something else.
fn misshapen(value: &Value, section: &str, known: &[String]) -> Option<String> {
    match value {
        Value::Object(fields) => fields.iter().find_map(|(key, inner)| misshapen(inner, &join(section, key), known)),
        Value::Null => None,
        _ => is_structure(section, known).then(|| section.to_owned()),
    }
}

/// The first of the `found` fields that is not among the `known` ones. A structure comes before what is in it, so a whole one
/// that is not known is named itself.
pub fn unknown<T>(found: impl IntoIterator<Item = (String, T)>, known: &[String]) -> Option<(String, T)> {
    found.into_iter().find(|(name, _)| !known.contains(name))
}

/// Why settings were refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldError {
    /// A field that is not known.
    Unknown(
        /// Its dotted name.
        String,
    ),
    /// A field whose value cannot be used.
    Wrong {
        /// Its dotted name.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl FieldError {
    /// The sentence about a file of another program.
    pub fn in_foreign(&self, name: &dyn fmt::Display) -> String {
        match self {
            FieldError::Unknown(field) => format!(
                "{name} has the field `{field}`, which this program does not know; `{} import --config FILE` takes a \
                 configuration in its place",
                program::name()
            ),
            wrong => wrong.in_file(name),
        }
    }

    /// The sentence about the file called `name`, which this program or a newer one wrote.
    pub fn in_file(&self, name: &dyn fmt::Display) -> String {
        match self {
            FieldError::Unknown(field) => format!(
                "{name} has the field `{field}`, which this version does not know: it was written by a newer one, which can \
                 read it"
            ),
            FieldError::Wrong { field, reason } => format!("the field `{field}` of {name} cannot be used: {reason}"),
        }
    }
}

/// A structure from JSON; fields that are missing take their defaults.
///
/// # Errors
///
/// A field that is not among `known`, or one whose value cannot be used.
pub fn read<T: DeserializeOwned>(value: &Value, section: &str, known: &[String]) -> Result<T, FieldError> {
    let mut found = Vec::new();
    collect(value, section, &mut found);
    if let Some((name, ())) = unknown(found.into_iter().map(|name| (name, ())), known) {
        return Err(FieldError::Unknown(name));
    }
    if let Some(field) = misshapen(value, section, known) {
        return Err(FieldError::Wrong { field, reason: String::from("it is not an object with named fields") });
    }
    T::deserialize(value).map_err(|error| {
        let (path, reason) = wrong::<T>(value, &mut Vec::new()).unwrap_or_else(|| (Vec::new(), error.to_string()));
        let field = path.iter().fold(section.to_owned(), |section, key| join(&section, key));
        FieldError::Wrong { field, reason }
    })
}

/// The keys that lead to the innermost field that cannot be read with nothing beside it (every other one has its default
/// then), and why it cannot; `path` leads to `value`.
fn wrong<T: DeserializeOwned>(value: &Value, path: &mut Vec<String>) -> Option<(Vec<String>, String)> {
    for (key, inner) in value.as_object()? {
        path.push(key.clone());
        let alone = path.iter().rev().fold(inner.clone(), |inner, key| Value::from_iter([(key.clone(), inner)]));
        if let Err(error) = T::deserialize(alone) {
            return wrong::<T>(inner, path).or_else(|| Some((path.clone(), error.to_string())));
        }
        path.pop();
    }
    None
}
