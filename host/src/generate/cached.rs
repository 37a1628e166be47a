//! Generation with a cache: a token costs the same wherever it stands.

use anyhow::Result;
use ebt_core::config::UpdateRule;
use ebt_core::generate::Options;
use ebt_core::generate::descent::{self, Continue, Noise, StepSize, Think};
use ebt_core::packed::Kernel;
use ebt_core::random::{Purpose, Stream};

use super::certificate::Certificate;
use super::{Control, Generated, Stop};
use crate::inference::{InferenceModel, Memory};
use crate::sampling::Sampling;

/// Tokens of a prompt that are read together.
const BLOCK: usize = 64;

/// How to generate.
#[derive(Clone, Copy, Debug)]
pub struct CachedOptions {
    /// Most tokens to generate.
    pub tokens: usize,
    /// How a token is chosen.
    pub sampling: Sampling,
    /// How it is thought about; its seed is that of the draws, too.
    pub think: Think,
    /// Update rule; none = the model's.
    pub rule: Option<UpdateRule>,
    /// Instructions to compute with; the text does not depend on them.
    pub kernel: Kernel,
}

/// Extents of a session that thinks so.
pub fn extents(think: &Think, usual_steps: usize) -> Options {
    Options {
        block: BLOCK,
        rows: think.candidates,
        steps: if think.steps == 0 { usual_steps } else { think.steps },
        trials: matches!(think.step_size, StepSize::Armijo { .. }) || matches!(think.noise, Noise::Metropolis { .. }),
        curvature: think.curvature > 0 || matches!(think.step_size, StepSize::Curvature { .. }),
    }
}

impl From<Sampling> for descent::Sampling {
    fn from(s: Sampling) -> Self {
        Self {
            temperature: s.temperature as f32,
            top_k: s.top_k,
            // the smallest share that a single holds, never none
            top_p: (s.top_p as f32).max(f32::MIN_POSITIVE),
            min_p: s.min_p as f32,
        }
    }
}

/// Continues `prompt` token by token and hands each to `each` at once, with the certificate of its descent. Returns why
/// it ended.
///
/// # Errors
///
/// Settings out of their range, a model without a tokenizer or a tokenizer without a begin token, logits that are no
/// numbers, too little memory, and what `each` returns.
pub fn generate(
    model: &InferenceModel,
    prompt: &str,
    options: &CachedOptions,
    mut each: impl FnMut(&Generated, Certificate) -> Result<()>,
) -> Result<Stop> {
    options.sampling.validate()?;
    options.think.validate()?;
    let tokenizer = model.tokenizer()?;
    let control = Control::of(tokenizer)?;
    let packed = model.model()?;
    let extents = extents(&options.think, packed.descent.steps);
    let mut memory = Memory::of(&packed.config, &extents)?;
    let mut session = memory.session(packed, &extents, options.kernel)?;
    if let Some(rule) = options.rule {
        session.dynamics_mut().update = rule;
    }
    let draws = Stream::new(options.think.seed, 0, Purpose::Sampling);
    let sampling = options.sampling.into();
    session.observe(&control.start(tokenizer, prompt)?)?;
    for count in 0..options.tokens {
        let certificate = Certificate::from(&session.think(&options.think, &mut |_| Continue::Go)?);
        let drawn = session.sample(&sampling, draws.uniform(count as u64), |id| !control.exists(tokenizer, id))?;
        if control.ends.contains(&drawn.id) {
            return Ok(Stop::End);
        }
        let energies = certificate.energies.iter().map(|&e| f64::from(e)).collect();
        each(&Generated { id: drawn.id, probability: f64::from(drawn.probability), energies }, certificate)?;
        session.observe(&[drawn.id])?;
    }
    Ok(Stop::Length)
}
