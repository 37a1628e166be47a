//! Model files to packed models.

use anyhow::{Context, Result};
use ebt::packed::{self, Storage};
use ebt_model::LoadedModel;
use ebt_model::format::fingerprint_text;

/// The bytes of a packed model with the tokenizer in its compact form, or the table of words.
///
/// # Errors
///
/// Weights that the storage cannot hold, and a tokenizer without a compact form.
pub fn pack(model: &LoadedModel, storage: Storage) -> Result<Vec<u8>> {
    let tokenizer = model.tokenizer.as_ref().map(|tokenizer| tokenizer.to_compact()).transpose();
    pack_with(model, storage, tokenizer.context("the model's tokenizer has no compact form")?)
}

/// The same with the compact tokenizer given, or without one: then the provenance names the fingerprint of the one that the
/// weights go with. A table of words is in either.
///
/// # Errors
///
/// Weights that are not finite or too large for the storage.
pub fn pack_with(model: &LoadedModel, storage: Storage, tokenizer: Option<&[u8]>) -> Result<Vec<u8>> {
    let mut provenance = model.provenance.clone();
    if let (None, Some(fingerprint)) = (tokenizer, model.fingerprint) {
        provenance.push((String::from("tokenizer"), fingerprint_text(fingerprint)));
    }
    Ok(packed::pack(&packed::Contents {
        config: &model.config,
        objective: &model.objective,
        provenance: &provenance,
        weights: &model.weights,
        storage,
        language: model.words.as_deref().or(tokenizer),
    })?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn model_files_and_packed_models_are_told_apart_by_the_bytes_that_packed_models_have() {
        assert_eq!(ebt_model::signature::PACKED, ebt::packed::MAGIC);
    }
}
