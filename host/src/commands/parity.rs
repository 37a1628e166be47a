//! `host parity`: golden cases of the reference implementation.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ebt_core::compute::Backend;
use ebt_cpu::Cpu;
use ebt_train::run_config::Precision;
use serde::Serialize;

use crate::cli::{Backend as Asked, BackendTask, DeviceArgs, Names, one_of, thread_count, write_json};
use crate::parity::{self, Case, Quantity, Tolerance};

/// Compare this program with golden cases of the reference implementation.
///
/// A golden case is a safetensors file with a model, a batch, and the losses, energies, states and parameter gradients
/// that the reference computed. Every quantity is printed with its relative error; the exit status is 1 if any is over
/// its bound, or a file is no golden case.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  host parity fixtures/golden/*.safetensors
  host parity --dtype f32 --json fixtures/golden/s1_dense.safetensors
  host parity --backend cuda --dtype bf16 fixtures/golden/*.safetensors")]
pub struct Args {
    /// Golden cases (safetensors)
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Precision to compute in [default: f64; with --backend cuda f32]
    #[arg(long, visible_alias = "precision", value_parser = one_of(NUMBERS))]
    dtype: Option<Numbers>,
    /// Largest relative error of every quantity [default: f64 1e-9; f32 5e-5, parameter gradients 2e-3; tf32 and f16
    /// 5e-3 and 2e-2, bf16 4e-2 and 0.16, or 6 times what rounding the weights changes in exact arithmetic]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    tolerance: Option<f64>,
    /// Print one JSON array instead of text
    #[arg(long)]
    json: bool,
}

/// Numbers of a computation: double where there is no precision of a run.
type Numbers = Option<Precision>;

const NUMBERS: Names<Numbers> = &[
    ("f64", "IEEE double", None),
    ("f32", "IEEE single", Some(Precision::F32)),
    ("tf32", "IEEE single with products of 10-bit mantissas; GPU only", Some(Precision::Tf32)),
    ("bf16", "Brain float; GPU only", Some(Precision::Bf16)),
    ("f16", "IEEE half; GPU only", Some(Precision::F16)),
];

/// What is printed of a case.
#[derive(Debug, Serialize)]
struct Report {
    file: String,
    backend: String,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    quantities: Vec<Quantity>,
    not_compared: Vec<String>,
}

/// Runs the command.
///
/// # Errors
///
/// A device or precision that is not there, and any case that fails.
pub fn run(args: Args) -> Result<()> {
    if let Some(x) = args.tolerance
        && !(x.is_finite() && x >= 0.0)
    {
        bail!("--tolerance {x}: must be 0 or more");
    }
    let on_gpu = args.device.backend == Asked::Cuda || args.device.gpu.is_some();
    let Some(numbers) = args.dtype.unwrap_or(on_gpu.then_some(Precision::F32)) else {
        if on_gpu {
            bail!("--dtype f64: the GPU computes f32, tf32, bf16 and f16");
        }
        let threads = thread_count(args.device.threads)?;
        return cases(&Cpu::<f64>::new(threads), &args, Tolerance::F64);
    };
    let tolerance = match numbers {
        Precision::F32 | Precision::Auto => Tolerance::F32,
        Precision::Tf32 | Precision::F16 => Tolerance::ELEVEN_BITS,
        Precision::Bf16 => Tolerance::EIGHT_BITS,
    };
    args.device.choose(numbers)?.device.run(Comparing { args: &args, tolerance })
}

/// A comparison that waits for its device.
struct Comparing<'a> {
    args: &'a Args,
    tolerance: Tolerance,
}

impl BackendTask for Comparing<'_> {
    type Output = ();

    fn run<B: Backend>(self, b: &B) -> Result<()> {
        cases(b, self.args, self.tolerance)
    }
}

fn cases<B: Backend>(b: &B, args: &Args, default: Tolerance) -> Result<()> {
    let tolerance = args.tolerance.map_or(default, |x| Tolerance { values: x, gradients: x, unit: None });
    let mut out = io::stdout().lock();
    let mut reports = Vec::new();
    for file in &args.files {
        let report = case(b, file, tolerance);
        if !args.json {
            print(&mut out, &report)?;
        }
        reports.push(report);
    }
    if args.json {
        write_json(&mut out, &reports)?;
    }
    out.flush()?;
    let failed = reports.iter().filter(|r| !r.ok).count();
    if failed > 0 {
        bail!("{failed} of {} cases failed", reports.len());
    }
    Ok(())
}

/// Computes one case; a file that is none is reported, so that the others still run.
fn case<B: Backend>(b: &B, file: &Path, tolerance: Tolerance) -> Report {
    let compared = || -> Result<(Vec<Quantity>, Vec<String>)> {
        let case = Case::open(file)?;
        let quantities = parity::run(b, &case, tolerance).with_context(|| file.display().to_string())?;
        Ok((quantities, case.not_compared))
    };
    let (file, backend) = (file.display().to_string(), b.name().to_owned());
    match compared() {
        Ok((quantities, not_compared)) => {
            let ok = quantities.iter().all(|q| q.ok);
            Report { file, backend, ok, problem: None, quantities, not_compared }
        }
        Err(error) => {
            let problem = Some(format!("{error:#}"));
            Report { file, backend, ok: false, problem, quantities: Vec::new(), not_compared: Vec::new() }
        }
    }
}

fn print(out: &mut impl Write, report: &Report) -> Result<()> {
    writeln!(out, "{} ({})", report.file, report.backend)?;
    let width = report.quantities.iter().map(|q| q.name.len()).max().unwrap_or(0);
    for q in &report.quantities {
        let verdict = if q.ok { "ok" } else { "FAIL" };
        writeln!(out, "  {:width$}  {:9.2e}  bound {:7.0e}  {verdict}", q.name, q.error, q.bound)?;
    }
    for name in &report.not_compared {
        writeln!(out, "  {name:width$}  not compared: no such quantity is known")?;
    }
    let failed: Vec<&Quantity> = report.quantities.iter().filter(|q| !q.ok).collect();
    match (&report.problem, report.quantities.iter().max_by(|a, b| a.error.total_cmp(&b.error))) {
        (Some(problem), _) => writeln!(out, "FAIL  {problem}")?,
        (None, Some(worst)) if failed.is_empty() => {
            let count = report.quantities.len();
            writeln!(out, "ok    {}: {count} quantities, worst {:.2e} ({})", report.file, worst.error, worst.name)?;
        }
        _ => {
            let names: Vec<&str> = failed.iter().map(|q| q.name.as_str()).collect();
            writeln!(
                out,
                "FAIL  {}: {} of {} quantities: {}",
                report.file,
                failed.len(),
                report.quantities.len(),
                names.join(", ")
            )?;
        }
    }
    writeln!(out)?;
    out.flush()?;
    Ok(())
}
