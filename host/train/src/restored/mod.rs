//! Measuring a joint model on damaged text: letters and words that are right, as typed, by the most frequent form of every word, and
//! after every descent step.

mod detection;
mod forms;

use anyhow::Result;
use ebt_core::compute::Backend;
use ebt_core::layer::Model;
use ebt_core::objective::Objective;
use ebt_core::random::{Purpose, Stream};
use ebt_core::training::{NO_TARGET, Sequences};
use ebt_data::Tokens;
use ebt_ranks::{Collective, Place};
use ebt_tokenizer::letters::words::Words;
use ebt_tokenizer::letters::{Damage, Symbol};
use serde::{Deserialize, Serialize};

use crate::rollout::{Energies, Predictor};
use crate::task::letters::{Fate, problems, truth};
pub use detection::Detection;
use detection::Scores;
pub use forms::Forms;

/// Rows that are computed together.
const TOGETHER: usize = 32;

/// Letters and words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Right {
    /// Letters in doubt that are right.
    pub letters: u64,
    /// Words that are right as a whole.
    pub words: u64,
}

/// What is right of a damaged text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Restored {
    /// All letters in doubt, and all words.
    pub of: Right,
    /// As it was typed, where letters are not lost.
    pub typed: Right,
    /// Every word in its most frequent form of the training text, where that was asked for and letters are not lost.
    pub frequent: Right,
    /// After every step, from the first.
    pub per_step: Vec<Right>,
    /// How well the last state tells the words that are wrong; with an energy it is the last but one, whose energy is known. None where
    /// that was not asked for, and of a single step on an energy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detection: Option<Detection>,
}

/// A word of a row: where it stands.
type Word = std::ops::Range<usize>;

/// The words of a row that begin in its part `counted`.
fn words(ids: &[u32], counted: Word) -> Vec<Word> {
    let letter =
        |i: usize| ids.get(i).is_some_and(|&id| Symbol::of_index(id as usize).and_then(Symbol::letter).is_some());
    let mut all = Vec::new();
    for start in counted.filter(|&i| letter(i) && (i == 0 || !letter(i - 1))) {
        let length = (start..ids.len()).take_while(|&i| letter(i)).count();
        all.push(start..start + length);
    }
    all
}

/// Text in rows that overlap by half, so that every word stands in the middle of one.
struct Rows<'a> {
    text: &'a Tokens,
    context: usize,
}

impl Rows<'_> {
    fn count(&self) -> u64 {
        self.text.len().div_ceil(self.half())
    }

    fn half(&self) -> u64 {
        (self.context / 2).max(1) as u64
    }

    /// The symbols of row `i`, and where the words begin that it counts: those that no row before it counted.
    fn get(&self, i: u64) -> Result<(Vec<u32>, Word)> {
        let (length, half) = (self.text.len(), self.half());
        let start = i * half;
        let quarter = half / 2;
        let end = (start + self.context as u64).min(length);
        let mut ids = Vec::new();
        self.text.gather(start..end, &mut ids)?;
        let first = if i == 0 { 0 } else { quarter };
        let last = if i + 1 == self.count() { end - start } else { (half + quarter).min(end - start) };
        Ok((ids, first.min(end - start) as usize..last as usize))
    }
}

/// Adds what is right where `token(i)` says the symbol of position `i`.
fn judge(to: &mut Right, targets: &[u32], words: &[Word], token: impl Fn(usize) -> u32) {
    for word in words {
        let doubt = |i: &usize| targets[*i] != NO_TARGET;
        let right = word.clone().filter(doubt).filter(|&i| token(i) == targets[i]).count();
        to.letters += right as u64;
        to.words += u64::from(right == word.clone().filter(doubt).count());
    }
}

