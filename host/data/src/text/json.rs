//! JSON lines: one object a line, the text under one key.

use std::fmt;
use std::io::BufRead;

use anyhow::{Context, Result, bail};
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::lines::{End, read_part};
use super::record::{LONGEST_RECORD, ReadOptions, Records, Source, Tally, no_such_column, same_name};
use super::utf8;
use crate::program;

/// Records of a JSON lines file. Blank lines are passed over.
pub struct JsonLines {
    reader: Box<dyn BufRead + Send>,
    path: String,
    key: String,
    lossy: bool,
    line: Vec<u8>,
    /// Number of the line, from 1, and the bytes of the file before it.
    number: u64,
    offset: u64,
}

impl JsonLines {
    pub fn new(source: Source, options: &ReadOptions) -> Self {
        Self {
            reader: source.reader,
            path: source.path,
            key: options.column.clone(),
            lossy: options.lossy,
            line: Vec::new(),
            number: 0,
            offset: source.offset,
        }
    }

    fn place(&self) -> String {
        format!("line {} of {}", self.number, self.path)
    }

    /// Reads a line; false at the end of the file.
    fn advance(&mut self) -> Result<bool> {
        self.offset += self.line.len() as u64;
        self.number += 1;
        self.line.clear();
        match read_part(self.reader.as_mut(), &mut self.line, LONGEST_RECORD) {
            Ok(End::File) => Ok(false),
            Ok(End::Line) => Ok(true),
            Ok(End::Limit) => {
                bail!("{} is longer than {} MiB: is this JSON lines?", self.place(), LONGEST_RECORD >> 20)
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", self.place())),
        }
    }

    /// The line without a byte-order mark, which files that were joined have inside.
    fn content(&self) -> &[u8] {
        self.line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.line)
    }

    fn field(&self) -> Result<Field> {
        let line = self.content();
        if line.trim_ascii_start().starts_with(b"[") {
            bail!("{} is a JSON array; each line has to be one JSON object", self.place());
        }
        let parsed = Key(&self.key).of_line(line).or_else(|error| match without_infinities(line) {
            Some(line) if error.is_syntax() => Key(&self.key).of_line(&line),
            _ => Err(error),
        });
        parsed.map_err(|error| {
            if error.is_data() {
                return anyhow::anyhow!("{}, key `{}`: {}", self.place(), self.key, without_place(&error));
            }
            let spans = error.is_eof() && line.trim_ascii().ends_with(b"{");
            let hint = if spans { " (an object has to stand on one line)" } else { "" };
            anyhow::anyhow!("{} is not one JSON object: {}{hint}", self.place(), without_place(&error))
        })
    }
}

/// The numbers `NaN`, `Infinity` and `-Infinity`, which some programs write although JSON has none of them, as `null`;
/// `None` if there are none outside of strings.
fn without_infinities(line: &[u8]) -> Option<Vec<u8>> {
    let (mut out, mut rest) = (Vec::with_capacity(line.len()), line);
    let (mut inside, mut found) = (false, false);
    while let [byte, tail @ ..] = rest {
        let number = [&b"NaN"[..], b"Infinity", b"-Infinity"].into_iter().find(|n| !inside && rest.starts_with(n));
        if let Some(number) = number {
            out.extend_from_slice(b"null");
            rest = &rest[number.len()..];
            found = true;
            continue;
        }
        let escaped = if inside && *byte == b'\\' { tail.first() } else { None };
        inside ^= *byte == b'"';
        out.push(*byte);
        out.extend(escaped);
        rest = &tail[usize::from(escaped.is_some())..];
    }
    found.then_some(out)
}

impl Records for JsonLines {
    fn next(&mut self, tally: &mut Tally) -> Result<Option<String>> {
        while self.advance()? {
            if self.content().trim_ascii().is_empty() {
                continue;
            }
            match self.field()? {
                Field::Text(bytes) => {
                    if !self.lossy && std::str::from_utf8(&bytes).is_err() {
                        // raw bytes of the line have a place in the file, escaped halves of surrogate pairs have not
                        utf8::text(&self.line, self.offset, &self.place(), false, &mut tally.replaced)?;
                        bail!(
                            "{}: `{}` holds half of a surrogate pair (`{} data prepare --lossy` replaces it)",
                            self.place(),
                            self.key,
                            program::name()
                        );
                    }
                    let text = utf8::text(&bytes, 0, &self.path, self.lossy, &mut tally.replaced)?;
                    return Ok(Some(text.into_owned()));
                }
                Field::Null => tally.nulls += 1,
                Field::Missing(keys) => {
                    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                    return Err(no_such_column(&self.place(), "key", &self.key, &keys));
                }
            }
        }
        Ok(None)
    }
}

/// The value under the key.
enum Field {
    /// A string; valid UTF-8 unless the file is not, or spells half of a surrogate pair.
    Text(Vec<u8>),
    /// `null`, or a number that JSON has not.
    Null,
    /// The keys there are instead.
    Missing(Vec<String>),
}

/// Keys that a message may list.
const KEYS: usize = 64;

/// Finds the value of a key in an object and skips all others.
#[derive(Clone, Copy)]
struct Key<'a>(&'a str);

impl Key<'_> {
    fn of_line(self, line: &[u8]) -> Result<Field, serde_json::Error> {
        let mut json = serde_json::Deserializer::from_slice(line);
        let field = self.deserialize(&mut json)?;
        json.end().map(|()| field)
    }
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Field;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Field, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Key<'_> {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one JSON object a line")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Field, A::Error> {
        let (mut found, mut others) = (None, Vec::new());
        while let Some(key) = map.next_key::<Bytes>()? {
            if std::str::from_utf8(&key.0).is_ok_and(|key| same_name(key, self.0)) {
                found = Some(map.next_value::<Option<Bytes>>()?.map_or(Field::Null, |bytes| Field::Text(bytes.0)));
            } else {
                map.next_value::<IgnoredAny>()?;
                if found.is_none() && others.len() < KEYS {
                    others.push(String::from_utf8_lossy(&key.0).into_owned());
                }
            }
        }
        Ok(found.unwrap_or(Field::Missing(others)))
    }
}

/// A string whose UTF-8 is not checked.
struct Bytes(Vec<u8>);

impl<'de> de::Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string of text")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Text)
    }
}

/// The message of a JSON error with its column, without the line number, which is 1 here.
fn without_place(error: &serde_json::Error) -> String {
    let whole = error.to_string();
    match whole.rsplit_once(" at line ") {
        Some((what, _)) if error.column() > 0 => format!("{what} at byte {} of the line", error.column()),
        _ => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_json_has_not_are_nothing() {
        let of = |line: &str| without_infinities(line.as_bytes()).map(|line| String::from_utf8(line).unwrap());
        assert_eq!(
            of(r#"{"a": NaN, "b": [-Infinity,Infinity], "NaN\\": "\"NaN"}"#).as_deref(),
            Some(r#"{"a": null, "b": [null,null], "NaN\\": "\"NaN"}"#)
        );
        assert_eq!(of(r#"{"text": "NaN ve -Infinity"}"#), None);
        assert_eq!(of("\"\\"), None);
    }
}
