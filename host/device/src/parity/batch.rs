//! The batch of a golden case: sequences of tokens, or problems of a joint energy.

use anyhow::{Context, Result, bail};
use ebt_core::config::Config;
use ebt_core::training::{NO_TARGET, Sequences};
use ebt_model::TensorFile;

/// Targets of this value have no loss where no other is named (PyTorch's default).
const IGNORE_INDEX: i64 = -100;

/// Tokens and targets; targets of the value `ignored`, or [`IGNORE_INDEX`], have no loss.
///
/// # Errors
///
/// Tensors that are missing, misshapen or do not fit the model.
pub(super) fn sequences(file: &TensorFile, config: &Config, ignored: Option<i64>) -> Result<Sequences> {
    let [batch, context] = shape(file, "case.tokens", "(batch, context)")?;
    let tokens: Result<Vec<u32>> =
        file.integers("case.tokens")?.into_iter().map(|x| token(file, "case.tokens", x)).collect();
    let targets = targets(file, [batch, context], ignored.unwrap_or(IGNORE_INDEX))?;
    let sequences = Sequences { batch, context, tokens: tokens?, targets, ..Sequences::default() };
    sequences.validate(config).with_context(|| file.path().display().to_string())?;
    Ok(sequences)
}

/// Allowed tokens, targets and starts. Targets of positions without a choice, which no loss counts, are left out.
///
/// # Errors
///
/// As [`sequences`].
pub(super) fn problems(file: &TensorFile, config: &Config) -> Result<Sequences> {
    let path = file.path().display();
    let [batch, context, vocab] = shape(file, "case.allowed", "(batch, context, vocabulary)")?;
    if vocab != config.vocab {
        bail!("tensor case.allowed of {path} is about {vocab} tokens; the model has {}", config.vocab);
    }
    if file.shape("case.starts") != Some(&[batch]) {
        bail!("tensor case.starts of {path} is missing or does not hold a start for each of {batch} problems");
    }
    let words = config.set_words();
    let mut allowed = vec![0; batch * context * words];
    for (i, value) in file.integers("case.allowed")?.into_iter().enumerate() {
        let (position, token) = (i / vocab, i % vocab);
        match value {
            0 => {}
            1 => allowed[position * words + token / 32] |= 1 << (token % 32),
            other => bail!("case.allowed of {path} holds {other}; a token is allowed, 1, or not, 0"),
        }
    }
    let mut starts = Vec::new();
    for start in file.integers("case.starts")? {
        let start = u32::try_from(start).with_context(|| format!("case.starts of {path} holds {start}"))?;
        starts.extend(std::iter::repeat_n(start, context));
    }
    let targets = targets(file, [batch, context], IGNORE_INDEX)?;
    let mut problems = Sequences { starts, ..Sequences::problems(batch, context, allowed, targets) };
    let choices = choices(&problems, vocab);
    problems.targets.iter_mut().zip(choices).filter(|(_, c)| c.is_empty()).for_each(|(t, _)| *t = NO_TARGET);
    problems.validate(config).with_context(|| path.to_string())?;
    Ok(problems)
}

/// The tokens between which each position of `problems` chooses: those allowed where there are several, none at given
/// positions and padding.
pub(super) fn choices(problems: &Sequences, vocab: usize) -> Vec<Vec<usize>> {
    let words = vocab.div_ceil(32);
    let of = |(i, set): (usize, &[u32])| -> Vec<usize> {
        let padding = problems.starts.get(i).is_some_and(|&start| i % problems.context < start as usize);
        let allowed = (0..vocab).filter(|token| set[token / 32] >> (token % 32) & 1 == 1).collect::<Vec<_>>();
        if padding || allowed.len() < 2 { Vec::new() } else { allowed }
    };
    problems.allowed.chunks_exact(words).enumerate().map(of).collect()
}

/// The shape of a tensor of `N` dimensions, none of them 0; `what` names them.
fn shape<const N: usize>(file: &TensorFile, name: &str, what: &str) -> Result<[usize; N]> {
    let path = file.path().display();
    let Some(found) = file.shape(name) else { bail!("{path} is not a golden case: it holds no tensor {name}") };
    match found.try_into() {
        Ok(shape) if found.iter().all(|&length| length > 0) => Ok(shape),
        _ => bail!("tensor {name} of {path} is {found:?}; {what} is needed"),
    }
}

fn targets(file: &TensorFile, [batch, context]: [usize; 2], ignored: i64) -> Result<Vec<u32>> {
    const NAME: &str = "case.targets";
    if file.shape(NAME) != Some(&[batch, context]) {
        bail!("tensor {NAME} of {} is missing or not [{batch}, {context}]", file.path().display());
    }
    let target = |x: i64| if x == ignored { Ok(NO_TARGET) } else { token(file, NAME, x) };
    file.integers(NAME)?.into_iter().map(target).collect()
}

fn token(file: &TensorFile, name: &str, value: i64) -> Result<u32> {
    let path = file.path().display();
    u32::try_from(value).with_context(|| format!("{name} of {path} holds {value}, which is no token id"))
}
