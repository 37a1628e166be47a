//! Text generation without a cache: every token is predicted from the whole window before it.

use anyhow::{Result, bail};
use ebt_core::compute::Backend;
use ebt_core::layer::Model;
use ebt_core::objective::Objective;
use ebt_core::random::{Purpose, Stream};
use ebt_core::training::{NO_TARGET, Sequences};
use ebt_tokenizer::Tokenizer;
use ebt_train::rollout::{Predictor, usual_steps};

use super::{Control, GenerateOptions, Generated, Stop};
use crate::sampling::draw;

/// Continues `prompt` token by token and hands each to `each` at once. Returns why it ended.
///
/// # Errors
///
/// A tokenizer without a begin token, logits that are no numbers, a device failure, and what `each` returns.
pub fn generate<B: Backend>(
    b: &B,
    model: Model<'_, B::Array>,
    objective: &Objective,
    tokenizer: &Tokenizer,
    prompt: &str,
    options: &GenerateOptions,
    mut each: impl FnMut(&Generated) -> Result<()>,
) -> Result<Stop> {
    options.sampling.validate()?;
    let control = Control::of(tokenizer)?;
    let steps = if options.steps == 0 { usual_steps(model.config, objective) } else { options.steps };
    let predictor = Predictor::new(b, model, objective, options.seed);
    let draws = Stream::new(options.seed, 0, Purpose::Sampling);
    let exists = |id: u32| control.exists(tokenizer, id);
    let mut ids = control.start(tokenizer, prompt)?;
    for count in 0..options.tokens {
        let (logits, energies) = last_position(b, &predictor, model.config, &ids, steps)?;
        let candidates = options.sampling.candidates(&logits, exists)?;
        let Some((id, probability)) = draw(&candidates, draws.uniform(count as u64)) else {
            bail!("no token could be drawn");
        };
        if control.ends.contains(&id) {
            return Ok(Stop::End);
        }
        each(&Generated { id, probability, energies })?;
        ids.push(id);
    }
    Ok(Stop::Length)
}

/// Logits of the token after `ids`, and the energies on the way to them. States are numbered by absolute position, so
/// that a cache would see the same ones.
fn last_position<B: Backend>(
    b: &B,
    predictor: &Predictor<'_, B>,
    config: &ebt_core::config::Config,
    ids: &[u32],
    steps: usize,
) -> Result<(Vec<f32>, Vec<f64>)> {
    let start = ids.len().saturating_sub(config.context);
    let window = &ids[start..];
    let last = window.len() - 1;
    let sequences = Sequences {
        batch: 1,
        context: window.len(),
        tokens: window.to_vec(),
        targets: vec![NO_TARGET; window.len()],
        starts: Vec::new(),
    };
    let (mut logits, mut energies) = (vec![0.0; config.vocab], Vec::new());
    predictor.run(&sequences, start as u64, steps, |step| {
        if let Some(energy) = step.energy {
            let mut value = [f64::NAN];
            b.download_f64(&b.slice_rows(energy, last, 1), &mut value);
            energies.extend(value);
        }
        if step.energy.is_none() || step.index + 1 == steps {
            b.download(&b.slice_rows(step.logits, last, 1), &mut logits);
        }
        Ok(b.status()?)
    })?;
    Ok((logits, energies))
}