/// Measures `model` on `text`; ranks share it. The energies of letters in doubt are added to `kept`.
///
/// # Errors
///
/// Text that cannot be read, a device failure, a rank that is lost.
pub fn measure<B: Backend>(
    ranks: &dyn Collective,
    b: &B,
    model: Model<'_, B::Array>,
    objective: &Objective,
    (text, damage, table, forms): (&Tokens, Damage, Option<&Words<'_>>, Option<&Forms>),
    (steps, last): (usize, bool),
    kept: &mut Energies,
) -> Result<Restored> {
    let (context, vocab) = (model.config.context, model.config.vocab);
    let predictor = Predictor::new(b, model, objective, 0);
    let rows = Rows { text, context };
    let Place { rank, world } = ranks.place();
    let mut all = Restored { per_step: vec![Right::default(); steps], ..Restored::default() };
    let (has_energy, mut scores) = (model.config.has_energy(), Scores::default());
    let judged = if has_energy { steps.checked_sub(2) } else { steps.checked_sub(1) };
    let judged = judged.filter(|_| last);
    let stream = Stream::new(0, 0, Purpose::Damage);
    for first in (0..rows.count()).step_by(TOGETHER).skip(rank).step_by(world) {
        let (mut ids, mut starts, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for i in first..(first + TOGETHER as u64).min(rows.count()) {
            let (row, counted) = rows.get(i)?;
            let padding = context - row.len();
            places
                .push(words(&row, counted).into_iter().map(|w| w.start + padding..w.end + padding).collect::<Vec<_>>());
            starts.extend(std::iter::repeat_n(padding as u32, context));
            ids.extend(std::iter::repeat_n(Symbol::EDGE.index() as u32, padding).chain(row));
        }
        let fate = |_| Fate::measured(damage);
        let batch: Sequences = problems((&ids, context), starts, table, (stream, first * context as u64), fate);
        let part = |row: usize| row * context..(row + 1) * context;
        for (row, words) in places.iter().enumerate() {
            let (targets, ids) = (&batch.targets[part(row)], &ids[part(row)]);
            for word in words {
                all.of.words += 1;
                all.of.letters += word.clone().filter(|&i| targets[i] != NO_TARGET).count() as u64;
                if let Some(forms) = forms.filter(|_| damage.keeps_words()) {
                    let form = forms.form(&ids[word.clone()]);
                    judge(&mut all.frequent, targets, std::slice::from_ref(word), |i| form[i - word.start]);
                }
            }
            let first = row * context;
            match damage {
                Damage::Missing => {}
                Damage::Ascii | Damage::Circumflex => judge(&mut all.typed, targets, words, |i| {
                    Damage::ascii_symbol(truth(ids[i], damage)).index() as u32
                }),
                // what stands there is what is held likely
                Damage::Keyboard | Damage::Ocr => judge(&mut all.typed, targets, words, |i| {
                    let found = batch.prior.binary_search_by_key(&((first + i) as u32), |prior| prior.at);
                    found.map_or(NO_TARGET, |found| batch.prior[found].token)
                }),
            }
        }
        let mut logits = vec![0.0f32; batch.targets.len() * vocab];
        let (mut state, mut energies) = (Vec::new(), vec![0.0f32; batch.targets.len()]);
        predictor.run(&batch, 0, steps, |step| {
            b.download(step.logits, &mut logits);
            kept.add(b, step.index, step.energy, |row| batch.targets[row] != NO_TARGET);
            for (row, words) in places.iter().enumerate() {
                let (targets, logits) = (&batch.targets[part(row)], &logits[row * context * vocab..]);
                judge(&mut all.per_step[step.index], targets, words, |i| {
                    let values = &logits[i * vocab..(i + 1) * vocab];
                    (0..vocab).max_by(|&x, &y| values[x].total_cmp(&values[y])).unwrap_or(0) as u32
                });
            }
            if judged == Some(step.index) {
                state.clone_from(&logits);
            }
            // the energy of the state that the step before left
            if let Some(energy) = step.energy.filter(|_| judged.is_some_and(|judged| step.index == judged + 1)) {
                b.download(energy, &mut energies);
            }
            Ok(())
        })?;
        for (row, words) in places.iter().enumerate().filter(|_| !state.is_empty()) {
            for word in words {
                let letters = part(row).skip(word.start).take(word.len()).filter(|&i| batch.targets[i] != NO_TARGET);
                let letters: Vec<(usize, Vec<f64>)> =
                    letters.map(|i| (i, allowed(&state[i * vocab..(i + 1) * vocab], &batch, i))).collect();
                if letters.is_empty() {
                    continue;
                }
                let wrong = letters.iter().any(|(i, p)| {
                    let best = (0..vocab).max_by(|&x, &y| p[x].total_cmp(&p[y])).unwrap_or(0);
                    best as u32 != batch.targets[*i]
                });
                scores.add(letters.iter().map(|(i, p)| (p.as_slice(), f64::from(energies[*i]))), wrong);
            }
        }
    }
    if world > 1 {
        scores = scores.of_all(ranks)?;
        for right in [&mut all.of, &mut all.typed, &mut all.frequent].into_iter().chain(&mut all.per_step) {
            for sum in [&mut right.letters, &mut right.words] {
                *sum = ranks.numbers(*sum)?.into_iter().sum();
            }
        }
    }
    all.detection = scores.detection(has_energy);
    Ok(all)
}

/// `softmax` of the logits of position `i` over its allowed tokens.
fn allowed(logits: &[f32], batch: &Sequences, i: usize) -> Vec<f64> {
    let words = logits.len().div_ceil(32);
    let set = &batch.allowed[i * words..(i + 1) * words];
    let may = |token: usize| set[token / 32] >> (token % 32) & 1 == 1;
    let most = (0..logits.len()).filter(|&t| may(t)).map(|t| f64::from(logits[t])).fold(f64::NEG_INFINITY, f64::max);
    let of = |t: usize| if may(t) { (f64::from(logits[t]) - most).exp() } else { 0.0 };
    let sum: f64 = (0..logits.len()).map(of).sum();
    (0..logits.len()).map(|t| of(t) / sum).collect()
}

#[cfg(test)]
mod tests {
    use ebt_data::encoder::{Encoder, Letters};

    use super::*;

    #[test]
    fn every_word_is_counted_once() {
        let sentence = "Ah, ışık söndü. Gece 12'de gün oldu; âşık şaşırdı. ";
        for length in 1..200 {
            let document: String = sentence.chars().cycle().take(length).collect();
            let text = Tokens::of(&[(String::new(), vec![document.clone()])], &Letters).unwrap();
            let rows = Rows { text: &text, context: 32 };
            let mut found = Vec::new();
            for i in 0..rows.count() {
                let (ids, counted) = rows.get(i).unwrap();
                found.extend(words(&ids, counted).into_iter().map(|word| ids[word].to_vec()));
            }
            let letter = |c: char| c.is_alphabetic();
            let expected: Vec<Vec<u32>> = document
                .split(|c| !letter(c))
                .filter(|word| !word.is_empty())
                .map(|word| Letters.encode(&[word]).unwrap().remove(0))
                .collect();
            assert_eq!(found, expected, "{document}");
        }
    }

    #[test]
    fn the_most_frequent_form_is_kept_and_the_first_of_equals() {
        let document = String::from("için için icin aşı ası kış açık acık açık");
        let text = Tokens::of(&[(String::new(), vec![document])], &Letters).unwrap();
        let forms = Forms::of(&text, Damage::Ascii).unwrap();
        let of = |word: &str| Letters.encode(&[word]).unwrap().remove(0);
        for (truth, form) in [("icin", "için"), ("acik", "açık"), ("asi", "ası"), ("kis", "kış"), ("yok", "yok")]
        {
            assert_eq!(forms.form(&of(truth)), of(form), "{truth}");
        }
    }
}
