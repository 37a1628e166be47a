//! `host inspect`: what a model file or a packed model holds.

mod packed;
mod parts;

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use ebt_core::config::Config;
use ebt_core::model_file::{self, ModelFile, TensorView};
use ebt_core::objective::Objective;
use ebt_data::file;
use ebt_tokenizer::Tokenizer;
use ebt_train::model;
use serde::Serialize;

use crate::cli::{Output, write_json};
use parts::{TokenizerReport, print_fields, print_origin};

/// Show what a model file or a packed model holds.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  host inspect model.ebt
  host inspect model.ebp
  host inspect --json runs/turkish")]
pub struct Args {
    /// Model file, packed model, or run or checkpoint folder
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// What is printed.
#[derive(Debug, Serialize)]
struct Report {
    file: String,
    format_version: u32,
    bytes: usize,
    config: Config,
    objective: Objective,
    parameters: usize,
    active_parameters: usize,
    weight_bytes: usize,
    tensors: Vec<Row>,
    provenance: Vec<(String, String)>,
    tokenizer: Option<TokenizerReport>,
}

/// One tensor of a model file: its shape, its size as stored, and statistics of its values in single precision.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    rows: usize,
    columns: usize,
    count: usize,
    dtype: &'static str,
    bytes: usize,
    min: f32,
    max: f32,
    /// Root of the mean square.
    rms: f64,
    /// Values that are no numbers.
    not_finite: usize,
}

impl Row {
    fn of(name: &str, tensor: &TensorView<'_>) -> Self {
        let (mut min, mut max, mut squares, mut not_finite) = (f32::INFINITY, f32::NEG_INFINITY, 0.0, 0);
        for x in tensor.to_f32() {
            (min, max) = (min.min(x), max.max(x));
            squares += f64::from(x) * f64::from(x);
            not_finite += usize::from(!x.is_finite());
        }
        Self {
            name: name.to_owned(),
            rows: tensor.rows,
            columns: tensor.columns,
            count: tensor.len(),
            dtype: tensor.dtype.name(),
            bytes: tensor.bytes.len(),
            min,
            max,
            rms: (squares / tensor.len().max(1) as f64).sqrt(),
            not_finite,
        }
    }
}

/// Runs the command.
///
/// # Errors
///
/// A file that cannot be read or is no sound model file.
pub fn run(args: Args) -> Result<()> {
    let path = model::locate(&args.path)?;
    let bytes = file::map(&path)?;
    if bytes.starts_with(&ebt::packed::MAGIC) {
        return packed::run(&path.display().to_string(), &bytes, args.json);
    }
    let parsed = model_file::read(&bytes).with_context(|| path.display().to_string())?;
    let report = report(path.display().to_string(), bytes.len(), &parsed)?;
    let mut out = Output::of_results();
    if args.json {
        write_json(&mut out, &report)?;
    } else {
        print(&mut out, &report)?;
    }
    out.flush()?;
    Ok(())
}

fn report(file: String, bytes: usize, parsed: &ModelFile<'_>) -> Result<Report> {
    let tokenizer = parsed.tokenizer.map(|json| -> Result<_> {
        let t = Tokenizer::from_json(json).with_context(|| format!("the tokenizer inside {file}"))?;
        let fingerprint = format!("{:016x}", t.fingerprint());
        Ok(TokenizerReport { vocabulary: t.vocabulary_size(), fingerprint, bytes: json.len() })
    });
    Ok(Report {
        tokenizer: tokenizer.transpose()?,
        format_version: model_file::VERSION,
        bytes,
        parameters: parsed.layout.count(),
        active_parameters: parsed.layout.active(&parsed.config),
        weight_bytes: parsed.tensors.iter().map(|t| t.bytes.len()).sum(),
        tensors: parsed.layout.entries.iter().zip(&parsed.tensors).map(|(e, t)| Row::of(&e.name, t)).collect(),
        provenance: parsed.provenance().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
        config: parsed.config.clone(),
        objective: parsed.objective.clone(),
        file,
    })
}

fn print(out: &mut impl Write, r: &Report) -> Result<()> {
    writeln!(out, "{}: model file version {}, {} bytes\n", r.file, r.format_version, r.bytes)?;
    print_fields(out, "config", &r.config)?;
    print_fields(out, "objective", &r.objective)?;
    let width = r.tensors.iter().map(|t| t.name.len()).max().unwrap_or(0).max(9);
    writeln!(
        out,
        "{:width$}  {:>13}  {:>10}  {:>5}  {:>11}  {:>10}  {:>10}  {:>10}",
        "parameter", "shape", "count", "dtype", "bytes", "min", "max", "rms"
    )?;
    for t in &r.tensors {
        let shape = format!("{} x {}", t.rows, t.columns);
        write!(out, "{:width$}  {shape:>13}  {:>10}  {:>5}  {:>11}", t.name, t.count, t.dtype, t.bytes)?;
        write!(out, "  {:>10.3e}  {:>10.3e}  {:>10.3e}", t.min, t.max, t.rms)?;
        let warning =
            if t.not_finite > 0 { format!("  {} values are not finite", t.not_finite) } else { String::new() };
        writeln!(out, "{warning}")?;
    }
    writeln!(out, "\nparameters         {}", r.parameters)?;
    writeln!(out, "active for a token {}", r.active_parameters)?;
    writeln!(out, "bytes of weights   {}\n", r.weight_bytes)?;
    print_origin(out, r.tokenizer.as_ref(), &r.provenance)
}
