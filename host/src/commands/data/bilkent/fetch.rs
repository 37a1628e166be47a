//! Fetches the set, and prepares it.

use std::fs::{self, File};
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use ebt_corpus::hub::{self, HubName, HubOptions, RepoKind};
use ebt_corpus::licence::Licence;
use ebt_corpus::read::columns_and_rows;
use ebt_data::progress::{Terminal, eprint_line};
use ebt_data::text::{Format, Formats, InputFile, ReadOptions};

use super::args::Args;
use crate::cli::Output;

const DATASET: &str = "selimfirat/bilkent-turkish-writings-dataset";
const FILE: &str = "data/train-00000-of-00001.parquet";
const COLUMN: &str = "text";
const DOCUMENTS: u64 = 9_119;

/// The licence of the set, for the manifest of what is prepared from it.
pub const LICENCE: &str = "Academic Use License: academic, educational and non-commercial use only; cite S. F. Yilmaz \
                           (2025), Compilation of Bilkent Turkish Writings Dataset, doi:10.5281/zenodo.15498155, and \
                           name the source, Bilkent University Turkish Department";

/// What has to be accepted.
const NOTICE: &str = "\
The Bilkent Turkish Writings set is licensed for academic, educational and non-commercial use only (Academic Use License).
  Not allowed: commercial use, use in products or services, redistribution for profit.
  Asked for:   citation of S. F. Yilmaz (2025), Compilation of Bilkent Turkish Writings Dataset,
               https://doi.org/10.5281/zenodo.15498155, and of the source, Bilkent University Turkish Department,
               https://stars.bilkent.edu.tr/turkce/
  In full:     https://huggingface.co/datasets/selimfirat/bilkent-turkish-writings-dataset";

/// Runs the command.
///
/// # Errors
///
/// A licence that was not accepted, a hub that cannot be reached or refuses, a file that is not the set.
pub fn run(args: &Args) -> Result<()> {
    accept_licence(args.accept_licence)?;
    let mut progress = if args.making.quiet { Terminal::of_notes() } else { Terminal::default() };
    let fetched = hub::fetch(&args.options()?, &mut progress)?;
    drop(progress);
    let documents = documents(&fetched.path)?;
    if documents != DOCUMENTS {
        eprint_line(format!(
            "warning: the set holds {documents} documents at commit {}, and not {DOCUMENTS} as when this program was written",
            fetched.commit
        ));
    }
    if !args.making.quiet {
        let how = if fetched.downloaded { "downloaded and verified" } else { "in the cache already" };
        eprint_line(format!("{documents} documents, commit {}, {how}", fetched.commit));
    }
    let Some(folder) = args.out.as_ref().filter(|_| !args.download_only) else {
        let mut out = Output::of_results();
        writeln!(out, "{}", fetched.path.display())?;
        return Ok(out.flush()?);
    };
    let mut input = InputFile::new(&fetched.path, Formats::All(Format::Parquet))?;
    input.source = format!("bilkent-turkish-writings@{}", fetched.commit);
    let reading = ReadOptions { column: COLUMN.to_owned(), ..ReadOptions::default() };
    args.making.run(folder, vec![input], reading, vec![Licence::of_all(LICENCE)], None)
}

impl Args {
    fn options(&self) -> Result<HubOptions> {
        let (repository, path) = (String::from(DATASET), String::from(FILE));
        let name = HubName { kind: RepoKind::Dataset, repository, revision: self.revision.clone(), path };
        let mut options = HubOptions::from_env(name)?;
        options.offline |= self.offline;
        options.retries = self.retries.unwrap_or(options.retries);
        if let Some(endpoint) = &self.endpoint {
            options.endpoint.clone_from(endpoint);
        }
        Ok(options)
    }
}

/// Shows the licence, and asks on a terminal unless it was accepted already.
fn accept_licence(accepted: bool) -> Result<()> {
    eprint_line(NOTICE);
    let accepted = accepted || {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            bail!("the licence has to be accepted: read the above and give --accept-licence");
        }
        eprint_line("Do you accept it? [yes/no]");
        is_yes(&mut io::stdin().lock()).context("cannot read the answer")?
    };
    if !accepted {
        bail!("the licence was not accepted; nothing was downloaded");
    }
    Ok(())
}

/// Whether the next line is a yes, in English or Turkish.
fn is_yes(input: &mut dyn BufRead) -> io::Result<bool> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    Ok(["y", "yes", "e", "evet"].contains(&line.trim().to_lowercase().as_str()))
}

/// Number of documents in a Parquet file with the text column.
fn documents(path: &Path) -> Result<u64> {
    // the content itself; without its link alone it would be found again
    let blob = fs::canonicalize(path).with_context(|| format!("cannot read {}", path.display()))?;
    let unusable = || {
        let (path, blob) = (path.display(), blob.display());
        format!("{path} is not a usable Parquet file; delete {blob} and run the command again to download it anew")
    };
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let (columns, rows) = columns_and_rows(&path.display().to_string(), file).with_context(unusable)?;
    if !columns.iter().any(|column| column == COLUMN) {
        bail!("{} has no column `{COLUMN}`; its columns are: {}", path.display(), columns.join(", "));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        for (line, expected) in [
            ("yes\n", true),
            (" Evet \n", true),
            ("y", true),
            ("\n", false),
            ("", false),
            ("no\n", false),
            ("yesterday\n", false),
        ] {
            assert_eq!(is_yes(&mut line.as_bytes()).unwrap(), expected, "{line:?}");
        }
    }
}
