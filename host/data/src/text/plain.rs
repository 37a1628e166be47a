//! Plain text: documents end at a blank line, at every line end, or with the file.

use std::io::BufRead;

use anyhow::{Context, Result};

use super::lines::{End, read_part};
use super::record::{Borders, ReadOptions, Records, Source, Tally};
use super::{cut, utf8};

/// Bytes of a line that are looked at together. White space of this length at the start of a line is passed over.
const PART: usize = 1 << 16;

/// Documents of a text file. Holds [`ReadOptions::longest`] bytes and a part of a line.
pub struct Plain {
    reader: Box<dyn BufRead + Send>,
    path: String,
    borders: Borders,
    longest: usize,
    lossy: bool,
    /// Bytes of the file before `part`, and lines ended in them.
    offset: u64,
    lines: u64,
    part: Vec<u8>,
    /// Whether `part` begins a line, as far as anything but white space goes.
    fresh: bool,
    /// The document so far, and the line end that belongs to it if it goes on.
    document: String,
    line_end: &'static str,
    ended: bool,
}

/// What a part of a line is.
struct Part {
    text: String,
    /// `""` where the line goes on.
    line_end: &'static str,
    whole: bool,
}

impl Plain {
    pub fn new(source: Source, options: &ReadOptions) -> Self {
        Self {
            reader: source.reader,
            path: source.path,
            borders: options.documents,
            longest: options.longest.max(cut::LEAST),
            lossy: options.lossy,
            offset: source.offset,
            lines: 0,
            part: Vec::new(),
            fresh: true,
            document: String::new(),
            line_end: "",
            ended: false,
        }
    }

    /// The next part of a line.
    fn part(&mut self, tally: &mut Tally) -> Result<Option<Part>> {
        let held = self.part.len();
        let end = read_part(self.reader.as_mut(), &mut self.part, PART)
            .with_context(|| format!("cannot read {} after byte {}", self.path, self.offset + held as u64))?;
        if end == End::File && self.part.is_empty() {
            return Ok(None);
        }
        let whole = end != End::Limit;
        let unfinished = if whole { 0 } else { utf8::unfinished(&self.part) };
        let bytes = &self.part[..self.part.len() - unfinished];
        let place = format_args!("line {} of {}", self.lines + 1, self.path);
        let text = utf8::text(bytes, self.offset, &place, self.lossy, &mut tally.replaced)?;
        let ends = ["\r\n", "\n"].into_iter().find_map(|end| Some((text.strip_suffix(end)?, end)));
        let (content, line_end) = ends.unwrap_or((&text, ""));
        let text = content.to_owned();
        self.offset += bytes.len() as u64;
        self.lines += u64::from(whole);
        let kept = self.part.len() - unfinished;
        self.part.drain(..kept);
        Ok(Some(Part { text, line_end, whole }))
    }

    fn take(&mut self) -> String {
        self.line_end = "";
        std::mem::take(&mut self.document)
    }

    /// Adds a part; a document that it ends.
    fn add(&mut self, part: &Part) -> Option<String> {
        let blank = part.text.trim().is_empty() && self.fresh;
        self.fresh = part.whole || blank;
        if self.borders != Borders::File && blank {
            let ends = part.whole && !self.document.is_empty();
            return ends.then(|| self.take());
        }
        self.document.push_str(self.line_end);
        self.document.push_str(&part.text);
        self.line_end = part.line_end;
        (self.borders == Borders::Line && part.whole).then(|| self.take())
    }
}

impl Records for Plain {
    fn next(&mut self, tally: &mut Tally) -> Result<Option<String>> {
        loop {
            if self.document.len() > self.longest {
                tally.cuts += 1;
                let rest = self.document.split_off(cut::point(&self.document, self.longest));
                return Ok(Some(std::mem::replace(&mut self.document, rest)));
            }
            if self.ended {
                return Ok((!self.document.is_empty()).then(|| self.take()));
            }
            match self.part(tally)? {
                None => self.ended = true,
                Some(part) => {
                    if let Some(document) = self.add(&part) {
                        return Ok(Some(document));
                    }
                }
            }
        }
    }
}
