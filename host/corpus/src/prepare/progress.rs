//! How the passes of `prepare` report how far they are.

use std::time::Instant;

use ebt_data::progress::{Progress, Stretch, clock, count, size};

/// A pass over the input.
pub struct Pass<'a> {
    to: &'a mut dyn Progress,
    name: &'static str,
    /// Bytes of input.
    total: u64,
    /// Bytes that were passed over at the beginning.
    skipped: u64,
    began: Instant,
}

const BAR: &str = "{prefix}  {bar:24.cyan/blue}  {binary_bytes} of {binary_total_bytes}  {msg}";

fn line(stretch: &Stretch, position: u64, message: &str) -> String {
    let (at, of) = (size(position as f64), size(stretch.total.unwrap_or(0) as f64));
    format!("{}  {at} of {of}  {message}", stretch.name)
}

impl<'a> Pass<'a> {
    /// A pass over `total` bytes of input begins at byte `skipped`.
    pub fn begin(to: &'a mut dyn Progress, name: &'static str, skipped: u64, total: u64) -> Self {
        let (bar, line) = (BAR, Some(line as _));
        to.begin(Stretch { name, start: skipped, total: Some(total), bar, line, ..Stretch::default() });
        Self { to, name, total, skipped, began: Instant::now() }
    }

    /// A sentence for the user.
    pub fn note(&mut self, text: &str) {
        self.to.note(text);
    }

    /// Work that reads nothing begins.
    pub fn stage(&mut self, text: &str) {
        self.to.stage(text);
    }

    /// So far `position` bytes of input were read, `documents` documents used.
    pub fn update(&mut self, position: u64, documents: u64) {
        let Self { total, skipped, began, .. } = *self;
        self.to.advance(position, &|| {
            let speed = position.saturating_sub(skipped) as f64 / began.elapsed().as_secs_f64().max(1e-3);
            let left = clock(total.saturating_sub(position) as f64 / speed.max(1.0));
            format!("{} documents  {}/s  {left} left", count(documents as f64), size(speed))
        });
    }

    /// The pass ended; returns its seconds.
    pub fn end(self, documents: u64) -> f64 {
        let seconds = self.began.elapsed().as_secs_f64();
        self.to.end();
        let bytes = self.total.saturating_sub(self.skipped) as f64;
        let speed = size(bytes / seconds.max(1e-3));
        let (name, documents) = (self.name, count(documents as f64));
        self.to.note(&format!(
            "{name}  {documents} documents in {} of input, {}, {speed}/s",
            size(bytes),
            clock(seconds)
        ));
        seconds
    }
}
