//! Which matrices a run adapts by products of small ones, and by how small ones.

use anyhow::{Result, bail};
use ebt_core::lora::Adapted;
use ebt_core::parameters::{ParameterLayout, Role};
use serde::{Deserialize, Serialize};

use super::names::{nearest_of, short};

/// Largest rank.
const MOST_RANK: usize = 4096;

/// Low-rank adaptation ([`ebt_core::lora`]): nothing else of the model is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoraConfig {
    /// Rows of `A` and columns of `B`.
    pub rank: usize,
    /// The product counts `alpha / rank` times.
    pub alpha: f64,
    /// Names of matrices, or parts of names between dots: `wq`, `attention`, `blocks.0`.
    pub on: Vec<String>,
}

impl Default for LoraConfig {
    fn default() -> Self {
        Self { rank: 8, alpha: 16.0, on: vec![String::from("attention"), String::from("feed_forward")] }
    }
}

impl LoraConfig {
    /// The matrices that are adapted.
    ///
    /// # Errors
    ///
    /// A rank or factor out of range, and a name that no matrix has, with those nearest to it; the message names the field.
    pub fn adapted(&self, layout: &ParameterLayout) -> Result<Vec<Adapted>> {
        if !(1..=MOST_RANK).contains(&self.rank) {
            bail!("configuration field `lora.rank`: must be between 1 and {MOST_RANK}, got {}", self.rank);
        }
        if !(self.alpha.is_finite() && self.alpha > 0.0) {
            bail!("configuration field `lora.alpha`: must be positive, got {}", self.alpha);
        }
        let matrices = layout.entries.iter().enumerate().filter(|(_, entry)| entry.role == Role::Matrix);
        let parts = matrices.flat_map(|(id, entry)| entry.parts.iter().map(move |part| (id, part)));
        let all: Vec<(Adapted, String)> =
            parts.map(|(id, part)| (Adapted { id, start: part.start, rows: part.rows }, short(&part.name))).collect();
        let wanted: Vec<String> = self.on.iter().map(|name| short(name)).collect();
        let is_of = |name: &str, wanted: &str| format!(".{name}.").contains(&format!(".{wanted}."));
        for name in &wanted {
            if !all.iter().any(|(_, known)| is_of(known, name)) {
                let near = nearest_of(name, all.iter().map(|(_, known)| known.as_str()));
                bail!("configuration field `lora.on`: no matrix is called `{name}`; near to it are {near}");
            }
        }
        if wanted.is_empty() {
            bail!("configuration field `lora.on`: name at least one matrix");
        }
        Ok(all
            .into_iter()
            .filter(|(_, known)| wanted.iter().any(|name| is_of(known, name)))
            .map(|(at, _)| at)
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ebt_core::config::Config;

    fn of(on: &[&str]) -> Result<Vec<Adapted>> {
        let layout = ParameterLayout::new(&Config { vocab: 8, layers: 2, ..Config::default() });
        LoraConfig { on: on.iter().map(|&name| name.to_owned()).collect(), ..LoraConfig::default() }.adapted(&layout)
    }

    #[test]
    fn parts_of_names_find_matrices_of_all_blocks() {
        assert_eq!(of(&["wq"]).unwrap().len(), 2);
        assert_eq!(of(&["attention"]).unwrap().len(), 8, "gains of norms are no matrices");
        let two = of(&["blocks.0.attention.wk", "blocks.0.attention.wv.weight"]).unwrap();
        assert_eq!((two.len(), two[0].id), (2, two[1].id));
        assert!(two[0].start > 0 && two[1].start == two[0].start + two[0].rows, "they are stacked");
    }

    #[test]
    fn what_cannot_be_adapted_is_refused() {
        let message = |on: &[&str]| of(on).unwrap_err().to_string();
        assert!(message(&["q_proj"]).contains("`lora.on`: no matrix is called `q_proj`"));
        assert!(message(&["atention"]).contains("near to it are"), "{}", message(&["atention"]));
        assert!(message(&["norm"]).contains("no matrix"));
        assert!(message(&[]).contains("at least one"));
        let layout = ParameterLayout::new(&Config { vocab: 8, ..Config::default() });
        let refused = |lora: LoraConfig| lora.adapted(&layout).unwrap_err().to_string();
        assert!(refused(LoraConfig { rank: 0, ..LoraConfig::default() }).contains("`lora.rank`"));
        assert!(refused(LoraConfig { alpha: f64::NAN, ..LoraConfig::default() }).contains("`lora.alpha`"));
    }
}
