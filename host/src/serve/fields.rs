//! A JSON object from outside, taken apart field by field. A field that is `null` is as good as missing; one that nobody takes
//! is refused, because leaving it out would answer another question than was asked.

use std::ops::{RangeBounds, RangeInclusive};

use serde_json::{Map, Value};

use super::refusal::Refusal;
use crate::cli::{real, whole};

/// The fields of an object that were not taken yet.
#[derive(Debug)]
pub struct Fields {
    /// What stands before the names in sentences: `ebt.`, or nothing.
    prefix: &'static str,
    map: Map<String, Value>,
}

impl Fields {
    /// Those of the body of a request.
    ///
    /// # Errors
    ///
    /// Bytes that are no JSON object; the sentence says where they stop to be one.
    pub fn of_body(bytes: &[u8]) -> Result<Self, Refusal> {
        let wrong = |why: String| {
            Refusal::of(axum::http::StatusCode::BAD_REQUEST, format!("the body is no JSON object: {why}"))
        };
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(map)) => Ok(Self { prefix: "", map }),
            Ok(other) => Err(wrong(format!("it is {}", kind(&other)))),
            Err(error) => Err(wrong(error.to_string())),
        }
    }

    /// Those of the object that is the field `name`, whose own fields are called `prefix` and their name; none where it is missing.
    ///
    /// # Errors
    ///
    /// A field that is no object.
    pub fn object(&mut self, name: &str, prefix: &'static str) -> Result<Self, Refusal> {
        match self.take(name) {
            None => Ok(Self { prefix, map: Map::new() }),
            Some(Value::Object(map)) => Ok(Self { prefix, map }),
            Some(other) => Err(self.wrong(name, format!("must be an object, not {}", kind(&other)))),
        }
    }

    /// The refusal of a field.
    pub fn wrong(&self, name: &str, why: impl std::fmt::Display) -> Refusal {
        Refusal::field(&format!("{}{name}", self.prefix), why)
    }

    /// Whether a field is there.
    pub fn has(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(|value| !value.is_null())
    }

    /// A field as it is.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name).filter(|value| !value.is_null())
    }

    /// A field whose text `parse` understands: a string, or a number as it is written.
    ///
    /// # Errors
    ///
    /// What `parse` says.
    pub fn parsed<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Refusal> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let parsed = match &value {
            Value::String(text) => parse(text),
            Value::Number(number) => parse(&number.to_string()),
            other => Err(format!("must be a number or a string, not {}", kind(other))),
        };
        parsed.map(Some).map_err(|why| self.wrong(name, why))
    }

    /// A number, and no string that spells one.
    fn number<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Result<Option<T>, Refusal> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Number(number)) => parse(&number.to_string()).map(Some).map_err(|why| self.wrong(name, why)),
            Some(other) => Err(self.wrong(name, format!("must be a number, not {}", kind(&other)))),
        }
    }

    /// A whole number of a range.
    ///
    /// # Errors
    ///
    /// Anything else, with the range.
    pub fn whole(&mut self, name: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, Refusal> {
        self.number(name, whole(range))
    }

    /// A number of a range, finite in single precision.
    ///
    /// # Errors
    ///
    /// Anything else, with the range.
    pub fn real(
        &mut self,
        name: &str,
        range: impl RangeBounds<f64> + Clone + Send + Sync,
    ) -> Result<Option<f32>, Refusal> {
        self.number(name, real(range))
    }

    /// `true` or `false`; false where it is missing.
    ///
    /// # Errors
    ///
    /// Anything else.
    pub fn flag(&mut self, name: &str) -> Result<bool, Refusal> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(other) => Err(self.wrong(name, format!("must be true or false, not {}", kind(&other)))),
        }
    }

    /// Ends the object.
    ///
    /// # Errors
    ///
    /// A field that was not taken.
    pub fn end(self) -> Result<(), Refusal> {
        match self.map.iter().find(|(_, value)| !value.is_null()) {
            Some((name, _)) => {
                let name: String = name.chars().take(64).collect();
                Err(self.wrong(&name, "is not known here, and an answer without it would be another one"))
            }
            None => Ok(()),
        }
    }
}

/// What a value is, in words.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
