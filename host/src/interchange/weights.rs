//! Parameters from and to the tensors of a file.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use ebt_core::config::Config;
use ebt_core::layer::weights::Mixture;
use ebt_core::model_file::values_at_least;
use ebt_core::parameters::{FeedForwardIds, ParameterId, ParameterInfo, ParameterLayout, Part};

use super::{Checkpoint, list};

/// Tensors of published files that are no parameters.
const IGNORED: [&str; 1] = ["langevin_dynamics_noise_std"];

/// Which tensor of a file is which part of which parameter.
#[derive(Clone, Debug)]
pub struct Names {
    required: BTreeMap<String, (ParameterId, Part)>,
    optional: BTreeMap<String, (ParameterId, Part)>,
}

impl Names {
    /// The names of a layout. Routing biases, which the published code does not have, are optional: they go by the name
    /// that DeepSeek-V3 gave them, `gate.e_score_correction_bias (E)`.
    pub fn of(layout: &ParameterLayout) -> Self {
        let mut required = BTreeMap::new();
        for (id, entry) in layout.entries.iter().enumerate() {
            for part in &entry.parts {
                required.insert(part.name.clone(), (id, part.clone()));
            }
        }
        let mut optional = BTreeMap::new();
        for (i, block) in layout.blocks.iter().enumerate() {
            if let FeedForwardIds::Mixture(Mixture { bias, .. }) = block.weights.feed_forward {
                let name = format!("transformer.layers.{i}.feed_forward.gate.e_score_correction_bias");
                let shape = vec![layout.entries[bias].columns];
                let part = Part { name: name.clone(), start: 0, rows: 1, shape, transposed: false };
                optional.insert(name, (bias, part));
            }
        }
        Self { required, optional }
    }

    /// Required tensors in alphabetical order.
    pub fn required(&self) -> impl Iterator<Item = (ParameterId, &Part)> {
        self.required.values().map(|(id, part)| (*id, part))
    }

    /// Optional tensors in alphabetical order.
    pub fn optional(&self) -> impl Iterator<Item = (ParameterId, &Part)> {
        self.optional.values().map(|(id, part)| (*id, part))
    }

    /// Refuses a file that lacks parameters or holds tensors that are none, listing them.
    ///
    /// # Errors
    ///
    /// All missing names, or all unknown ones that `aside` does not accept.
    pub fn check(&self, checkpoint: &Checkpoint, aside: impl Fn(&str) -> bool) -> Result<()> {
        let path = checkpoint.path().display();
        let missing: Vec<&String> = self.required.keys().filter(|name| checkpoint.shape(name).is_none()).collect();
        let known = |name: &str| {
            self.required.contains_key(name)
                || self.optional.contains_key(name)
                || IGNORED.contains(&name)
                || aside(name)
        };
        let unknown: Vec<&str> = checkpoint.names().filter(|name| !known(name)).collect();
        let sentence = |what: &str, names: String| format!("{what}: {names}");
        let mut problems = Vec::new();
        if !missing.is_empty() {
            problems.push(sentence("it lacks", list(missing)));
        }
        if !unknown.is_empty() {
            problems.push(sentence("it holds tensors that this model does not have", list(unknown)));
        }
        if !problems.is_empty() {
            bail!("{path} does not fit the configuration: {}", problems.join("; "));
        }
        Ok(())
    }
}

/// The layout of a configuration that comes with a file, refused when the file is too short for it: hostile
/// configurations must not cost memory.
///
/// # Errors
///
/// A configuration that is not valid, or describes more values than the file holds.
pub fn layout_for(checkpoint: &Checkpoint, config: &Config) -> Result<ParameterLayout> {
    let place = || format!("the configuration of {}", checkpoint.path().display());
    config.validate().with_context(place)?;
    if values_at_least(config) > checkpoint.length() as u128 {
        bail!("{} describes more values than the file holds", place());
    }
    Ok(ParameterLayout::new(config))
}

/// The parameters of a file in layout order, converted by `convert`. Optional ones that are missing are zero.
///
/// # Errors
///
/// Missing, unknown (unless `aside` accepts them) and misshapen tensors, by name.
pub fn read_parameters<T: Clone + Default>(
    checkpoint: &Checkpoint,
    layout: &ParameterLayout,
    aside: impl Fn(&str) -> bool,
    convert: impl Fn(f64) -> T,
) -> Result<Vec<Vec<T>>> {
    let names = Names::of(layout);
    names.check(checkpoint, aside)?;
    let present = |name: &str| checkpoint.shape(name).is_some();
    let tensors = || names.required().chain(names.optional().filter(|(_, part)| present(&part.name)));
    let mut misshapen = Vec::new();
    for (_, part) in tensors() {
        let found = checkpoint.shape(&part.name).unwrap_or_default();
        // a scalar may be stored as one row
        if found != part.shape && !(part.shape.is_empty() && found == [1]) {
            misshapen.push(format!("{} is {found:?} instead of {:?}", part.name, part.shape));
        }
    }
    if !misshapen.is_empty() {
        bail!("{} does not fit the configuration: {}", checkpoint.path().display(), list(misshapen));
    }
    let mut parameters: Vec<Vec<T>> = layout.entries.iter().map(|e| vec![T::default(); e.len()]).collect();
    for (id, part) in tensors() {
        let values = checkpoint.values(&part.name)?;
        let (entry, parameter) = (&layout.entries[id], &mut parameters[id]);
        let rows = part.start * entry.columns..(part.start + part.rows) * entry.columns;
        for (i, slot) in parameter[rows].iter_mut().enumerate() {
            *slot = convert(values[file_index(entry, part, i)]);
        }
    }
    Ok(parameters)
}

/// Where value `i` of the part's rows (row-major) stands in the file.
fn file_index(entry: &ParameterInfo, part: &Part, i: usize) -> usize {
    if part.transposed { (i % entry.columns) * part.rows + i / entry.columns } else { i }
}

/// The values of one tensor as the file orders them, from the parameter `values` it is a part of.
pub fn unstack<T: Copy + Default>(entry: &ParameterInfo, part: &Part, values: &[T]) -> Vec<T> {
    let rows = &values[part.start * entry.columns..(part.start + part.rows) * entry.columns];
    let mut out = vec![T::default(); rows.len()];
    for (i, &value) in rows.iter().enumerate() {
        out[file_index(entry, part, i)] = value;
    }
    out
}
