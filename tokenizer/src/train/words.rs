//! The words of texts and how often they occur.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::TokenizerError;
use crate::build::class_table;
use crate::compact::Segmentation;
use crate::compact::segment::{Class, Classes};
use crate::compact::words::Words;

/// Segments of texts with their frequency.
pub(in crate::train) type Counts<'t> = HashMap<&'t str, u64>;

/// Cuts text into words.
#[derive(Debug)]
pub(in crate::train) struct Cutter {
    classes: Vec<u8>,
}

impl Cutter {
    pub(in crate::train) fn new() -> Result<Self, TokenizerError> {
        Ok(Self { classes: class_table()?.into_iter().flat_map(u32::to_le_bytes).collect() })
    }

    /// The segments of `text` in order.
    pub(in crate::train) fn words<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t str> {
        Segmentation::Words.segments(self.classes(), text)
    }

    fn classes(&self) -> Classes<'_> {
        Classes(Words::new(&self.classes))
    }

    /// Whether a segment is a word of letters, with or without a space before it.
    pub(in crate::train) fn is_word(&self, segment: &str) -> bool {
        let letters = segment.strip_prefix(' ').unwrap_or(segment);
        letters.chars().next().is_some_and(|c| self.classes().of(c) == Class::Letter)
    }

    /// All segments of all texts with their frequency.
    pub(in crate::train) fn count<'t>(&self, texts: &'t [String]) -> Counts<'t> {
        let count = |mut counts: Counts<'t>, text: &'t String| {
            self.words(text).for_each(|word| *counts.entry(word).or_default() += 1);
            counts
        };
        let add = |mut all: Counts<'t>, some: Counts<'t>| {
            some.into_iter().for_each(|(word, n)| *all.entry(word).or_default() += n);
            all
        };
        texts.par_iter().with_min_len(256).fold(Counts::new, count).reduce(Counts::new, add)
    }
}
