//! Parts of a corpus, prepared apart from each other.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use anyhow::{Result, bail};
use ebt_data::shard::manifest::{PartInput, PartRecord};
use ebt_data::text::InputFile;

/// One of several parts, in which a corpus is prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    number: usize,
    of: usize,
}

impl Part {
    /// Most parts of a corpus.
    pub const MOST: usize = 10_000;

    /// Part `number`, from 1, of `of`; `None` where there is no such part.
    pub fn new(number: usize, of: usize) -> Option<Self> {
        (1 <= number && number <= of && of <= Self::MOST).then_some(Self { number, of })
    }

    /// The inputs of the part: a run of whole files, of about as many bytes as every other part has. All parts together are
    /// all inputs, each once and in order.
    ///
    /// # Errors
    ///
    /// Fewer inputs than parts.
    pub fn range(self, inputs: &[InputFile]) -> Result<Range<usize>> {
        let Self { number, of } = self;
        if inputs.len() < of {
            let (files, are) = if inputs.len() == 1 { ("file", "is") } else { ("files", "are") };
            bail!(
                "--part {self}: there {are} {} {files}, and a part is whole files, one at least; split large files, or make fewer parts",
                inputs.len()
            );
        }
        let sizes = inputs.iter().map(|input| u128::from(input.size));
        let total: u128 = sizes.clone().sum();
        // twice the middle of every file
        let middles: Vec<u128> = sizes
            .scan(0, |before, size| {
                let middle = 2 * *before + size;
                *before += size;
                Some(middle)
            })
            .collect();
        let mut ends = vec![0];
        for part in 1..=of {
            let end = middles.partition_point(|&middle| middle * (of as u128) < 2 * total * part as u128);
            // a file for this part and for every later one
            ends.push(end.min(inputs.len() - (of - part)).max(ends[part - 1] + 1));
        }
        ends[of] = inputs.len();
        Ok(ends[number - 1]..ends[number])
    }

    /// What the manifest of the part says, before it is prepared.
    pub fn record(self, inputs: &[InputFile]) -> PartRecord {
        let input = |input: &InputFile| PartInput {
            file: input.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            format: input.format.to_string(),
            size: input.size,
        };
        PartRecord { number: self.number, of: self.of, inputs: inputs.iter().map(input).collect(), sources: Vec::new() }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Part {
    type Err = anyhow::Error;

    fn from_str(given: &str) -> Result<Self> {
        let part = given.split_once('/').and_then(|(number, of)| Self::new(number.parse().ok()?, of.parse().ok()?));
        match part {
            Some(part) => Ok(part),
            None => bail!("must be a part from 1/N to N/N, like 3/8, of at most {} parts", Self::MOST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ebt_data::text::Format;
    use proptest::prelude::*;

    fn inputs(sizes: &[u64]) -> Vec<InputFile> {
        let input = |&size: &u64| InputFile {
            path: format!("{size}.txt").into(),
            source: String::new(),
            format: Format::Text,
            size,
            modified: 0,
        };
        sizes.iter().map(input).collect()
    }

    fn ranges(sizes: &[u64], of: usize) -> Vec<Range<usize>> {
        (1..=of).map(|number| Part::new(number, of).unwrap().range(&inputs(sizes)).unwrap()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn parts_together_are_all_files_in_order(
            sizes in proptest::collection::vec(prop_oneof![0u64..9, 0u64..1000, Just(u64::MAX)], 1..40),
            of in 1usize..40,
        ) {
            let of = of.min(sizes.len());
            let mut next = 0;
            for range in ranges(&sizes, of) {
                prop_assert!(range.start == next && range.end > next, "{range:?}");
                next = range.end;
            }
            prop_assert_eq!(next, sizes.len());
        }
    }

    #[test]
    fn parts_are_about_equal() {
        assert_eq!(ranges(&[5; 8], 4), [0..2, 2..4, 4..6, 6..8]);
        assert_eq!(ranges(&[1, 1, 1, 1, 90, 1, 1, 1], 2), [0..4, 4..8]);
        assert_eq!(ranges(&[90, 1, 1, 1], 3), [0..1, 1..2, 2..4]);
        assert_eq!(ranges(&[0, 0, 0], 2), [0..1, 1..3]);
        let message = Part::new(3, 3).unwrap().range(&inputs(&[7])).unwrap_err().to_string();
        assert!(message.contains("--part 3/3") && message.contains("there is 1 file"), "{message}");
    }

    #[test]
    fn parts_are_written_as_they_are_read() {
        for given in ["1/1", "2/3", "10000/10000"] {
            assert_eq!(given.parse::<Part>().unwrap().to_string(), given);
        }
        for given in ["", "1", "0/3", "4/3", "1/0", "1/10001", "-1/2", "1/2/3", "a/b"] {
            assert!(given.parse::<Part>().is_err(), "{given}");
        }
    }
}
