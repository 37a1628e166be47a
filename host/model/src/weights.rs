//! Parameters from and to the tensors of a file.
//!
//! A parameter of the layout may stack several tensors of the file ([`ebt_core::parameters::Part`]); `vocab_to_embed` is
//! stored transposed. A prefix `model.` of names is ignored. F32, F16, BF16 and F64 are read.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use ebt_core::config::{Config, ModelKind};
use ebt_core::parameters::{FeedForwardIds, ParameterId, ParameterInfo, ParameterLayout, Part};

use crate::dtype::Dtype;
use crate::tensor_file::TensorFile;
use crate::write::{Tensor, Values};

/// Tensors of published files that are no parameters.
const IGNORED: [&str; 1] = ["langevin_dynamics_noise_std"];

/// Whether a tensor belongs to a golden case rather than to a model.
pub fn is_case_name(name: &str) -> bool {
    ["case.", "expect.", "grad."].iter().any(|prefix| name.starts_with(prefix))
}

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
            if let FeedForwardIds::Mixture { bias, .. } = block.feed_forward {
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

    /// The tensors that parameters in layout order are written as, each named `prefix` and its own name, stored as `dtype`.
    /// An optional one that is all zero says nothing, and other programs do not know the name: it is left out.
    ///
    /// # Errors
    ///
    /// Parameters of other sizes than the layout's.
    pub fn tensors<'a, W: AsRef<[f32]>>(
        &self,
        layout: &ParameterLayout,
        weights: &'a [W],
        prefix: &str,
        dtype: Dtype,
    ) -> Result<Vec<Tensor<'a>>> {
        if layout.entries.len() != weights.len() {
            bail!("{} parameters were given for {}", weights.len(), layout.entries.len());
        }
        for (entry, values) in layout.entries.iter().zip(weights) {
            let found = values.as_ref().len();
            if found != entry.len() {
                bail!("{} needs {} values, found {found}", entry.name, entry.len());
            }
        }
        let in_use = |id: ParameterId| weights[id].as_ref().iter().any(|x| x.to_bits() != 0);
        let extra = self.optional().filter(|(id, _)| in_use(*id));
        let tensor = |(id, part): (ParameterId, &Part)| {
            let columns = layout.entries[id].columns;
            let values = &weights[id].as_ref()[part.start * columns..(part.start + part.rows) * columns];
            let values = Values::Floats { values, transposed: part.transposed.then_some(columns), dtype };
            Tensor { name: format!("{prefix}{}", part.name), shape: part.shape.clone(), values }
        };
        Ok(self.required().chain(extra).map(tensor).collect())
    }

    /// Refuses a file that lacks parameters or holds tensors that are none, listing them. Names in the file begin with
    /// `prefix`.
    fn check(&self, file: &TensorFile, prefix: &str, aside: impl Fn(&str) -> bool) -> Result<()> {
        let path = file.path().display();
        let missing =
            self.required.keys().map(|name| format!("{prefix}{name}")).filter(|name| file.shape(name).is_none());
        let missing: Vec<String> = missing.collect();
        let parameter = |name: &str| self.required.contains_key(name) || self.optional.contains_key(name);
        let known =
            |name: &str| name.strip_prefix(prefix).is_some_and(parameter) || IGNORED.contains(&name) || aside(name);
        let unknown: Vec<&str> = file.names().filter(|name| !known(name)).collect();
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
pub fn layout_for(file: &TensorFile, config: &Config) -> Result<ParameterLayout> {
    let place = || format!("the configuration of {}", file.path().display());
    config.validate().with_context(place)?;
    if values_at_least(config) > file.length() as u128 {
        bail!("{} describes more values than the file holds", place());
    }
    Ok(ParameterLayout::new(config))
}

/// No more values than the layout of `c` has, found without building one: what a file has to hold at least.
fn values_at_least(c: &Config) -> u128 {
    let product = |list: &[usize]| list.iter().fold(1u128, |p, &x| p.saturating_mul(x as u128));
    let (d, q) = (c.dim, c.heads.saturating_mul(c.head_width()));
    let attention = product(&[2, d, q]);
    let modulation = if c.has_condition() { product(&[6, d, d]) } else { 0 };
    let joint = [product(&[c.joint.position_rows(c.context), d]), product(&[c.layers, c.joint.classes(), c.heads])];
    let joint = if c.kind == ModelKind::Joint { joint } else { [0; 2] };
    let mixed = c.moe.as_ref().map_or(0, |m| c.layers.saturating_sub(m.first_dense));
    let dense = c.layers - mixed;
    let experts = c.moe.as_ref().map_or(0, |m| product(&[mixed, 3, m.n_routed + m.n_shared, m.hidden, d]));
    [
        product(&[c.vocab, d]),
        product(&[c.layers]).saturating_mul(attention.saturating_add(modulation)),
        product(&[dense, 3, c.ffn, d]),
        experts,
    ]
    .into_iter()
    .chain(joint)
    .fold(0, u128::saturating_add)
}

/// The parameters of a file in layout order, converted by `convert` where they are finite. Names in the file begin with
/// `prefix`; optional tensors that are missing are zero.
///
/// # Errors
///
/// Missing, unknown (unless `aside` accepts them) and misshapen tensors, by name; and what `convert` returns, with the name
/// of the tensor.
pub fn read_parameters<T: Clone + Default>(
    file: &TensorFile,
    layout: &ParameterLayout,
    prefix: &str,
    aside: impl Fn(&str) -> bool,
    convert: impl Fn(f64) -> Result<T>,
) -> Result<Vec<Vec<T>>> {
    let names = Names::of(layout);
    names.check(file, prefix, aside)?;
    let named = |(id, part): (ParameterId, &Part)| (format!("{prefix}{}", part.name), id, part.clone());
    let optional = names.optional().map(named).filter(|(name, ..)| file.shape(name).is_some());
    let tensors: Vec<(String, ParameterId, Part)> = names.required().map(named).chain(optional).collect();
    let path = file.path().display();
    let mut misshapen = Vec::new();
    for (name, _, part) in &tensors {
        let found = file.shape(name).unwrap_or_default();
        // a scalar may be stored as one row
        if found != part.shape && !(part.shape.is_empty() && found == [1]) {
            misshapen.push(format!("{name} is {found:?} instead of {:?}", part.shape));
        }
    }
    if !misshapen.is_empty() {
        bail!("{path} does not fit the configuration: {}", list(misshapen));
    }
    let mut parameters: Vec<Vec<T>> = layout.entries.iter().map(|e| vec![T::default(); e.len()]).collect();
    for (name, id, part) in tensors {
        let numbers = file.numbers(&name)?;
        let (entry, parameter) = (&layout.entries[id], &mut parameters[id]);
        let rows = part.start * entry.columns..(part.start + part.rows) * entry.columns;
        for (i, slot) in parameter[rows].iter_mut().enumerate() {
            let place = file_index(entry, &part, i);
            let value = convert(numbers.get(place));
            *slot = value.with_context(|| format!("tensor {name} of {path}, value {place}"))?;
        }
    }
    Ok(parameters)
}

/// A weight in single precision.
///
/// # Errors
///
/// A value that is not finite, or too large for single precision.
pub fn single(value: f64) -> Result<f32> {
    let single = double(value)? as f32;
    if !single.is_finite() {
        bail!("it holds {value:e}, which is too large for single precision");
    }
    Ok(single)
}

/// A weight in double precision.
///
/// # Errors
///
/// A value that is not finite.
pub fn double(value: f64) -> Result<f64> {
    if !value.is_finite() {
        bail!("it holds {value}, and weights must be finite numbers");
    }
    Ok(value)
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

/// Up to 40 names in one line, and how many more there are.
fn list<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
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
