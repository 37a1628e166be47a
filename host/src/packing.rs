//! Model files to packed models.

use anyhow::{Context, Result};
use ebt::packed::{self, Storage};
use ebt_train::model::LoadedModel;
use ebt_train::numbers::check_numbers;

/// The bytes of a packed model with the tokenizer in its compact form.
///
/// # Errors
///
/// Weights that the storage cannot hold, and a tokenizer without a compact form.
pub fn pack(model: &LoadedModel, storage: Storage) -> Result<Vec<u8>> {
    let tokenizer = model.tokenizer.as_ref().map(|tokenizer| tokenizer.to_compact()).transpose();
    pack_with(model, storage, tokenizer.context("the model's tokenizer has no compact form")?)
}

/// The same with the compact tokenizer given, or without one.
///
/// # Errors
///
/// Weights that are not finite or too large for the storage.
pub fn pack_with(model: &LoadedModel, storage: Storage, tokenizer: Option<&[u8]>) -> Result<Vec<u8>> {
    check_numbers(model)?;
    Ok(packed::pack(&packed::Contents {
        config: &model.config,
        objective: &model.objective,
        provenance: &model.provenance,
        weights: &model.weights,
        storage,
        tokenizer,
    })?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn model_files_and_packed_models_are_told_apart_by_the_bytes_that_packed_models_have() {
        assert_eq!(ebt_train::model::PACKED, ebt::packed::MAGIC);
    }
}
