//! Damaged text: its letters are the unknowns of a joint model, restricted to what they may have been.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use anyhow::{Result, bail};
use ebt_core::config::{Config, ModelKind};
use ebt_core::random::{Purpose, Stream};
use ebt_core::training::{NO_TARGET, Prior, Sequences};
use ebt_data::encoder::Letters;
use ebt_data::progress::count;
use ebt_data::shard::manifest::Split;
use ebt_data::{BatchOptions, Batches, Input, Tokens, Worker};
use ebt_tokenizer::letters::words::{self, Counts, Words};
use ebt_tokenizer::letters::{Damage, SYMBOLS, Set, Symbol, numbers, symbol};

use super::fingerprints::Fingerprints;
use crate::run_config::{RestoreConfig, RunConfig};

/// Text to restore.
#[derive(Clone, Debug)]
pub struct LetterText {
    /// Symbols of the text to train on.
    pub train: Tokens,
    /// Symbols of the text to measure on.
    pub validation: Tokens,
    /// What happens to it.
    pub config: RestoreConfig,
    /// Table of the words of the text to train on ([`ebt_tokenizer::letters::words`]); no bytes where there is none.
    pub words: Vec<u8>,
}

impl LetterText {
    /// The text of a run.
    ///
    /// # Errors
    ///
    /// A model that knows no letters, shares that are none, text that cannot be read, less of it than one sequence.
    pub fn load(config: &RunConfig, restore: RestoreConfig) -> Result<Self> {
        check(&config.model, &restore)?;
        let data = &config.data;
        let train = Input::open(&data.train)?;
        let validation = if data.validation.is_empty() { Input::Sample } else { Input::open(&data.validation)? };
        let validation = validation.tokens("validation", Split::Validation, &Letters)?;
        let train = train.tokens("training", Split::Train, &Letters)?;
        let need = config.context() as u64 + 1;
        if train.len() < need {
            bail!("the training text is too short: {} characters, but one sequence needs {need}", train.len());
        }
        let words = table(&train, &restore)?;
        Ok(Self { train, validation, config: restore, words })
    }

    pub(super) fn fingerprints(&self) -> Fingerprints {
        Fingerprints { tokenizer: 0, train: self.train.fingerprint(), validation: self.validation.fingerprint() }
    }

    pub(super) fn batches(&self, config: &RunConfig, worker: Worker) -> LetterBatches {
        let options = BatchOptions {
            batch: config.sequences() / worker.world.max(1) as usize,
            context: config.context(),
            stride: config.data.stride,
            seed: config.train.seed,
            worker,
            ..BatchOptions::default()
        };
        let alone = BatchOptions { batch: config.sequences(), worker: Worker::ALONE, ..options };
        LetterBatches {
            own: Batches::new(&self.train, options),
            all: Batches::new(&self.train, alone),
            config: self.config.clone(),
            words: self.words.clone(),
            seed: config.train.seed,
            worker,
        }
    }

    pub(super) fn describe(&self, config: &RunConfig) -> String {
        let words = match self.words.len() {
            0 => String::new(),
            bytes => format!(", {:.1} kB of words", bytes as f64 / 1e3),
        };
        format!(
            "data: {:.2} MB of text, {} characters{words}; validation {:.2} MB, {}; {} a step",
            self.train.bytes() as f64 / 1e6,
            count(self.train.text_tokens() as f64),
            self.validation.bytes() as f64 / 1e6,
            count(self.validation.text_tokens() as f64),
            config.tokens_per_step()
        )
    }
}

/// Refuses models that know no letters, and shares that are none.
fn check(model: &Config, restore: &RestoreConfig) -> Result<()> {
    if model.kind != ModelKind::Joint || model.joint.grid.is_some() {
        bail!("configuration section `restore`: needs `model.kind = \"joint\"` and no `model.joint.grid`");
    }
    if model.vocab != SYMBOLS {
        bail!("configuration field `model.vocab`: text has {SYMBOLS} symbols, got {}", model.vocab);
    }
    let &RestoreConfig { kept, share: [least, most], unknown, .. } = restore;
    for (name, share) in [("kept", kept), ("unknown", unknown)] {
        if !(0.0..=1.0).contains(&share) {
            bail!("configuration field `restore.{name}`: must be in [0, 1], got {share}");
        }
    }
    if !(0.0 <= least && least <= most && most <= 1.0 && most > 0.0) {
        bail!("configuration field `restore.share`: must be two ascending shares of (0, 1], got [{least}, {most}]");
    }
    Ok(())
}

