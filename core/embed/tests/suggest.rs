//! Suggestions are what enumeration finds, scores are what the generator believes, and neither leaves a trace.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use ebt::engine::{Session, SessionOptions};
use ebt::packed::{Model, Storage};
use ebt::{
    DescentOptions, EngineError, Error, Generator, Options, Scored, Settings, SuggestOptions, Suggested, word_start,
};
use ebt_core::config::{Config, ModelKind};
use ebt_tokenizer::Special;
use ebt_tokenizer::compact::CompactTokenizer;
use proptest::prelude::*;

/// A tokenizer of 280 tokens.
const TOY: &[u8] = include_bytes!("../../../fixtures/formats/tokenizer-1.bin");

fn toy(kind: ModelKind, alpha: f64) -> Vec<u8> {
    let config =
        Config { kind, vocab: 280, dim: 8, layers: 1, heads: 2, ffn: 8, context: 12, alpha, ..Config::default() };
    support::packed(&config, Some(TOY), Storage::F32)
}

fn go(_: &ebt::StepReport<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn with<R>(model: &[u8], options: &Options, work: impl FnOnce(&mut Generator<'_, '_>) -> R) -> R {
    let mut memory = vec![0x5A5A_5A5Au32; Generator::bytes_needed(model, options).unwrap().div_ceil(4)];
    work(&mut Generator::new(model, options, bytemuck::cast_slice_mut(&mut memory)).unwrap())
}

/// All suggestions for a text.
fn suggested(
    generator: &mut Generator<'_, '_>,
    text: &str,
    options: &SuggestOptions,
) -> Result<(Vec<(String, f32)>, Suggested), Error> {
    let mut memory = vec![0xA5A5_A5A5u32; options.bytes_needed().unwrap().div_ceil(4)];
    let (memory, mut all) = (bytemuck::cast_slice_mut(&mut memory), Vec::new());
    let done = generator.suggest(text, &DescentOptions::default(), options, memory, &mut |suggestion| {
        all.push((suggestion.ending.to_owned(), suggestion.probability));
    })?;
    Ok((all, done))
}

/// The plain definition: every path of tokens, each evaluated from the beginning of the text.
struct Enumeration<'e, 'm, 'a> {
    session: Session<'m, 'a>,
    tokenizer: CompactTokenizer<'e>,
    text: &'e str,
    rest: &'e [u8],
    most: usize,
    endings: BTreeMap<Vec<u8>, f64>,
    typed: f64,
}

enum Verdict {
    Open,
    Ended(usize),
    Never,
}

fn of_word(c: char) -> bool {
    word_start(c.encode_utf8(&mut [0; 4])) == 0
}

/// What becomes of the bytes behind a text.
fn verdict(text: &str, ending: &[u8]) -> Verdict {
    let (valid, damaged) = match std::str::from_utf8(ending) {
        Ok(valid) => (valid, false),
        Err(error) => (std::str::from_utf8(&ending[..error.valid_up_to()]).unwrap(), error.error_len().is_some()),
    };
    let last = text.chars().next_back();
    let mut inside = last.is_some_and(of_word);
    let space = last.is_some_and(|c| !of_word(c) && !c.is_whitespace());
    for (at, c) in valid.char_indices() {
        match (of_word(c), inside) {
            (true, _) => inside = true,
            (false, true) => return Verdict::Ended(at),
            (false, false) if space && at == 0 && c == ' ' => {}
            (false, false) => return Verdict::Never,
        }
    }
    if damaged { Verdict::Never } else { Verdict::Open }
}

