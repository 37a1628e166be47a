//! The field `ebt` of a request: how tokens are thought about. Its values are those of the flags of `ebt generate`.

use std::num::NonZeroUsize;

use ebt::engine::descent::{DescentOptions, Noise, Selection};
use ebt_core::config::UpdateRule;

use super::fields::Fields;
use super::limits::Limits;
use super::refusal::Refusal;
use crate::cli::{
    DynamicsArgs, MIN_P, MOST_PRODUCTS, MOST_STEPS, Names, RULES, SELECTIONS, StepSize, candidates, noise, steps,
};

/// What the field `ebt` says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thinking {
    /// How a token is thought about; the seed is not set.
    pub think: DescentOptions,
    /// How a state moves, where that is not as in training.
    pub rule: Option<UpdateRule>,
    /// Only so many of the most probable tokens; 0 = off.
    pub top_k: usize,
    /// Only tokens with at least this share of the most probable token's probability; 0 = off.
    pub min_p: f32,
    /// Whether every token comes with its certificate.
    pub certificate: bool,
}

/// One of several names.
fn named<T: Clone>(names: Names<T>) -> impl Fn(&str) -> Result<T, String> {
    move |text| {
        let known = names.iter().find(|(name, ..)| *name == text).map(|(.., value)| value.clone());
        let all = || names.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ");
        known.ok_or_else(|| format!("must be one of: {}", all()))
    }
}

impl Thinking {
    /// Reads the fields.
    ///
    /// # Errors
    ///
    /// The first that is unknown, out of its range or beyond `limits`.
    pub fn read(mut fields: Fields, limits: &Limits) -> Result<Self, Refusal> {
        let steps = fields.parsed("think", steps())?.map_or(0, NonZeroUsize::get);
        if steps > limits.steps {
            let why = format!("must be at most {}: `ebt serve --most-think N` allows more", limits.steps);
            return Err(fields.wrong("think", why));
        }
        let candidates = fields.parsed("candidates", candidates())?.map_or(1, NonZeroUsize::get);
        if candidates > limits.candidates {
            let why = format!("must be at most {}: `ebt serve --most-candidates N` allows more", limits.candidates);
            return Err(fields.wrong("candidates", why));
        }
        let choose = fields.parsed("choose", named(SELECTIONS))?.unwrap_or(Selection::Energy);
        let rule = fields.parsed("rule", named(RULES))?;
        let dynamics = DynamicsArgs {
            step_size: fields.parsed("step_size", StepSize::parse)?,
            noise: fields.parsed("noise", noise)?.unwrap_or(Noise::None),
            tolerance: fields.real("tolerance", 0.0..)?.unwrap_or(0.0),
            dissipation: fields.real("dissipation", 0.0..)?.unwrap_or(0.0),
            min_steps: fields.whole("min_steps", 0..=MOST_STEPS)?.unwrap_or(0) as usize,
            curvature: fields.whole("curvature", 0..=MOST_PRODUCTS)?.unwrap_or(0) as usize,
            certify: fields.flag("certify")?,
        };
        let certificate = fields.flag("certificate")?;
        let top_k = fields.whole("top_k", 0..=u64::from(u32::MAX))?.unwrap_or(0) as usize;
        let min_p = fields.real("min_p", 0.0..=1.0)?.unwrap_or(MIN_P);
        let think = DescentOptions { steps, candidates, choose, certify: certificate, ..DescentOptions::default() };
        let think = dynamics.laid_over(think);
        if let Err(error) = think.validate() {
            return Err(Refusal::field("ebt", format!("cannot be run: {error}")));
        }
        fields.end()?;
        Ok(Self { think, rule, top_k, min_p, certificate })
    }
}
