//! What a program that embeds a model is promised.
#![allow(clippy::unwrap_used)]

mod support;

use ebt::packed::Storage;
use ebt::{DescentOptions, EngineError, Error, Generator, Options, Sampling, Settings, StepSize};
use ebt_tokenizer::compact::CompactTokenizer;
use proptest::prelude::*;
use std::ops::ControlFlow;

fn go(_: &ebt::StepReport<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn memory(model: &[u8], options: &Options) -> Vec<u32> {
    vec![0xA5A5_A5A5; Generator::bytes_needed(model, options).unwrap().div_ceil(4)]
}

/// Generates `count` tokens: ids, text, bits of all energies.
fn generate(generator: &mut Generator<'_, '_>, settings: &Settings, count: usize) -> (Vec<u32>, String, Vec<u32>) {
    let (mut ids, mut text, mut bits) = (Vec::new(), String::new(), Vec::new());
    while ids.len() < count {
        let Some(token) = generator.next(settings, &mut go).unwrap() else { break };
        ids.push(token.id);
        text.extend(token.text.pieces());
        bits.extend(token.certificate.energies.iter().map(|e| e.to_bits()));
    }
    text.push_str(generator.finish());
    (ids, text, bits)
}

#[test]
fn the_memory_said_to_be_needed_is_enough_and_no_less_is() {
    let (model, options) = (support::model(), Options::default());
    let mut memory = memory(&model, &options);
    let bytes = Generator::bytes_needed(&model, &options).unwrap();
    let arena: &mut [u8] = bytemuck::cast_slice_mut(&mut memory);
    assert!(Generator::new(&model, &options, &mut arena[..bytes]).is_ok());
    for short in [bytes - 1, bytes / 2, 3, 0] {
        let refused = Generator::new(&model, &options, &mut arena[..short]).err();
        assert!(matches!(refused, Some(Error::Engine(EngineError::Arena { .. }))), "{short}: {refused:?}");
    }
    let askew = Generator::new(&model, &options, &mut arena[1..]).err();
    assert!(matches!(askew, Some(Error::Engine(_))), "{askew:?}");
}

/// A text can be taken up where its tokens are known, and what was in the memory before does not matter.
#[test]
fn a_text_is_a_function_of_prompt_and_settings() {
    let (model, options) = (support::model(), Options::default());
    let mut first = memory(&model, &options);
    let length = first.len();
    let mut generator = Generator::new(&model, &options, bytemuck::cast_slice_mut(&mut first)).unwrap();
    let think = DescentOptions { seed: 3, certify: true, ..DescentOptions::default() };
    let settings = Settings { think, sampling: Sampling { temperature: 0.9, ..Sampling::default() } };
    generator.prompt("Ankara'da ").unwrap();
    generator.prompt("yağmur").unwrap();
    let whole = generate(&mut generator, &settings, 9);
    assert!(whole.0.len() > 3 && !whole.2.is_empty());

    generator.reset();
    generator.prompt("Ankara'da ").unwrap();
    generator.prompt("yağmur").unwrap();
    assert_eq!(generate(&mut generator, &settings, 9), whole);

    let mut second = vec![7u32; length];
    let mut other = Generator::new(&model, &options, bytemuck::cast_slice_mut(&mut second)).unwrap();
    other.prompt("Ankara'da ").unwrap();
    other.prompt("yağmur").unwrap();
    other.accept(&whole.0[..2]).unwrap();
    assert_eq!(generate(&mut other, &settings, 7).0, whole.0[2..]);
    assert_eq!(other.position(), generator.position());

    let other_seed = Settings { think: DescentOptions { seed: 4, ..think }, ..settings };
    generator.reset();
    generator.prompt("Ankara'da yağmur").unwrap();
    assert_ne!(generate(&mut generator, &other_seed, 9).0, whole.0);
}

/// Pieces are whole characters: joined they are the text of the tokens, and none is a special token.
#[test]
fn pieces_join_to_the_text_of_the_tokens() {
    let (model, options) = (support::model(), Options::default());
    let mut memory = memory(&model, &options);
    let mut generator = Generator::new(&model, &options, bytemuck::cast_slice_mut(&mut memory)).unwrap();
    let tokenizer = CompactTokenizer::from_bytes(support::TOKENIZER).unwrap();
    for seed in 0..6 {
        generator.reset();
        let settings = Settings { think: DescentOptions { seed, ..DescentOptions::default() }, ..Settings::default() };
        let (ids, text, _) = generate(&mut generator, &settings, 40);
        let mut bytes = vec![0; 64 * ids.len()];
        let length = tokenizer.decode(&ids, &mut bytes).unwrap();
        assert_eq!(text, String::from_utf8_lossy(&bytes[..length]));
        assert!(ids.iter().all(|&id| !tokenizer.token_bytes(id).unwrap().is_empty()));
    }
}

#[test]
fn a_cancelled_or_refused_token_changes_nothing() {
    let (model, options) = (support::model(), Options::default());
    let mut memory = memory(&model, &options);
    let mut generator = Generator::new(&model, &options, bytemuck::cast_slice_mut(&mut memory)).unwrap();
    let settings = Settings::default();
    generator.prompt("Su").unwrap();
    let whole = generate(&mut generator, &settings, 4);
    generator.reset();
    generator.prompt("Su").unwrap();
    let mut seen = 0;
    let cancelled = generator.next(&settings, &mut |_| {
        seen += 1;
        ControlFlow::Break(())
    });
    assert!(matches!(cancelled, Err(Error::Engine(EngineError::Cancelled))) && seen == 1);
    let wrong = Settings {
        think: DescentOptions { step_size: StepSize::Fixed(f32::NAN), ..DescentOptions::default() },
        ..settings
    };
    assert!(matches!(generator.next(&wrong, &mut go), Err(Error::Engine(EngineError::Option { .. }))));
    assert!(matches!(generator.accept(&[1, u32::MAX]), Err(Error::Tokenizer(_))));
    let long = "a".repeat(options.prompt + 1);
    assert_eq!(generator.prompt(&long), Err(Error::Prompt { given: long.len(), most: options.prompt }));
    assert_eq!(generate(&mut generator, &settings, 4), whole);
}

/// The energies of the states of a descent are those that the descent saw.
#[test]
fn energies_are_those_of_the_descent() {
    let model = support::model();
    let options = Options { session: ebt::SessionOptions { rows: 3, ..Default::default() }, ..Options::default() };
    let mut memory = memory(&model, &options);
    let mut generator = Generator::new(&model, &options, bytemuck::cast_slice_mut(&mut memory)).unwrap();
    generator.prompt("Bugün").unwrap();
    let think = DescentOptions { certify: true, steps: 4, ..DescentOptions::default() };
    let mut states = Vec::new();
    let token = generator
        .next(&Settings { think, ..Settings::default() }, &mut |step| {
            states.extend_from_slice(step.probabilities);
            ControlFlow::Continue(())
        })
        .unwrap()
        .unwrap();
    let (after, last) =
        (token.certificate.energies_after.to_vec(), *token.certificate.landscapes.last().unwrap() as usize);
    assert!(last > 0, "the descent reaches a second landscape");
    let mut energies = vec![f32::NAN; 4];
    generator.energies(last, &states, &mut energies).unwrap();
    assert_eq!(energies[1..], after[1..]);
    assert!(generator.energies(9, &states, &mut energies).is_err());
    assert!(generator.energies(0, &states[1..], &mut energies).is_err());
    assert!(generator.next(&Settings::default(), &mut go).unwrap().is_some());
}

#[test]
fn models_that_cannot_generate_text_are_refused() {
    let options = Options::default();
    let none = support::packed(&support::config(), None, Storage::Int8);
    assert_eq!(Generator::bytes_needed(&none, &options), Err(Error::NoTokenizer));
    let small = ebt_core::config::Config { vocab: 4000, ..support::config() };
    let small = support::packed(&small, Some(support::TOKENIZER), Storage::Int8);
    assert_eq!(Generator::bytes_needed(&small, &options), Err(Error::Vocabulary { tokenizer: 4096, model: 4000 }));
    assert!(matches!(Generator::bytes_needed(support::TOKENIZER, &options), Err(Error::Model(_))));
    let error = Error::Vocabulary { tokenizer: 4096, model: 4000 };
    assert_eq!(error.to_string(), "the tokenizer has 4096 tokens, but the model only 4000");
}

/// More tokens than the tokenizer has are never drawn; the baseline generates too, without steps.
#[test]
fn larger_vocabularies_and_the_baseline_generate() {
    let large = ebt_core::config::Config { vocab: 5000, ..support::config() };
    for (model, steps) in
        [(support::packed(&large, Some(support::TOKENIZER), Storage::Bf16), 3), (support::baseline(), 0)]
    {
        let options = Options::default();
        let mut memory = memory(&model, &options);
        let mut generator = Generator::new(&model, &options, bytemuck::cast_slice_mut(&mut memory)).unwrap();
        for seed in 0..20 {
            generator.reset();
            let settings =
                Settings { think: DescentOptions { seed, ..DescentOptions::default() }, ..Settings::default() };
            if let Some(token) = generator.next(&settings, &mut go).unwrap() {
                assert!(token.id < 4096);
                assert_eq!(token.certificate.steps, steps);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever is done to the bytes of a model, opening it never panics, and a changed model is refused.
    #[test]
    fn changed_models_are_refused(at in any::<prop::sample::Index>(), bits in 1u8..) {
        let mut model = support::model();
        let at = at.index(model.len());
        model[at] ^= bits;
        prop_assert!(Generator::bytes_needed(&model, &Options::default()).is_err());
    }
}
