//! What `ebt parity` takes.

use std::path::PathBuf;

use ebt_train::run_config::Precision;

use crate::cli::{DeviceArgs, Names, one_of, real};

/// Compare this program with golden cases of the reference implementation.
///
/// A golden case is a safetensors file with a model, a batch, and the losses, energies, states and parameter gradients
/// that the reference computed. Every quantity is printed with its relative error; the exit status is 1 if any is over
/// its bound, or a file is no golden case. A build needs the feature `parity` for this command.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ebt parity fixtures/golden/*.safetensors
  ebt parity --dtype f32 --json fixtures/golden/s1_dense.safetensors
  ebt parity --backend cuda --dtype bf16 fixtures/golden/*.safetensors")]
pub struct Args {
    /// Golden cases (safetensors)
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) device: DeviceArgs,
    /// Precision to compute in [default: f64; with --backend cuda f32]
    #[arg(long, visible_alias = "precision", value_parser = one_of(NUMBERS))]
    pub(super) dtype: Option<Numbers>,
    /// Largest relative error of every quantity [default: f64 1e-9; f32 5e-5, parameter gradients 2e-3; tf32 and f16
    /// 5e-3 and 2e-2, bf16 4e-2 and 0.16, or 6 times what rounding the weights changes in exact arithmetic]
    #[arg(long, value_name = "X", value_parser = real::<f64>(0.0..))]
    pub(super) tolerance: Option<f64>,
    /// Print one JSON array instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// Numbers of a computation: double where there is no precision of a run.
pub(super) type Numbers = Option<Precision>;

const NUMBERS: Names<Numbers> = &[
    ("f64", "IEEE double", None),
    ("f32", "IEEE single", Some(Precision::F32)),
    ("tf32", "IEEE single with products of 10-bit mantissas; GPU only", Some(Precision::Tf32)),
    ("bf16", "Brain float; GPU only", Some(Precision::Bf16)),
    ("f16", "IEEE half; GPU only", Some(Precision::F16)),
];