/// Fewest occurrences of a word in the table: what is said once may well be a slip.
const LEAST: u64 = 2;

/// The table of the words of a text; a document that occurs again, as text that counts more in training does, is counted once.
fn table(text: &Tokens, restore: &RestoreConfig) -> Result<Vec<u8>> {
    // words with other letters are in no table
    if restore.words == 0 || !restore.damage.keeps_words() {
        return Ok(Vec::new());
    }
    let (mut counts, mut ids, mut seen) = (Counts::default(), Vec::new(), HashSet::new());
    for document in 0..text.documents() {
        ids.clear();
        text.gather(text.document(document), &mut ids)?;
        let mut hash = DefaultHasher::new();
        ids.hash(&mut hash);
        if !seen.insert(hash.finish()) {
            continue;
        }
        let truths: Vec<Symbol> = ids.iter().map(|&id| truth(id, Damage::Circumflex)).collect();
        truths.split(|symbol| symbol.letter().is_none()).for_each(|word| counts.add(word));
    }
    Ok(words::build(&counts, LEAST, restore.words))
}

/// The letter of a symbol as it is to be restored: without its circumflex where those are not asked for.
pub fn truth(id: u32, damage: Damage) -> Symbol {
    let of = Symbol::of_index(id as usize).unwrap_or(Symbol::EDGE);
    if damage == Damage::Ascii { Damage::flat_symbol(of) } else { of }
}

/// Share of the hidden words whose beginning is hidden, too.
const UTTERLY: f64 = 1.0 / 3.0;

/// How the letters of a sequence suffer.
#[derive(Clone, Copy, Debug)]
pub struct Fate {
    /// What happens.
    pub damage: Damage,
    /// Probability that a Turkish letter was typed right.
    pub kept: f64,
    /// Probability that a letter is damaged, where not all that can be are.
    pub share: f64,
    /// Probability that a word is hidden from the table of words.
    pub unknown: f64,
}

impl Fate {
    /// What the text of a user suffers, for measurements: all of it, a quarter of the letters where those are lost, one of twenty where
    /// they are mistaken.
    pub fn measured(damage: Damage) -> Self {
        let share = if damage == Damage::Missing { 0.25 } else { 0.05 };
        Self { damage, kept: 0.0, share, unknown: 0.0 }
    }

    /// The fate of a sequence, drawn.
    fn drawn(config: &RestoreConfig, stream: Stream, sequence: u64) -> Self {
        let mixed = stream.detail(0).uniform(sequence) < config.kept;
        let [least, most] = config.share;
        let share = least + (most - least) * stream.detail(1).uniform(sequence);
        let kind =
            if config.others.is_empty() { 0 } else { stream.detail(5).below(sequence, 1 + config.others.len() as u64) };
        let damage = kind.checked_sub(1).and_then(|i| config.others.get(i as usize)).copied().unwrap_or(config.damage);
        Self { damage, kept: if mixed { 0.5 } else { 0.0 }, share, unknown: config.unknown }
    }

    /// What stands where `truth` stood: two numbers in `[0, 1)` decide whether it suffered, and how.
    pub fn typed(self, truth: Symbol, [chance, kind]: [f64; 2]) -> Option<char> {
        let letter = truth.letter()?;
        let suffers = match self.damage {
            Damage::Ascii | Damage::Circumflex => chance >= self.kept,
            Damage::Missing | Damage::Keyboard | Damage::Ocr => chance < self.share,
        };
        Some(if suffers { self.damage.strikes(letter, kind) } else { letter })
    }
}

