//! `ebt inspect`: what a model file or a packed model holds.

mod packed;
mod parts;

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use ebt_core::config::Config;
use ebt_core::objective::Objective;
use ebt_data::file;
use ebt_model::model::FORMAT;
use ebt_model::{ModelFile, TensorFile, locate};
use serde::Serialize;

use crate::cli::{Output, write_json};
use crate::hub;
use parts::{TokenizerReport, print_fields, print_origin};

/// Show what a model file or a packed model holds.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ebt inspect model.ebt
  ebt inspect model.ebp
  ebt inspect --json runs/turkish")]
pub struct Args {
    /// Model file, packed model, run or checkpoint folder, or hf://OWNER/NAME[@REVISION]/FILE
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
    tokenizer_fingerprint: Option<String>,
}

/// One tensor of a model file: its shape, its size as stored, and statistics of its values in single precision.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    shape: Vec<usize>,
    count: usize,
    dtype: String,
    bytes: usize,
    min: f32,
    max: f32,
    /// Root of the mean square.
    rms: f64,
    /// Values that are no numbers.
    not_finite: usize,
}

impl Row {
    fn of(file: &TensorFile, name: &str) -> Result<Self> {
        let numbers = file.numbers(name)?;
        let (mut min, mut max, mut squares, mut not_finite) = (f32::INFINITY, f32::NEG_INFINITY, 0.0, 0);
        for x in numbers.iter() {
            (min, max) = (min.min(x as f32), max.max(x as f32));
            squares += x * x;
            not_finite += usize::from(!x.is_finite());
        }
        Ok(Self {
            name: name.to_owned(),
            shape: file.shape(name).unwrap_or_default().to_vec(),
            count: numbers.len(),
            dtype: file.dtype(name).map_or(String::new(), |dtype| format!("{dtype:?}").to_lowercase()),
            bytes: numbers.bytes(),
            min,
            max,
            rms: (squares / numbers.len().max(1) as f64).sqrt(),
            not_finite,
        })
    }
}

/// Runs the command.
///
/// # Errors
///
/// A file that cannot be read or is no sound model file.
pub fn run(args: Args) -> Result<()> {
    let path = locate(&hub::local(&args.path)?)?;
    let bytes = file::map(&path)?;
    if bytes.starts_with(&ebt::packed::MAGIC) {
        return packed::run(&path.display().to_string(), &bytes, args.json);
    }
    let report = report(ModelFile::open(&path)?)?;
    let mut out = Output::of_results();
    if args.json {
        write_json(&mut out, &report)?;
    } else {
        print(&mut out, &report)?;
    }
    out.flush()?;
    Ok(())
}

fn report(model: ModelFile) -> Result<Report> {
    let tokenizer = model.tokenizer.as_ref().map(|t| {
        let fingerprint = format!("{:016x}", t.fingerprint());
        TokenizerReport { vocabulary: t.vocabulary_size(), fingerprint, bytes: t.to_json().len() }
    });
    let tensors = model.file.names().map(|name| Row::of(&model.file, name)).collect::<Result<Vec<Row>>>()?;
    Ok(Report {
        file: model.file.path().display().to_string(),
        format_version: FORMAT.version,
        bytes: model.file.length(),
        parameters: model.layout.count(),
        active_parameters: model.layout.active(&model.config),
        weight_bytes: tensors.iter().map(|t| t.bytes).sum(),
        tensors,
        tokenizer,
        tokenizer_fingerprint: model.fingerprint.map(|fingerprint| format!("{fingerprint:016x}")),
        provenance: model.provenance,
        config: model.config,
        objective: model.objective,
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
        "tensor", "shape", "count", "dtype", "bytes", "min", "max", "rms"
    )?;
    for t in &r.tensors {
        let shape = t.shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ");
        write!(out, "{:width$}  {shape:>13}  {:>10}  {:>5}  {:>11}", t.name, t.count, t.dtype, t.bytes)?;
        write!(out, "  {:>10.3e}  {:>10.3e}  {:>10.3e}", t.min, t.max, t.rms)?;
        let warning =
            if t.not_finite > 0 { format!("  {} values are not finite", t.not_finite) } else { String::new() };
        writeln!(out, "{warning}")?;
    }
    writeln!(out, "\nparameters         {}", r.parameters)?;
    writeln!(out, "active for a token {}", r.active_parameters)?;
    writeln!(out, "bytes of weights   {}\n", r.weight_bytes)?;
    print_origin(out, r.tokenizer.as_ref(), r.tokenizer_fingerprint.as_deref(), &r.provenance)
}
