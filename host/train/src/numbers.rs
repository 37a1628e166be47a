//! Weights that are no numbers.

use anyhow::{Result, bail};

use crate::model::LoadedModel;

/// Refuses a model in which a value is NaN or infinite: everything computed with it would be, too.
///
/// # Errors
///
/// The first parameter with such a value, the place of the first, and how many there are.
pub fn check_numbers(model: &LoadedModel) -> Result<()> {
    for (entry, values) in model.layout.entries.iter().zip(&model.weights) {
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            let (count, columns) = (values.iter().filter(|value| !value.is_finite()).count(), entry.columns.max(1));
            bail!(
                "the parameter `{}` holds {count} values of {} that are NaN or infinite, the first ({}) in row {}, column {}",
                entry.name,
                values.len(),
                values[at],
                at / columns,
                at % columns
            );
        }
    }
    Ok(())
}
