//! `host parity`: golden cases of the reference implementation.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, bail};
use ebt_device::parity::{self, Quantity, Report, Tolerance};
use ebt_train::run_config::Precision;

use crate::cli::{Backend as Asked, DeviceArgs, Names, Output, one_of, real, start_threads, write_json};

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
    #[arg(long, value_name = "X", value_parser = real::<f64>(0.0..))]
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

/// Runs the command.
///
/// # Errors
///
/// A device or precision that is not there, and any case that fails.
pub fn run(args: Args) -> Result<()> {
    let on_gpu = args.device.backend == Asked::Cuda || args.device.gpu.is_some();
    let bounds = |default| args.tolerance.map_or(default, |x| Tolerance { values: x, gradients: x, unit: None });
    let mut printer = Printer { json: args.json, reports: Vec::new(), out: Output::of_results() };
    let mut each = |report| printer.take(report);
    match args.dtype.unwrap_or(on_gpu.then_some(Precision::F32)) {
        None if on_gpu => bail!("--dtype f64: the GPU computes f32, tf32, bf16 and f16"),
        None => {
            let threads = start_threads(args.device.threads)?;
            parity::compare_in_double(threads, &args.files, bounds(Tolerance::F64), &mut each)?;
        }
        Some(numbers) => {
            let tolerance = bounds(match numbers {
                Precision::F32 | Precision::Auto => Tolerance::F32,
                Precision::Tf32 | Precision::F16 => Tolerance::ELEVEN_BITS,
                Precision::Bf16 => Tolerance::EIGHT_BITS,
            });
            let device = args.device.choose(numbers)?.device;
            start_threads(args.device.threads)?;
            parity::compare(&device, &args.files, tolerance, &mut each)?;
        }
    }
    printer.finish()
}

/// Prints reports as they come, and fails if any case did.
struct Printer {
    json: bool,
    reports: Vec<Report>,
    out: Output,
}

impl Printer {
    fn take(&mut self, report: Report) -> Result<()> {
        if !self.json {
            print(&mut self.out, &report)?;
        }
        self.reports.push(report);
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        if self.json {
            write_json(&mut self.out, &self.reports)?;
        }
        self.out.flush()?;
        let failed = self.reports.iter().filter(|r| !r.ok).count();
        if failed > 0 {
            bail!("{failed} of {} cases failed", self.reports.len());
        }
        Ok(())
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
