//! What an interrupted `prepare` left behind: a file of JSON lines, each written through to the disk before the next.
//!
//! The first line is the plan; work goes on only under the same plan, byte for byte. Then comes the survey, once the
//! first pass is done, and a line for every finished shard, which says with which document the next shard of its split
//! begins. A shard with the number of an earlier one takes back that one and all after it. A last line that is cut off
//! does not count.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ebt_data::shard::ShardRecord;
use ebt_data::shard::manifest::{Dropped, PartRecord, Split};
use ebt_data::text::find::JOURNAL_FILE;
use ebt_data::text::{InputFile, Tally};
use serde::{Deserialize, Serialize};

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Program and version.
    pub created_by: String,
    /// Fingerprint of the tokenizer.
    pub tokenizer: String,
    /// All options that decide the content.
    pub options: super::options::Content,
    /// Files with size and time of change.
    pub inputs: Vec<InputFile>,
    /// The part of a corpus that this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<PartRecord>,
}

/// What the first pass found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Survey {
    /// Documents of every input.
    pub files: Vec<u64>,
    /// Documents to drop, by source and reason.
    pub dropped: Vec<Dropped>,
    /// What else was met, by source.
    pub tallies: Vec<Tally>,
    /// Checksum of the file that says which documents are dropped.
    pub checksum: String,
}

/// A count that no corpus reaches: sums of thousands of counts up to it are still numbers.
const MOST: u64 = 1 << 48;

impl Survey {
    /// Whether it can be what was found in `inputs` files. A damaged journal is not believed.
    pub fn fits(&self, inputs: usize) -> bool {
        let Self { files, dropped, tallies, checksum: _ } = self;
        let dropped = dropped.iter().flat_map(|d| {
            let Dropped { null, empty, short, language, duplicates, near_duplicates } = *d;
            [null, empty, short, language, duplicates, near_duplicates]
        });
        let tallies = tallies.iter().flat_map(|t| {
            let Tally { nulls, cuts, replaced, .. } = *t;
            [nulls, cuts, replaced]
        });
        files.len() == inputs && files.iter().copied().chain(dropped).chain(tallies).all(|count| count <= MOST)
    }

    /// Number of documents in all inputs together, those to drop included.
    pub fn documents(&self) -> u64 {
        self.files.iter().sum()
    }
}

/// What one source has in one shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Index of the source.
    pub source: usize,
    /// Number of documents, each of which adds one begin token.
    pub documents: u64,
    /// Bytes of text.
    pub text_bytes: u64,
    /// Tokens, begin tokens included.
    pub tokens: u64,
}

/// A finished shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// Whether it is to train on or to measure on.
    pub split: Split,
    /// Its number among the shards of the split, from 0, as in the name of its file.
    pub index: usize,
    /// For the manifest.
    pub shard: ShardRecord,
    /// Number of the first document that the next shard of the split may hold.
    pub next: u64,
    /// What is in it.
    pub shares: Vec<Share>,
}

impl Finished {
    /// Whether its parts add up. A damaged journal is not believed.
    pub fn adds_up(&self) -> bool {
        let sum = |of: fn(&Share) -> u64| self.shares.iter().try_fold(0u64, |sum, share| sum.checked_add(of(share)));
        let sums = [sum(|s| s.documents), sum(|s| s.text_bytes), sum(|s| s.tokens)];
        let said = [self.shard.documents, self.shard.text_bytes, self.shard.tokens];
        said.iter().all(|&count| count <= MOST) && sums == said.map(Some)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Survey(Survey),
    Shard(Finished),
}

/// The journal of a folder, which its user holds ([`ebt_data::lock`]).
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// The survey, if the first pass was done.
    pub survey: Option<Survey>,
    /// Finished shards to train on.
    pub train: Vec<Finished>,
    /// Finished shards to measure on.
    pub validation: Vec<Finished>,
}

