//! Weights in safetensors files, under the names of the published EBT code.
//!
//! A parameter of the layout may stack several tensors of the file ([`ebt_core::parameters::Part`]); `vocab_to_embed`
//! is stored transposed. A prefix `model.` of names is ignored. F32, F16, BF16 and F64 are read.

mod checkpoint;
mod export;
mod infer;
mod weights;

pub use checkpoint::Checkpoint;
pub use export::{config_json, write};
pub use infer::{Hints, infer};
pub use weights::{Names, layout_for, read_parameters, unstack};

/// Metadata key of the configuration (JSON).
pub const CONFIG_KEY: &str = "config";
/// Metadata key of the training objective (JSON of [`ebt_core::objective::Objective`]).
pub const OBJECTIVE_KEY: &str = "ebt_objective";
/// Metadata key of the provenance (JSON array of pairs).
pub const PROVENANCE_KEY: &str = "ebt_provenance";

/// Whether a tensor belongs to a golden case rather than to a model.
pub fn is_case_name(name: &str) -> bool {
    ["case.", "expect.", "grad."].iter().any(|prefix| name.starts_with(prefix))
}

/// Up to 40 names in one line, and how many more there are.
pub(crate) fn list<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    const MOST: usize = 40;
    let (mut text, mut count) = (String::new(), 0usize);
    for name in names {
        if count < MOST {
            text.push_str(if count == 0 { "" } else { ", " });
            text.push_str(name.as_ref());
        }
        count += 1;
    }
    match count.saturating_sub(MOST) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}