impl Enumeration<'_, '_, '_> {
    fn walk(&mut self, ids: &mut Vec<u32>, spelled: &[u8], mass: f64) {
        self.session.reset();
        self.session.observe(ids).unwrap();
        self.session.think(&DescentOptions::default(), &mut { go }).unwrap();
        let logits: Vec<f64> = self.session.logits().iter().map(|&logit| f64::from(logit)).collect();
        let top = logits.iter().copied().fold(f64::MIN, f64::max);
        let sum: f64 = logits.iter().map(|logit| (logit - top).exp()).sum();
        for id in 0..self.tokenizer.vocabulary_size() {
            let mass = mass * (logits[id as usize] - top).exp() / sum;
            let bytes = self.tokenizer.token_bytes(id).unwrap();
            let ending = spelled.get(self.rest.len()..);
            if bytes.is_empty() {
                let delimits = [Special::Begin, Special::End].iter().any(|&s| self.tokenizer.special(s) == Some(id));
                if let (true, Some(ending)) = (delimits, ending)
                    && let Verdict::Ended(length) = verdict(self.text, &[ending, b" "].concat())
                    && length == ending.len()
                {
                    *self.endings.entry(ending.to_vec()).or_default() += mass;
                }
                continue;
            }
            let all = [spelled, bytes].concat();
            let common = all.len().min(self.rest.len());
            if all[..common] != self.rest[..common] {
                continue;
            }
            if all.len() >= self.rest.len() && spelled.len() < self.rest.len() {
                self.typed += mass;
            }
            let after = all.get(self.rest.len()..).unwrap_or_default();
            match verdict(self.text, after) {
                Verdict::Ended(length) if length <= self.most => {
                    *self.endings.entry(after[..length].to_vec()).or_default() += mass;
                }
                Verdict::Open if after.len() <= self.most => {
                    ids.push(id);
                    self.walk(ids, &all, mass);
                    ids.pop();
                }
                _ => {}
            }
        }
    }
}

fn enumerated(model: &[u8], context: &str, text: &str, most: usize) -> BTreeMap<Vec<u8>, f64> {
    let tokenizer = CompactTokenizer::from_bytes(TOY).unwrap();
    let packed = Model::read(model).unwrap();
    let options = SessionOptions::default();
    let mut memory = vec![0u32; Session::bytes_needed(&packed.config, &options).unwrap().div_ceil(4)];
    let session = Session::new(packed, &options, bytemuck::cast_slice_mut(&mut memory)).unwrap();
    let (finished, rest) = text.split_at(tokenizer.finished(text));
    let mut ids = vec![tokenizer.special(Special::Begin).unwrap()];
    for part in [context, finished] {
        let mut tokens = vec![0; tokenizer.places(part)];
        let count = tokenizer.encode(part, &mut tokens).unwrap();
        ids.extend(&tokens[..count]);
    }
    let typed = if rest.is_empty() { 1.0 } else { 0.0 };
    let mut all =
        Enumeration { session, tokenizer, text, rest: rest.as_bytes(), most, endings: BTreeMap::new(), typed };
    all.walk(&mut ids, &[], 1.0);
    all.endings.values_mut().for_each(|mass| *mass /= all.typed);
    all.endings
}

fn kinds() -> impl Strategy<Value = ModelKind> {
    prop::sample::select(&[ModelKind::Ebt, ModelKind::Transformer][..])
}

