//! How weights are drawn, where it is not as their model draws them.

use anyhow::{Result, bail};
use ebt_core::config::Config;
use ebt_core::parameters::{ParameterLayout, Start};
use serde::{Deserialize, Serialize};

/// Changes of the standard deviations that weights are drawn with ([`ebt_core::parameters`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StartConfig {
    /// Standard deviation of the token embedding; none = that of the model.
    pub embedding: Option<f64>,
    /// Factor on the standard deviations of the matrices that add to the residual stream (`wo`, `w2`). 0 = every block begins as the
    /// identity.
    pub outputs: f64,
}

impl Default for StartConfig {
    fn default() -> Self {
        Self { embedding: None, outputs: 1.0 }
    }
}

impl StartConfig {
    /// The layout of a model, with its weights to be drawn so.
    pub fn layout(&self, model: &Config) -> ParameterLayout {
        let mut layout = ParameterLayout::new(model);
        if let Some(std) = self.embedding {
            layout.entries[layout.embedding].start = Start::Normal(std);
        }
        for id in layout.outputs().collect::<Vec<_>>() {
            if let Start::Normal(std) = &mut layout.entries[id].start {
                *std *= self.outputs;
            }
        }
        layout
    }

    pub(super) fn validate(&self) -> Result<()> {
        for (field, value) in [("embedding", self.embedding.unwrap_or_default()), ("outputs", self.outputs)] {
            if !(value.is_finite() && value >= 0.0) {
                bail!("configuration field `start.{field}`: must be a number that is not negative, got {value}");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_deviations_change_of_what_is_named_and_of_nothing_else() {
        let model = Config { vocab: 8, layers: 2, ..Config::default() };
        let (plain, start) = (ParameterLayout::new(&model), StartConfig { embedding: Some(0.5), outputs: 0.0 });
        let changed = start.layout(&model);
        for (id, (before, after)) in plain.entries.iter().zip(&changed.entries).enumerate() {
            let expected = match before.name.as_str() {
                "embedding" => Start::Normal(0.5),
                name if name.ends_with(".wo") || name.ends_with(".w2") => Start::Normal(0.0),
                _ => before.start,
            };
            assert_eq!(after.start, expected, "{id}: {}", before.name);
        }
        assert_eq!(StartConfig::default().layout(&model), plain);
    }

    #[test]
    fn what_cannot_be_drawn_is_refused() {
        let refused = |start: StartConfig| start.validate().unwrap_err().to_string();
        assert!(refused(StartConfig { embedding: Some(-1.0), outputs: 1.0 }).contains("`start.embedding`"));
        assert!(refused(StartConfig { embedding: None, outputs: f64::NAN }).contains("`start.outputs`"));
    }
}