/// Symbols as problems of a joint model: every row suffers its fate, drawn from `stream` from position `first` on; `starts` says
/// where the rows of padded problems begin, and `words` what is likely of those that stand whole in a row.
pub fn problems(
    (ids, context): (&[u32], usize),
    starts: Vec<u32>,
    words: Option<&Words<'_>>,
    (stream, first): (Stream, u64),
    fate: impl Fn(u64) -> Fate,
) -> Sequences {
    let (mut allowed, mut targets) = (Vec::with_capacity(2 * ids.len()), Vec::with_capacity(ids.len()));
    let (mut prior, mut letters) = (Vec::new(), Vec::with_capacity(context));
    for (row, ids) in ids.chunks(context).enumerate() {
        let (fate, at) = (fate(row as u64), row * context);
        let drawn = |detail, i: usize| stream.detail(detail).uniform(first + (at + i) as u64);
        letters.clear();
        for (i, &id) in ids.iter().enumerate() {
            let truth = truth(id, fate.damage);
            let typed = fate.typed(truth, [drawn(2, i), drawn(4, i)]);
            let set = typed.map_or(Set::of(truth), |typed| fate.damage.set(typed));
            let padding = starts.get(at).is_some_and(|&start| i < start as usize);
            let in_doubt = set.len() > 1 && !padding;
            targets.push(if in_doubt { truth.index() as u32 } else { NO_TARGET });
            allowed.extend(set.words());
            if let (true, Some(logit), Some(typed)) = (in_doubt, fate.damage.prior(), typed) {
                prior.push(Prior { at: (at + i) as u32, token: symbol(typed).index() as u32, logit });
            }
            letters.push((truth, set));
        }
        let Some(words) = words.filter(|_| fate.damage.keeps_words()) else { continue };
        let mut start = 0;
        for word in letters.split_inclusive(|(symbol, _)| symbol.letter().is_none()) {
            let (begin, end) = (start, start + word.len());
            start = end;
            let word = word.split_last().filter(|((symbol, _), _)| symbol.letter().is_none());
            let chance = drawn(3, begin);
            let Some((_, word)) = word.filter(|_| begin > 0 && chance >= UTTERLY * fate.unknown) else { continue };
            let mut tell = |i, symbol: Symbol, logit| {
                prior.push(Prior { at: (at + begin + i) as u32, token: symbol.index() as u32, logit });
            };
            let before = letters[..begin].iter().rev().map(|&(symbol, _)| symbol);
            if numbers::prior(before, word.iter().copied(), &mut tell) {
                continue;
            }
            if chance < fate.unknown {
                words.prior_of_beginning(word.iter().copied(), fate.damage, tell);
            } else {
                words.prior(word.iter().copied(), fate.damage, tell);
            }
        }
    }
    Sequences { starts, prior, ..Sequences::problems(ids.len() / context.max(1), context, allowed, targets) }
}

/// Batches of damaged text.
#[derive(Clone, Debug)]
pub struct LetterBatches {
    own: Batches,
    all: Batches,
    config: RestoreConfig,
    words: Vec<u8>,
    seed: u64,
    worker: Worker,
}

impl LetterBatches {
    fn problems(&self, batches: &Batches, k: u64, rank: u64) -> Result<Sequences> {
        let sequences = batches.get(k)?;
        let first = rank * sequences.batch as u64;
        let stream = Stream::new(self.seed, k as u32, Purpose::Damage);
        let fate = |row| Fate::drawn(&self.config, stream, first + row);
        let from = first * sequences.context as u64;
        let words = Words::read(&self.words).ok();
        Ok(problems((&sequences.tokens, sequences.context), Vec::new(), words.as_ref(), (stream, from), fate))
    }

    /// Batch `k` of this worker.
    pub(super) fn get(&self, k: u64) -> Result<Sequences> {
        self.problems(&self.own, k, self.worker.rank)
    }

    /// Letters in doubt in batch `k` of all workers together.
    pub(super) fn positions(&self, k: u64) -> Result<usize> {
        Ok(self.problems(&self.all, k, 0)?.positions())
    }
}

#[cfg(test)]
mod tests {
    use ebt_data::encoder::Encoder;

    use super::*;

    fn holds(words: &[u32], token: u32) -> bool {
        words[token as usize / 32] >> (token % 32) & 1 == 1
    }

    fn ids(text: &str) -> Vec<u32> {
        Letters.encode(&[text]).unwrap().remove(0)
    }

    /// The preset on these words, with as many sequences of eight.
    fn text(batch: usize) -> (LetterText, RunConfig) {
        let words = "Çok güzel, ışıl ışıl bir gün! Öğle yemeğinde şiş ve âşık; 3 kişi.".repeat(9);
        let train = Tokens::of(&[(String::new(), vec![words])], &Letters).unwrap();
        let mut config = crate::run_config::presets::preset("restore", None).unwrap();
        (config.model.context, config.train.batch) = (8, batch);
        let restore = RestoreConfig { kept: 0.5, words: 500, ..RestoreConfig::default() };
        (
            LetterText { validation: train.clone(), words: table(&train, &restore).unwrap(), train, config: restore },
            config,
        )
    }