const TEXTS: [&str; 12] = ["", " ", "a", "da", "bir iki", "Ankara'd", "gel, ", "gel,", "şiş", "“", "bu  ", "üç\n"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// With room for every path the search is exact: all cuts, also those inside characters, and nothing else.
    #[test]
    fn a_wide_search_equals_enumeration(
        kind in kinds(),
        alpha in 1.0..200f64,
        text in prop::sample::select(&TEXTS[..]),
        context in "[a-d ]{0,6}",
    ) {
        // to enumerate endings of two bytes takes seconds a case
        let (model, most) = (toy(kind, alpha), 1);
        let expected = enumerated(&model, &context, text, most);
        let options = SuggestOptions { words: 30_000, evaluations: 30_000, paths: 30_000, bytes: most, least: 0.0 };
        let wide = Options { session: SessionOptions { block: 64, ..SessionOptions::default() }, ..Options::default() };
        let (ours, done) = with(&model, &wide, |generator| {
            generator.prompt(&context).unwrap();
            suggested(generator, text, &options).unwrap()
        });
        prop_assert!(done.evaluations < options.evaluations && done.words == ours.len());
        prop_assert_eq!(ours.len(), expected.len());
        for (ending, probability) in &ours {
            let exact = expected[ending.as_bytes()];
            prop_assert!((f64::from(*probability) - exact).abs() <= 1e-4 * exact + 1e-9, "{ending:?}: {probability} {exact}");
        }
        prop_assert!(ours.windows(2).all(|pair| pair[0].1 >= pair[1].1), "the likeliest first");
        prop_assert!(ours.iter().map(|(_, p)| p).sum::<f32>() <= 1.0001);
    }

    /// Looking aside leaves no trace, in rings that are full and in those that are not: what is generated has the same bits.
    #[test]
    fn generation_after_suggestions_has_the_same_bits(
        kind in kinds(),
        context in "[a-d ]{0,60}",
        block in 4..12usize,
        texts in prop::collection::vec(prop::sample::select(&TEXTS[..]), 1..4),
        pending in any::<bool>(),
    ) {
        let model = toy(kind, 20.0);
        let extents = Options { session: SessionOptions { block, ..SessionOptions::default() }, ..Options::default() };
        let options = SuggestOptions { evaluations: 12, ..SuggestOptions::default() };
        let run = |aside: bool| with(&model, &extents, |generator| {
            let (mut said, mut told) = (Vec::new(), Vec::new());
            generator.prompt(&context).unwrap();
            for number in 0..3 {
                if aside && (pending || number == 0) {
                    for text in &texts {
                        let position = generator.position();
                        told.push(suggested(generator, text, &options).unwrap());
                        assert!(position.max(1) >= generator.position());
                    }
                }
                let drawn = generator.next(&Settings::default(), &mut go).unwrap();
                said.push(drawn.map(|token| (token.id, token.probability.to_bits())));
            }
            (said, told)
        });
        let ((plain, _), (watched, told)) = (run(false), run(true));
        prop_assert_eq!(plain, watched);
        // and the same question has the same answer
        prop_assert_eq!(told, run(true).1);
    }

    /// A score is the sum of what the generator believes, token by token, however the text is handed over.
    #[test]
    fn scores_are_what_the_generator_believes(kind in kinds(), text in "[a-dşü ',.\n]{0,80}", prompt in 16..200usize, rows in 1..5usize) {
        let model = toy(kind, 20.0);
        let wide = Options { session: SessionOptions { rows, ..SessionOptions::default() }, prompt: 1000 };
        let scored = |options: &Options| with(&model, options, |generator| {
            let mut tokens: Vec<(u32, usize, Vec<u8>, u32)> = Vec::new();
            let whole = generator.score(&text, &DescentOptions::default(), &mut |Scored { id, at, bytes, bits, .. }| {
                tokens.push((id, at, bytes.to_vec(), bits.to_bits()));
            });
            whole.map(|whole| (whole, tokens, generator.position()))
        });
        let (whole, tokens, position) = scored(&wide).unwrap();
        prop_assert_eq!(tokens.iter().map(|t| t.2.clone()).collect::<Vec<_>>().concat(), text.as_bytes());
        prop_assert_eq!((whole.tokens, whole.bytes), (tokens.len(), text.len()));
        let mut at = 0;
        with(&model, &wide, |generator| {
            for (id, place, bytes, bits) in &tokens {
                assert_eq!(at, *place);
                at += bytes.len();
                if kind == ModelKind::Ebt {
                    let (exact, bits) = (believed(generator, *id), f64::from(f32::from_bits(*bits)));
                    assert!((exact - bits).abs() <= 1e-4 * exact.max(1.0), "{exact} {bits}");
                }
                generator.accept(&[*id]).unwrap();
            }
        });
        let sum: f64 = tokens.iter().map(|t| f64::from(f32::from_bits(t.3))).sum();
        prop_assert!((whole.bits - sum).abs() <= 1e-9 * sum.max(1.0));
        match scored(&Options { prompt, ..wide }) {
            Ok(pieces) => prop_assert_eq!(pieces, (whole, tokens, position)),
            Err(error) => prop_assert!(matches!(error, Error::Prompt { .. }), "{error}"),
        }
    }
}

