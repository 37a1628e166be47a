//! Going on with a run: what must be as it was.

use std::path::Path;

use anyhow::{Context, Result, bail};
use ebt_model::format::fingerprint_text;
use ebt_tokenizer::Tokenizer;
use toml::{Table, Value};

use crate::checkpoint::Header;
use crate::run_config::RunConfig;
use crate::run_config::keys::join;
use crate::task::Task;

/// Keys that do not touch the course of a run. Paths are free because the text itself is compared.
const FREE: [&str; 12] = [
    "train.minutes",
    "train.threads",
    "train.validate_every",
    "train.validate_tokens",
    "train.checkpoint_every",
    "train.keep_checkpoints",
    "train.keep_best",
    "train.patience",
    "train.log",
    "data.train",
    "data.validation",
    "data.tokenizer",
];

/// The configuration of a checkpoint.
pub fn saved(header: &Header) -> Result<RunConfig> {
    header.run_config()
}

/// Refuses a configuration, text or tokenizer under which the run would not go on as it began.
pub fn check(header: &Header, config: &RunConfig, task: &Task, out: &Path) -> Result<()> {
    let (was, now) = (flat(&saved(header)?)?, flat(config)?);
    let show = |value: Option<&Value>| value.map_or(String::from("unset"), Value::to_string);
    for key in was.keys().chain(now.keys()) {
        let (a, b) = (was.get(key), now.get(key));
        if a != b && !FREE.contains(&key.as_str()) {
            bail!(
                "`{key}` is {} now, but the run in {} was started with {}; a resumed run must keep it",
                show(b),
                out.display(),
                show(a)
            );
        }
    }
    if let Some(tokenizer) = task.tokenizer() {
        check_tokenizer(header, tokenizer, out)?;
    }
    let prints = task.fingerprints();
    let prints = [
        ("training text (`data.train`)", header.train_data, prints.train),
        ("validation text (`data.validation`)", header.validation_data, prints.validation),
    ];
    for (what, was, now) in prints {
        if was != now {
            bail!("the {what} is not what the run in {} was started with; a resumed run must keep it", out.display());
        }
    }
    Ok(())
}

/// Refuses a tokenizer other than the one that the run in `out` began with.
pub fn check_tokenizer(header: &Header, tokenizer: &Tokenizer, out: &Path) -> Result<()> {
    let (was, now) = (header.tokenizer, tokenizer.fingerprint());
    if was != now {
        bail!(
            "the run in {} was started with the tokenizer {}, but {} of {} tokens is given now (`data.tokenizer`, else that \
             of prepared data); a resumed run must keep it",
            out.display(),
            fingerprint_text(was),
            fingerprint_text(now),
            tokenizer.vocabulary_size()
        );
    }
    Ok(())
}

/// A configuration as dotted keys.
fn flat(config: &RunConfig) -> Result<Table> {
    let mut all = Table::new();
    flatten(Table::try_from(config).context("cannot represent the configuration as TOML")?, "", &mut all);
    Ok(all)
}

fn flatten(table: Table, prefix: &str, all: &mut Table) {
    for (key, value) in table {
        let name = join(prefix, &key);
        match value {
            Value::Table(inner) => flatten(inner, &name, all),
            value => {
                all.insert(name, value);
            }
        }
    }
}
