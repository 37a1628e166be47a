//! Adapters as tensors of a state.

use anyhow::{Context, Result, bail};
use ebt_core::compute::Backend;
use ebt_core::lora::{Adapted, Lora, parameters, shapes};
use ebt_core::parameters::ParameterLayout;
use ebt_model::write::{Tensor, Values};
use ebt_model::{Dtype, TensorFile};

use super::arrays::download;
use crate::run_config::LoraConfig;

/// What the names of tensors of adapters begin with.
pub(super) const LORA: &str = "lora.";

/// Adapters at rest ([`Lora`]).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Adapters {
    /// For every matrix `A`, then `B` transposed.
    pub weights: Vec<Vec<f32>>,
    /// First moments.
    pub first: Vec<Vec<f32>>,
    /// Second moments.
    pub second: Vec<Vec<f32>>,
    /// What the parameters with adapted matrices began with.
    pub base: Vec<Vec<f32>>,
}

/// A tensor of adapters: its name and its shape.
type Place = (String, (usize, usize));

/// The places of weights and moments, and of the beginnings of parameters.
fn places(layout: &ParameterLayout, of: &[Adapted], rank: usize) -> ([Vec<Place>; 3], Vec<Place>) {
    let list = |group: &str| {
        let name = |(i, shape): (usize, (usize, usize))| {
            let at = of[i / 2];
            let part = layout.entries[at.id].parts.iter().find(|part| part.start == at.start);
            let matrix = part.map_or("", |part| part.name.as_str());
            (format!("{LORA}{group}.{matrix}.{}", if i % 2 == 0 { "a" } else { "b" }), shape)
        };
        shapes(layout, of, rank).into_iter().enumerate().map(name).collect()
    };
    let base = |id: usize| {
        let entry = &layout.entries[id];
        (format!("{LORA}base.{}", entry.name), (entry.rows, entry.columns))
    };
    (["weights", "first", "second"].map(list), parameters(of).into_iter().map(base).collect())
}

impl Adapters {
    /// Copies adapters off their device.
    pub(super) fn of<B: Backend>(b: &B, lora: &Lora<B::Array>) -> Self {
        let copy = |list: &[B::Array]| download(b, list);
        Self {
            weights: copy(&lora.weights),
            first: copy(&lora.first),
            second: copy(&lora.second),
            base: copy(&lora.base),
        }
    }

    /// Puts them in the place of fresh ones.
    pub(super) fn restore<B: Backend>(&self, b: &B, lora: &mut Lora<B::Array>) -> Result<()> {
        let lists = [
            (&mut lora.weights, &self.weights),
            (&mut lora.first, &self.first),
            (&mut lora.second, &self.second),
            (&mut lora.base, &self.base),
        ];
        for (to, from) in lists {
            if to.len() != from.len() {
                bail!(
                    "the state holds {} arrays of adapters where its configuration asks for {}",
                    from.len(),
                    to.len()
                );
            }
            for (to, from) in to.iter_mut().zip(from) {
                let (rows, columns) = b.shape(to);
                if from.len() != rows * columns {
                    bail!("an adapter of the state has {} values instead of {rows} x {columns}", from.len());
                }
                *to = b.upload(rows, columns, from);
            }
        }
        Ok(())
    }

    /// The tensors of them.
    pub(super) fn tensors(&self, layout: &ParameterLayout, lora: &LoraConfig) -> Result<Vec<Tensor<'_>>> {
        let (places, base) = places(layout, &lora.adapted(layout)?, lora.rank);
        let lists = [&self.weights, &self.first, &self.second, &self.base];
        let mut all = Vec::new();
        for (places, list) in places.into_iter().chain([base]).zip(lists) {
            if places.len() != list.len() {
                bail!("the adapters of the state do not fit its run");
            }
            for ((name, (rows, columns)), values) in places.into_iter().zip(list) {
                let values = Values::Floats { values, transposed: None, dtype: Dtype::F32 };
                all.push(Tensor { name, shape: vec![rows, columns], values });
            }
        }
        Ok(all)
    }

    /// Reads them; none where the run adapts nothing, or has not begun to.
    pub(super) fn read(file: &TensorFile, layout: &ParameterLayout, lora: Option<&LoraConfig>) -> Result<Option<Self>> {
        let (path, mut found) = (file.path().display(), file.names().filter(|name| name.starts_with(LORA)).count());
        let (Some(lora), true) = (lora, found > 0) else {
            if found > 0 {
                bail!("{path} holds tensors `{LORA}*`, but its configuration adapts nothing");
            }
            return Ok(None);
        };
        let of = lora.adapted(layout).with_context(|| path.to_string())?;
        let (places, base) = places(layout, &of, lora.rank);
        let mut list = |places: Vec<Place>| {
            let one = |(name, (rows, columns)): Place| {
                match file.shape(&name) {
                    Some(shape) if shape == [rows, columns] => {}
                    Some(shape) => bail!("tensor {name} of {path} is {shape:?} instead of [{rows}, {columns}]"),
                    None => bail!("{path} lacks the tensor {name}"),
                }
                found = found.saturating_sub(1);
                Ok(file.numbers(&name)?.iter().map(|x| x as f32).collect::<Vec<f32>>())
            };
            places.into_iter().map(one).collect::<Result<Vec<_>>>()
        };
        let [weights, first, second] = places;
        let all = Self { weights: list(weights)?, first: list(first)?, second: list(second)?, base: list(base)? };
        if found > 0 {
            bail!("{path} holds other tensors `{LORA}*` than its configuration asks for");
        }
        Ok(Some(all))
    }
}