/// Bits of a token by the state that the generator's own descent ends with; the text stays as it is, because the draw is cancelled.
fn believed(generator: &mut Generator<'_, '_>, id: u32) -> f64 {
    let mut bits = f64::NAN;
    let cancelled = generator.next(&Settings::default(), &mut |step| {
        let sum: f64 = step.logits.iter().map(|&logit| f64::from(logit).exp()).sum();
        bits = sum.log2() - f64::from(step.logits[id as usize]) * std::f64::consts::LOG2_E;
        if step.step == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(cancelled, Err(Error::Engine(EngineError::Cancelled))));
    bits
}

/// The model that the program brings along finishes Turkish words.
#[test]
fn the_sample_model_knows_suffixes() {
    let options = Options { session: SessionOptions { steps: 3, ..SessionOptions::default() }, ..Options::default() };
    with(ebt_fixtures::SAMPLE_MODEL, &options, |generator| {
        let (endings, done) = suggested(generator, "Ankara'd", &SuggestOptions::default()).unwrap();
        let endings: Vec<&str> = endings.iter().map(|(ending, _)| ending.as_str()).collect();
        for suffix in ["a", "an", "aki"] {
            assert!(endings.contains(&suffix), "{endings:?}");
        }
        assert!(done.evaluations <= 64, "{done:?}");
        let (words, _) = suggested(generator, "Türkiye'nin ", &SuggestOptions::default()).unwrap();
        assert_eq!(words.len(), 5);
        assert!(words.iter().all(|(word, p)| word.chars().all(char::is_alphanumeric) && *p > 0.0), "{words:?}");
    });
}

#[test]
fn what_cannot_be_suggested_is_refused_and_leaves_no_trace() {
    let session = SessionOptions { block: 64, ..SessionOptions::default() };
    let (model, options) = (toy(ModelKind::Ebt, 20.0), Options { session, prompt: 4000 });
    with(&model, &options, |generator| {
        let usual = SuggestOptions::default();
        generator.prompt(&"a b ".repeat(100)).unwrap();
        let position = generator.position();
        let long = "c d ".repeat(50);
        let refused = suggested(generator, &long, &usual).unwrap_err();
        assert!(refused.to_string().contains("prompt what is finished of it"), "{refused}");
        let refused = suggested(generator, &"a".repeat(5000), &usual).unwrap_err();
        assert!(matches!(refused, Error::Prompt { .. }), "{refused}");
        let mut short = vec![0u32; usual.bytes_needed().unwrap() / 4 - 1];
        let think = DescentOptions::default();
        let refused = generator.suggest("a", &think, &usual, bytemuck::cast_slice_mut(&mut short), &mut |_| ());
        assert!(matches!(refused, Err(Error::Engine(EngineError::Arena { .. }))), "{refused:?}");
        let wrong = DescentOptions { candidates: 0, ..think };
        let mut memory = vec![0u32; usual.bytes_needed().unwrap() / 4];
        let memory: &mut [u8] = bytemuck::cast_slice_mut(&mut memory);
        assert!(generator.suggest("a", &wrong, &usual, memory, &mut |_| ()).is_err());
        assert!(generator.score("a", &wrong, &mut |_| ()).is_err());
        for (field, options) in [
            ("words", SuggestOptions { words: 0, ..usual }),
            ("words", SuggestOptions { words: 257, ..usual }),
            ("evaluations", SuggestOptions { evaluations: 0, ..usual }),
            ("paths", SuggestOptions { paths: 1 << 20, ..usual }),
            ("bytes", SuggestOptions { bytes: 193, ..usual }),
            ("least", SuggestOptions { least: f32::NAN, ..usual }),
        ] {
            let refused = generator.suggest("a", &think, &options, memory, &mut |_| ()).unwrap_err();
            assert!(matches!(refused, Error::Engine(EngineError::Option { field: named, .. }) if named == field));
        }
        assert_eq!(generator.position(), position);
        // the word is longer than what is cut in every way, and is finished all the same
        let (endings, _) = suggested(generator, &"ab".repeat(50), &SuggestOptions { evaluations: 4, ..usual })
            .unwrap_or_else(|error| panic!("{error}"));
        assert!(endings.len() <= 5);
    });
}
