//! Writing safetensors. The bytes depend on the model alone: names in alphabetical order, no time stamps.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Result;
use ebt_core::config::{Conditioning, Config, Initialization, ModelKind};
use ebt_core::model_file::Dtype;
use ebt_core::parameters::{ParameterId, Part};
use ebt_train::model::LoadedModel;
use serde::Serialize;
use serde_json::{Value, json};

use super::weights::{Names, unstack};
use super::{CONFIG_KEY, OBJECTIVE_KEY, PROVENANCE_KEY};

/// The configuration as JSON. Fields that the published reference does not know are left out where they hold their
/// default, so that it can read the rest.
///
/// # Errors
///
/// A value that JSON cannot hold.
pub fn config_json(config: &Config) -> Result<String> {
    let mut value = serde_json::to_value(config)?;
    if let Some(fields) = value.as_object_mut() {
        let ours = [
            ("kind", config.kind == ModelKind::default()),
            ("condition", config.condition == Conditioning::default()),
            ("initialization", config.initialization == Initialization::default()),
        ];
        for (field, _) in ours.iter().filter(|(_, default)| *default) {
            fields.remove(*field);
        }
        if let (Some(Value::Object(moe)), Some(set)) = (fields.get_mut("moe"), &config.moe)
            && set.bias_rate == 0.0
        {
            moe.remove("bias_rate");
        }
    }
    Ok(serde_json::to_string(&value)?)
}

/// Header entry of a tensor.
#[derive(Serialize)]
struct Entry<'a> {
    dtype: &'static str,
    shape: &'a [usize],
    data_offsets: [usize; 2],
}

/// Writes a model with its values stored as `dtype`: F32 keeps every bit.
///
/// # Errors
///
/// What `out` refuses.
pub fn write(model: &LoadedModel, dtype: Dtype, out: &mut dyn Write) -> Result<()> {
    let names = Names::of(&model.layout);
    // a bias of zeros says nothing, and other programs do not know the name
    let in_use = |id: ParameterId| model.weights[id].iter().any(|&x| x != 0.0);
    let extra = names.optional().filter(|(id, _)| in_use(*id));
    let mut tensors: Vec<(ParameterId, &Part)> = names.required().chain(extra).collect();
    tensors.sort_by(|a, b| a.1.name.cmp(&b.1.name));

    let stored = match dtype {
        Dtype::F32 => "F32",
        Dtype::F16 => "F16",
        Dtype::Bf16 => "BF16",
    };
    let metadata = json!({
        "format": "pt",
        CONFIG_KEY: config_json(&model.config)?,
        OBJECTIVE_KEY: serde_json::to_string(&model.objective)?,
        PROVENANCE_KEY: serde_json::to_string(&model.provenance)?,
    });
    let mut header: BTreeMap<&str, Value> = BTreeMap::from([("__metadata__", metadata)]);
    let mut at = 0;
    for (_, part) in &tensors {
        let length = part.shape.iter().product::<usize>() * dtype.size();
        let entry = Entry { dtype: stored, shape: &part.shape, data_offsets: [at, at + length] };
        header.insert(&part.name, serde_json::to_value(entry)?);
        at += length;
    }
    let mut header = serde_json::to_vec(&header)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(&header)?;

    let mut bytes = Vec::new();
    for (id, part) in tensors {
        bytes.clear();
        for value in unstack(&model.layout.entries[id], part, &model.weights[id]) {
            dtype.encode(value, &mut bytes);
        }
        out.write_all(&bytes)?;
    }
    Ok(())
}
