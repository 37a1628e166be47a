//! Test sets of others on the hub: where their Turkish part lies, and what its columns mean.

use std::path::Path;

use anyhow::{Result, bail};
use ebt_data::text::case;

use super::items::{Item, Kind};
use super::rows::{Row, rows};

/// A test set.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// What it is called here.
    pub name: &'static str,
    /// What it asks.
    pub what: &'static str,
    /// Its files on the hub.
    pub files: &'static str,
    /// What its items are.
    pub kind: Kind,
    item: fn(&Row, &str) -> Result<Item>,
}

/// All that are known.
pub const TASKS: [Task; 4] = [
    Task {
        name: "turblimp",
        what: "16 phenomena of grammar, 1,000 pairs each",
        files: "hf://datasets/juletxara/turblimp/**",
        kind: Kind::Pairs,
        item: turblimp,
    },
    Task {
        name: "belebele",
        what: "questions on passages, four answers",
        files: "hf://datasets/facebook/belebele/data/tur_Latn.jsonl",
        kind: Kind::Choices,
        item: belebele,
    },
    Task {
        name: "xcopa",
        what: "causes and effects, two answers",
        files: "hf://datasets/cambridgeltl/xcopa/tr/test*.parquet",
        kind: Kind::Choices,
        item: xcopa,
    },
    Task {
        name: "xnli",
        what: "whether a sentence follows from another",
        files: "hf://datasets/facebook/xnli/tr/test*.parquet",
        kind: Kind::Choices,
        item: xnli,
    },
];

/// Most bytes that the files of a task may have.
const MOST_BYTES: u64 = 256 << 20;

impl Task {
    /// The task of a name.
    pub fn named(name: &str) -> Option<&'static Self> {
        TASKS.iter().find(|task| task.name == name)
    }

    /// Its items, fetched unless the cache holds them.
    ///
    /// # Errors
    ///
    /// What keeps its files away, and rows that are not those of the task; the message names the place.
    pub fn items(&self) -> Result<Vec<Item>> {
        let formats = ebt_data::text::Formats::ByName;
        let files = crate::hub::files(Path::new(self.files), formats, MOST_BYTES, true)?;
        let mut items = Vec::new();
        for input in &files.inputs {
            let phenomenon = subset(&input.path, self.name);
            items.extend(
                rows(&input.path)?.iter().map(|row| (self.item)(row, &phenomenon)).collect::<Result<Vec<_>>>()?,
            );
        }
        if items.is_empty() {
            bail!("the files of {} hold nothing to judge", self.files);
        }
        Ok(items)
    }
}

/// The part of a set that a file of it is: its own name, or the name of its folder where it is called after a split.
fn subset(path: &Path, otherwise: &str) -> String {
    let name = |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
    let stem = name(path.file_stem()).unwrap_or_default();
    let is_split = ["train", "test", "validation", "dev"]
        .iter()
        .any(|split| stem.strip_prefix(split).is_some_and(|rest| rest.is_empty() || rest.starts_with('-')));
    if !is_split {
        return stem;
    }
    name(path.parent().and_then(Path::file_name)).filter(|folder| folder.len() < 40).unwrap_or(otherwise.to_owned())
}

fn turblimp(row: &Row, phenomenon: &str) -> Result<Item> {
    Item::pair(row, ["sentence_good", "sentence_bad"], phenomenon)
}

fn belebele(row: &Row, _: &str) -> Result<Item> {
    let (passage, question) = (row.text("flores_passage")?, row.text("question")?);
    let choices = (1..=4).map(|n| row.text(&format!("mc_answer{n}"))).collect::<Result<_>>()?;
    let context = format!("{}\nSoru: {}\nCevap:", passage.trim(), question.trim());
    let Some(answer) = row.index("correct_answer_num")?.checked_sub(1) else {
        bail!("{}: `correct_answer_num` is 0, answers are counted from 1", row.place)
    };
    Item { context, choices, answer, phenomenon: String::from("belebele") }.checked(row)
}

fn xcopa(row: &Row, _: &str) -> Result<Item> {
    let (premise, question) = (row.text("premise")?, row.text("question")?);
    let link = match question.as_str() {
        "cause" => "çünkü",
        "effect" => "bu yüzden",
        other => bail!("{}: `question` is {other:?}, and not cause or effect", row.place),
    };
    let context = format!("{} {link}", premise.trim().trim_end_matches('.'));
    let choice = |name: &str| row.text(name).map(|text| lower_first(text.trim()));
    let choices = vec![choice("choice1")?, choice("choice2")?];
    Item { context, choices, answer: row.index("label")?, phenomenon: question }.checked(row)
}

fn xnli(row: &Row, _: &str) -> Result<Item> {
    let (premise, hypothesis) = (row.text("premise")?, row.text("hypothesis")?);
    let context = format!("{}\nBuna göre \"{}\" doğru mu?", premise.trim(), hypothesis.trim());
    let choices = ["Evet.", "Belli değil.", "Hayır."].map(String::from).to_vec();
    let answer = row.index("label")?;
    let phenomenon = ["entailment", "neutral", "contradiction"].get(answer).copied().unwrap_or_default().to_owned();
    Item { context, choices, answer, phenomenon }.checked(row)
}

/// A sentence as it stands behind the beginning of another: with a small first letter, by the rules of Turkish.
fn lower_first(text: &str) -> String {
    let first = text.chars().next().map_or(0, char::len_utf8);
    case::lower(&text[..first]).chain(text[first..].chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_called_after_a_split_are_named_by_their_folder() {
        for (path, expected) in [
            ("snapshots/0/anaphor_agreement/train-00000-of-00001.parquet", "anaphor_agreement"),
            ("snapshots/0/data/binding.csv", "binding"),
            ("snapshots/0123456789abcdef0123456789abcdef01234567/test.jsonl", "set"),
        ] {
            assert_eq!(subset(Path::new(path), "set"), expected, "{path}");
        }
        assert_eq!((lower_first("Işık söndü."), lower_first("İş bitti.")), ("ışık söndü.".into(), "iş bitti.".into()));
    }
}
