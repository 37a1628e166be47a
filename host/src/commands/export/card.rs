//! The card of a model on the hub: front matter in YAML, then a page in Markdown.

use std::fmt::Write;
use std::path::PathBuf;

use ebt_core::config::ModelKind;
use ebt_model::{Dtype, LoadedModel};
use serde_json::{Value, json};

/// What stands for the name of a model that has none yet.
pub const UNNAMED: &str = "OWNER/NAME";

/// What a folder for the hub is made of.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "For the hub")]
pub struct HubArgs {
    /// Folder to write for the Hugging Face hub
    #[arg(long, value_name = "DIR")]
    pub hub: Option<PathBuf>,
    /// What the model will be called there [default: OWNER/NAME, to be replaced]
    #[arg(long, value_name = "OWNER/NAME", requires = "hub", value_parser = repository)]
    pub repository: Option<String>,
    /// Licence of the weights, as the hub spells it: cc-by-sa-4.0, apache-2.0, ...
    #[arg(long, alias = "license", value_name = "ID", requires = "hub")]
    pub licence: Option<String>,
    /// Language of the text that it learned
    #[arg(long, value_name = "CODE", default_value = "tr", requires = "hub")]
    pub language: String,
    /// Data set of the hub that it learned; may be repeated
    #[arg(long, value_name = "OWNER/NAME", requires = "hub", value_parser = repository)]
    pub dataset: Vec<String>,
    /// What `ebt eval --json` printed, for the card; may be repeated [default: the last validation of a run folder]
    #[arg(long, value_name = "FILE", requires = "hub")]
    pub results: Vec<PathBuf>,
}

/// Parser of `OWNER/NAME`.
pub fn repository(given: &str) -> Result<String, String> {
    let plain = |part: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        !part.is_empty() && part.chars().all(plain) && !part.starts_with(['.', '-'])
    };
    match given.split_once('/') {
        Some((owner, name)) if plain(owner) && plain(name) => Ok(given.to_owned()),
        _ => Err(String::from("OWNER/NAME is needed, of letters, digits and -_. alone")),
    }
}

/// A number that was measured, and on what.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    text: String,
    metric: &'static str,
    name: &'static str,
    value: f64,
}

impl Measured {
    /// Bits per byte on a text.
    pub fn bits_per_byte(text: String, value: f64) -> Self {
        Self { text, metric: "bits_per_byte", name: "bits per byte", value }
    }

    /// The share of items judged right.
    pub fn accuracy(text: String, value: f64) -> Self {
        Self { text, metric: "accuracy", name: "accuracy", value }
    }
}

/// The whole card; `packed` is the size of the packed model in bytes.
pub fn text(model: &LoadedModel, hub: &HubArgs, dtype: Dtype, packed: usize, results: &[Measured]) -> String {
    let repository = hub.repository.as_deref().unwrap_or(UNNAMED);
    let name = repository.rsplit('/').next().unwrap_or(repository);
    let mut front = json!({ "language": [hub.language], "tags": ["energy-based-model", "ebt"] });
    if model.config.kind != ModelKind::Joint {
        front["pipeline_tag"] = json!("text-generation");
    }
    if let Some(licence) = &hub.licence {
        front["license"] = json!(licence);
    }
    if !hub.dataset.is_empty() {
        front["datasets"] = json!(hub.dataset);
    }
    if !results.is_empty() {
        let result = |m: &Measured| {
            json!({
                "task": { "type": "text-generation" },
                "dataset": { "type": "text", "name": m.text },
                "metrics": [{ "type": m.metric, "name": m.name, "value": m.value }],
            })
        };
        let results: Vec<Value> = results.iter().map(result).collect();
        front["model-index"] = json!([{ "name": name, "results": results }]);
    }
    let mut out = String::from("---\n");
    yaml(&front, 0, &mut out);
    out.push_str("---\n");
    page(&mut out, model, (repository, name), (dtype, packed), results);
    out
}

fn page(
    out: &mut String,
    model: &LoadedModel,
    (repository, name): (&str, &str),
    (dtype, packed): (Dtype, usize),
    results: &[Measured],
) {
    let config = &model.config;
    let kind = match config.kind {
        ModelKind::Ebt => "An energy-based transformer: the next token is found by descent on an energy",
        ModelKind::Transformer => "A causal transformer, the baseline of energy-based ones",
        ModelKind::Joint => "An energy-based transformer: one energy of all positions, descended on together",
    };
    let parameters = model.layout.count();
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(format!("\n# {name}\n\n{kind}. Trained with `ebt`, which also runs it.\n"));
    line(format!("    ebt generate --model hf://{repository}/model.ebp --prompt \"Bir varmış\""));
    line(format!("    ebt eval --model hf://{repository}/model.safetensors text.txt\n"));
    line(String::from("| | |\n|---|---|"));
    line(format!(
        "| sizes | {parameters} parameters, {} blocks, width {}, {} heads, vocabulary {}, context {} |",
        config.layers, config.dim, config.heads, config.vocab, config.context
    ));
    line(format!("| `model.safetensors` | to train on from and to evaluate, {} |", dtype.name()));
    line(format!("| `model.ebp` | to run anywhere, {packed} bytes |"));
    for (key, value) in &model.provenance {
        line(format!("| {} | {} |", cell(key), cell(value)));
    }
    for m in results {
        line(format!("| {} on {} | {:.4} |", m.name, cell(&m.text), m.value));
    }
}

/// A text inside a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

/// A value as block YAML, `depth` steps in: objects and lists are lines, all else is as JSON has it, which YAML reads.
fn yaml(value: &Value, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    // what follows a key or a dash: on its line where it is no more than a word, else on lines of its own
    let mut below = |lead: String, value: &Value| match value {
        Value::Object(_) | Value::Array(_) => {
            let _ = writeln!(out, "{indent}{lead}");
            yaml(value, depth + 1, out);
        }
        scalar => {
            let _ = writeln!(out, "{indent}{lead} {scalar}");
        }
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| below(format!("{key}:"), value)),
        Value::Array(items) => items.iter().for_each(|item| below(String::from("-"), item)),
        scalar => below(String::new(), scalar),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_has_lines_for_objects_and_lists_and_quotes_every_text() {
        let mut out = String::new();
        let value = json!({ "a": ["x: y", 1.5], "b": { "c": "tek \"tırnak\"" }, "d": [{ "e": true }] });
        yaml(&value, 0, &mut out);
        let expected = "a:\n  - \"x: y\"\n  - 1.5\nb:\n  c: \"tek \\\"tırnak\\\"\"\nd:\n  -\n    e: true\n";
        assert_eq!(out, expected);
    }

    #[test]
    fn a_repository_is_owner_and_name() {
        for good in ["biri/model", "a-b/c_d.1"] {
            assert_eq!(repository(good).as_deref(), Ok(good));
        }
        for bad in ["model", "a/b/c", "a/", "/b", "a b/c", "a/-b", "ş/b"] {
            assert!(repository(bad).is_err(), "{bad}");
        }
    }
}
