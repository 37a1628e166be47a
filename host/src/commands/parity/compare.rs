//! Golden cases: every quantity against what the reference computed.

use std::io::Write;

use anyhow::{Result, bail};
use ebt_device::parity::{self, CaseReport, Quantity, Tolerance};
use ebt_train::run_config::Precision;

use super::args::Args;
use crate::cli::{DeviceKind, Output, start_threads, write_json};

/// Runs the command.
///
/// # Errors
///
/// A device or precision that is not there, and any case that fails.
pub fn run(args: Args) -> Result<()> {
    let on_gpu = args.device.backend == DeviceKind::Cuda || args.device.gpu.is_some();
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
    reports: Vec<CaseReport>,
    out: Output,
}

impl Printer {
    fn take(&mut self, report: CaseReport) -> Result<()> {
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

fn print(out: &mut impl Write, report: &CaseReport) -> Result<()> {
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