impl Journal {
    /// Opens the journal of a folder, or begins one; returns whether it was made for this plan (a new one is).
    ///
    /// # Errors
    ///
    /// What the file system refuses; the message names the file.
    pub fn open(folder: &Path, plan: &Plan) -> Result<(Self, bool)> {
        let path = folder.join(JOURNAL_FILE);
        let failed = || format!("cannot write {}", path.display());
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = file.with_context(failed)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).with_context(|| format!("cannot read {}", path.display()))?;
        let mut journal = Self { path: path.clone(), file, survey: None, train: Vec::new(), validation: Vec::new() };
        let mut lines = text.split_inclusive(|&byte| byte == b'\n');
        let own = first_line(plan)?;
        match lines.next() {
            Some(line) if line == own.as_bytes() => {
                let mut length = line.len();
                for line in lines {
                    if !line.ends_with(b"\n") || !journal.take(line) {
                        break;
                    }
                    length += line.len();
                }
                journal.cut(length as u64)?;
                Ok((journal, true))
            }
            // nothing was done under a plan that was not written whole
            other => {
                let fresh = other.is_none_or(|line| !line.ends_with(b"\n"));
                if fresh {
                    journal.restart(plan)?;
                }
                Ok((journal, fresh))
            }
        }
    }

    /// Takes a line over; false if it makes no sense.
    fn take(&mut self, line: &[u8]) -> bool {
        match serde_json::from_slice(line) {
            Ok(Line::Survey(survey)) => self.survey = Some(survey),
            Ok(Line::Shard(finished)) => {
                let shards = self.shards(finished.split);
                if finished.index > shards.len() {
                    return false;
                }
                shards.truncate(finished.index);
                shards.push(finished);
            }
            Err(_) => return false,
        }
        true
    }

    /// Finished shards of a split.
    pub fn shards(&mut self, split: Split) -> &mut Vec<Finished> {
        match split {
            Split::Train => &mut self.train,
            Split::Validation => &mut self.validation,
        }
    }

    /// Forgets everything and begins with a plan.
    ///
    /// # Errors
    ///
    /// What the file system refuses; the message names the file.
    pub fn restart(&mut self, plan: &Plan) -> Result<()> {
        self.cut(0)?;
        (self.survey, self.train, self.validation) = (None, Vec::new(), Vec::new());
        self.append(&first_line(plan)?)
    }

    /// Adds the survey.
    ///
    /// # Errors
    ///
    /// What the file system refuses; the message names the file.
    pub fn surveyed(&mut self, survey: Survey) -> Result<()> {
        self.append(&line(&Line::Survey(survey.clone()))?)?;
        self.survey = Some(survey);
        Ok(())
    }

    /// Adds a finished shard.
    ///
    /// # Errors
    ///
    /// What the file system refuses; the message names the file.
    pub fn finished(&mut self, finished: Finished) -> Result<()> {
        self.append(&line(&Line::Shard(finished.clone()))?)?;
        let shards = self.shards(finished.split);
        shards.truncate(finished.index);
        shards.push(finished);
        Ok(())
    }

    fn append(&mut self, text: &str) -> Result<()> {
        let write = |file: &mut File| {
            file.seek(SeekFrom::End(0))?;
            file.write_all(text.as_bytes())?;
            file.sync_data()
        };
        write(&mut self.file).with_context(|| format!("cannot write {}", self.path.display()))
    }

    fn cut(&mut self, length: u64) -> Result<()> {
        self.file.set_len(length).with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// Removes the journal: everything is done.
    ///
    /// # Errors
    ///
    /// What the file system refuses; the message names the file.
    pub fn remove(self) -> Result<()> {
        fs::remove_file(&self.path).with_context(|| format!("cannot remove {}", self.path.display()))
    }
}

fn first_line(plan: &Plan) -> Result<String> {
    #[derive(Serialize)]
    struct First<'a> {
        plan: &'a Plan,
    }
    line(&First { plan })
}

fn line(value: &impl Serialize) -> Result<String> {
    let mut text = serde_json::to_string(value).context("cannot represent the journal as JSON")?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn plan(version: &str) -> Plan {
        Plan {
            created_by: version.into(),
            tokenizer: String::new(),
            options: Default::default(),
            inputs: Vec::new(),
            part: None,
        }
    }

    fn finished(split: Split, index: usize, next: u64) -> Finished {
        let shard = ShardRecord { file: split.file(index), ..ShardRecord::default() };
        Finished { split, index, shard, next, shares: vec![Share::default()] }
    }

    #[test]
    fn what_was_written_whole_is_read_back_wherever_the_file_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(JOURNAL_FILE);
        let (mut journal, _) = Journal::open(folder.path(), &plan("1")).unwrap();
        journal.surveyed(Survey { files: vec![3, 4], ..Survey::default() }).unwrap();
        for (index, next) in [(0, 2), (1, 5), (0, 3)] {
            journal.finished(finished(Split::Train, index, next)).unwrap();
        }
        journal.finished(finished(Split::Validation, 0, 7)).unwrap();
        drop(journal);
        let whole = fs::read(&path).unwrap();
        let ends: Vec<usize> = (0..whole.len()).filter(|&i| whole[i] == b'\n').map(|i| i + 1).collect();
        for length in 0..=whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let (journal, same) = Journal::open(folder.path(), &plan("1")).unwrap();
            assert!(same);
            let lines = ends.iter().filter(|&&end| end <= length).count();
            let expected: &[u64] = [&[][..], &[], &[], &[2], &[2, 5], &[3], &[3]][lines];
            assert_eq!(journal.train.iter().map(|f| f.next).collect::<Vec<_>>(), expected);
            assert_eq!((journal.survey.is_some(), journal.validation.len()), (lines > 1, usize::from(lines > 5)));
        }
    }

    #[test]
    fn another_plan_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Journal::open(folder.path(), &plan("1")).unwrap().1);
        let (mut journal, same) = Journal::open(folder.path(), &plan("2")).unwrap();
        assert!(!same);
        journal.restart(&plan("2")).unwrap();
        drop(journal);
        assert!(Journal::open(folder.path(), &plan("2")).unwrap().1);
    }
}
