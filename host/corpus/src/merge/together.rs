//! Whether folders are all the parts of one corpus.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ebt_data::shard::manifest::{LeftOut, Manifest, PartInput, PartRecord, Prepared};
use ebt_data::{CREATED_BY, program};

use crate::prepare::part::Part;

/// Most documents that a part may tell of: sums over all parts are still numbers.
const MOST: u64 = 1 << 48;

/// Numbers of missing parts that a message tells.
const SHOWN: usize = 20;

/// Opens the folders of all parts, and gives them in the order of their numbers.
///
/// # Errors
///
/// A folder that is no part, a part twice, parts that are missing, parts of different inputs, options, tokenizers or
/// programs; the message names folder, part, file or flag.
pub fn open(folders: &[PathBuf]) -> Result<Vec<Prepared>> {
    let mut parts = BTreeMap::new();
    let mut example: Option<Prepared> = None;
    for folder in folders {
        let no_part = || format!("{} is no finished part of a corpus", folder.display());
        let mut part = Prepared::open(folder).with_context(no_part)?;
        let number = check(folder, &part.manifest)?.number;
        let example = example.get_or_insert_with(|| part.clone());
        one_job(example, &part)?;
        // what all parts have in common is held once
        part.tokenizer = example.tokenizer.clone();
        part.manifest.part.iter_mut().for_each(|record| record.inputs = Vec::new());
        if let Some(other) = parts.insert(number, part) {
            bail!("{} and {} are both part {number}", other.folder.display(), folder.display());
        }
    }
    let of = example.and_then(|part| part.manifest.part).map_or(0, |record| record.of);
    let missing: Vec<String> = (1..=of).filter(|n| !parts.contains_key(n)).map(|n| n.to_string()).collect();
    if !missing.is_empty() {
        let (parts, are) = if missing.len() == 1 { ("part", "is") } else { ("parts", "are") };
        let more = if missing.len() > SHOWN { ", ..." } else { "" };
        let some = missing[..missing.len().min(SHOWN)].join(", ");
        bail!("{parts} {some}{more} of {of} {are} missing: name the folders of all parts");
    }
    Ok(parts.into_values().collect())
}

/// The record of a part, if its manifest is one that this program writes.
fn check<'a>(folder: &Path, manifest: &'a Manifest) -> Result<&'a PartRecord> {
    let Some(record) = &manifest.part else {
        bail!(
            "{} is no part of a corpus, but data of all of it; `{} data prepare --part I/N` makes parts",
            folder.display(),
            program::name()
        );
    };
    if manifest.created_by != CREATED_BY {
        bail!(
            "{} was made by {}, and this is {CREATED_BY}: the program that made all parts merges them",
            folder.display(),
            manifest.created_by
        );
    }
    let files = manifest.sources.iter().map(|source| source.files);
    let counts = record.sources.iter().flat_map(|&LeftOut { dropped: d, cuts, replaced }| {
        [d.null, d.empty, d.short, d.language, d.duplicates, d.near_duplicates, cuts, replaced]
    });
    let sum = counts.chain(files).try_fold(0u64, u64::checked_add);
    let whole = Part::new(record.number, record.of).is_some()
        && record.sources.len() == manifest.sources.len()
        && manifest.validation.is_empty()
        && sum.is_some_and(|sum| sum <= MOST);
    if !whole {
        bail!("the manifest in {} is damaged: it says of a part what cannot be", folder.display());
    }
    Ok(record)
}

/// Fails if two parts were not made of the same input with the same options.
fn one_job(a: &Prepared, b: &Prepared) -> Result<()> {
    let (first, second) = (a.folder.display(), b.folder.display());
    let (m, n) = (&a.manifest, &b.manifest);
    let (Some(p), Some(q)) = (&m.part, &n.part) else { return Ok(()) };
    let others = "parts are merged that were made of the same input with the same options";
    if p.of != q.of {
        bail!("{first} is part {} of {}, but {second} is part {} of {}", p.number, p.of, q.number, q.of);
    }
    if m.tokenizer != n.tokenizer {
        let (m, n) = (&m.tokenizer.fingerprint, &n.tokenizer.fingerprint);
        bail!("{first} was prepared with the tokenizer {m}, but {second} with {n}; {others}");
    }
    for (name, value) in &m.options.0 {
        let other = n.options.0.get(name).unwrap_or(&serde_json::Value::Null);
        if value != other {
            let flag = name.replace('_', "-");
            bail!("{first} was prepared with --{flag} {value}, but {second} with {other}; {others}");
        }
    }
    let told = |input: &PartInput| format!("{} ({}, {} bytes)", input.file, input.format, input.size);
    let different = p.inputs.iter().zip(&q.inputs).position(|(a, b)| a != b);
    if let Some(i) = different {
        let (a, b) = (told(&p.inputs[i]), told(&q.inputs[i]));
        bail!("file {} of the input of {first} is {a}, but of {second} {b}; {others}", i + 1);
    }
    if p.inputs.len() != q.inputs.len() {
        bail!("the input of {first} is {} files, but of {second} {}; {others}", p.inputs.len(), q.inputs.len());
    }
    for (a, b) in m.sources.iter().zip(&n.sources) {
        if a.name != b.name || a.licence != b.licence {
            let told = |licence: &Option<String>| licence.clone().unwrap_or_else(|| "none".into());
            let (name, a, b) = (&a.name, told(&a.licence), told(&b.licence));
            bail!("the --licence of {name} is {a} in {first}, but {b} in {second}; {others}");
        }
    }
    if m.sources.len() != n.sources.len() || m.options != n.options {
        bail!("{first} and {second} are of different jobs; {others}");
    }
    Ok(())
}