    #[test]
    fn what_belongs_somewhere_may_stand_there() {
        let ids = ids("Ağrı'nın ÇİÇEKLERİ, kâğıt ve Şırnak'ta hâlâ 12 °C — îmâ.xyz");
        let truths = |damage| ids.iter().map(move |&id| truth(id, damage).index() as u32);
        for &(name, _, damage) in Damage::ALL {
            for (kept, share) in [(0.0, 0.5), (0.5, 0.25), (1.0, 1.0)] {
                let fate = Fate { damage, kept, share, unknown: 0.0 };
                let problem =
                    problems((&ids, ids.len()), Vec::new(), None, (Stream::new(3, 1, Purpose::Damage), 0), |_| fate);
                assert_eq!((problem.batch, problem.targets.len()), (1, ids.len()), "{name}");
                for ((set, &target), truth) in problem.allowed.chunks(2).zip(&problem.targets).zip(truths(damage)) {
                    let many = set.iter().map(|word| word.count_ones()).sum::<u32>() > 1;
                    assert!(holds(set, truth), "{name}");
                    assert_eq!(target, if many { truth } else { NO_TARGET }, "{name}");
                }
            }
        }
        assert!(
            truths(Damage::Ascii)
                .all(|id| !"âîû".contains(Symbol::of_index(id as usize).unwrap().letter().unwrap_or(' ')))
        );
    }

    #[test]
    fn workers_share_the_damage_of_a_single_one() {
        let (text, config) = text(6);
        let alone = text.batches(&config, Worker::ALONE);
        for k in 0..5 {
            let whole = alone.get(k).unwrap();
            let parts: Vec<Sequences> =
                (0..3).map(|rank| text.batches(&config, Worker { rank, world: 3 }).get(k).unwrap()).collect();
            assert!(parts.iter().all(|part| part.batch == 2));
            assert_eq!(parts.iter().flat_map(|part| part.allowed.clone()).collect::<Vec<_>>(), whole.allowed);
            assert_eq!(parts.iter().flat_map(|part| part.targets.clone()).collect::<Vec<_>>(), whole.targets);
            let priors = parts.iter().enumerate().flat_map(|(i, part)| {
                part.prior.iter().map(move |prior| Prior { at: prior.at + i as u32 * 16, ..*prior })
            });
            assert_eq!(priors.collect::<Vec<_>>(), whole.prior);
            assert!(!whole.prior.is_empty());
            assert_eq!(text.batches(&config, Worker { rank: 1, world: 3 }).positions(k).unwrap(), whole.positions());
        }
        assert_ne!(alone.get(0).unwrap().allowed, alone.get(1).unwrap().allowed);
    }

    #[test]
    fn every_damage_that_is_asked_for_happens() {
        let (mut text, config) = text(60);
        text.config.others = vec![Damage::Missing, Damage::Keyboard];
        text.words.clear();
        let batch = text.batches(&config, Worker::ALONE).get(0).unwrap();
        let vocabulary = |set: &[u32]| set.iter().map(|word| word.count_ones()).sum::<u32>();
        let largest = |row: &[u32]| row.chunks(2).map(vocabulary).max().unwrap();
        let rows: Vec<u32> = batch.allowed.chunks(16).map(largest).collect();
        // two letters, the keys beside one, every letter
        assert!(
            rows.contains(&2) && rows.iter().any(|n| (3..12).contains(n)) && rows.iter().any(|n| *n > 20),
            "{rows:?}"
        );
    }

    #[test]
    fn padding_is_nothing_to_learn() {
        let ids = [vec![0; 3], ids("şişli")].concat();
        let fate = |_| Fate::measured(Damage::Ascii);
        let problem = problems((&ids, 8), vec![3; 8], None, (Stream::new(0, 0, Purpose::Damage), 0), fate);
        assert_eq!(problem.targets[..3], [NO_TARGET; 3]);
        assert_eq!(problem.positions(), 4);
    }
}
