//! JSON lines: one object a line, the text under one key.

use std::fmt;
use std::io::BufRead;

use anyhow::{Context, Result, bail};
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::lines::{End, read_part};
use super::record::{LONGEST_RECORD, Position, ReadOptions, Records, Tally, no_such_column};
use super::{packed, utf8};
use crate::inputs::Input;

/// Records of a JSON lines file. Blank lines are passed over.
pub struct JsonLines {
    reader: Box<dyn BufRead>,
    path: String,
    key: String,
    lossy: bool,
    line: Vec<u8>,
    /// Number of the line, from 1, and the bytes of the file before it.
    number: u64,
    offset: u64,
}

impl JsonLines {
    pub fn open(input: &Input, options: &ReadOptions, position: &Position) -> Result<Self> {
        Ok(Self {
            reader: packed::open(input, position)?,
            path: input.path.display().to_string(),
            key: options.column.clone(),
            lossy: options.lossy,
            line: Vec::new(),
            number: 0,
            offset: 0,
        })
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

    fn field(&self) -> Result<Field> {
        let line = self.line.strip_prefix(b"\xef\xbb\xbf").filter(|_| self.number == 1).unwrap_or(&self.line);
        if line.trim_ascii_start().starts_with(b"[") {
            bail!("{} is a JSON array; each line has to be one JSON object", self.place());
        }
        let mut json = serde_json::Deserializer::from_slice(line);
        let field = Key(&self.key).deserialize(&mut json).and_then(|field| json.end().map(|()| field));
        field.map_err(|error| {
            if error.is_data() {
                return anyhow::anyhow!("{}, key `{}`: {}", self.place(), self.key, without_place(&error));
            }
            let spans = error.is_eof() && line.trim_ascii().ends_with(b"{");
            let hint = if spans { " (an object has to stand on one line)" } else { "" };
            anyhow::anyhow!("{} is not one JSON object: {}{hint}", self.place(), without_place(&error))
        })
    }
}

impl Records for JsonLines {
    fn next(&mut self, tally: &mut Tally) -> Result<Option<String>> {
        while self.advance()? {
            if self.line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            match self.field()? {
                Field::Text(bytes) => {
                    if !self.lossy && std::str::from_utf8(&bytes).is_err() {
                        // raw bytes of the line have a place in the file, escaped halves of surrogate pairs have not
                        utf8::text(&self.line, self.offset, &self.path, false, &mut tally.replaced)?;
                        bail!("{}: `{}` holds half of a surrogate pair (--lossy replaces it)", self.place(), self.key);
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
    Null,
    /// The keys there are instead.
    Missing(Vec<String>),
}

/// Keys that a message may list.
const KEYS: usize = 64;

/// Finds the value of a key in an object and skips all others.
struct Key<'a>(&'a str);

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
            if key.0 == self.0.as_bytes() {
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
