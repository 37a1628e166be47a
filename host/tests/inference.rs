//! Evaluation through the library.
#![allow(clippy::unwrap_used)]

mod support;

use ebt_core::layer::Model;
use ebt_cpu::Cpu;
use ebt_model::LoadedModel;
use ebt_train::evaluate::{EvaluateOptions, Evaluation, evaluate};
use ebt_train::windows::Limits;
use support::configs;

fn documents() -> Vec<(String, Vec<String>)> {
    let long = "Ankara'nın başkent oluşu ve İstanbul'un ilçeleri, köyleri ".repeat(3);
    vec![
        ("a".into(), vec!["Kısa.".into(), long, "ö".into()]),
        ("b".into(), vec!["Üç beş kişi geldi; hepsi gitti.".into()]),
        ("boş".into(), vec![]),
    ]
}

fn run(loaded: &LoadedModel, options: &EvaluateOptions) -> Evaluation {
    let b = Cpu::<f64>::new(2);
    let weights = loaded.upload(&b).unwrap();
    let model = Model { config: &loaded.config, layout: &loaded.layout, weights: &weights };
    evaluate(&b, model, &loaded.objective, loaded.tokenizer().unwrap(), &documents(), options).unwrap()
}

#[test]
fn every_byte_counts_once_and_the_batch_does_not_matter() {
    for config in configs() {
        let loaded = support::model(&config, false);
        let one = run(&loaded, &EvaluateOptions { batch: 1, steps: 4, ..EvaluateOptions::default() });
        let text: usize = documents().iter().flat_map(|(_, d)| d).map(String::len).sum();
        assert_eq!(one.total.bytes, text);
        assert_eq!(one.sources.len(), 2, "sources without text are left out");
        let energy_based = loaded.layout.energy.is_some();
        assert_eq!(one.steps, if energy_based { 4 } else { 1 });
        assert!(one.total.nats.iter().all(|x| x.is_finite() && *x > 0.0));
        let other = run(&loaded, &EvaluateOptions { batch: 5, steps: 4, ..EvaluateOptions::default() });
        for (a, b) in one.total.nats.iter().zip(&other.total.nats) {
            assert!((a - b).abs() < 1e-9 * a.abs(), "{a} {b}");
        }
        let expected = (one.total.nats[0] / one.total.tokens as f64).exp();
        assert_eq!(one.total.perplexity(0), expected);
    }
}

#[test]
fn more_thinking_does_not_change_the_first_steps() {
    let loaded = support::model(&configs()[0], false);
    let three = run(&loaded, &EvaluateOptions::default());
    let six = run(&loaded, &EvaluateOptions { steps: 6, ..EvaluateOptions::default() });
    assert_eq!((three.steps, six.steps), (3, 6));
    assert_eq!(three.total.nats[..], six.total.nats[..3]);
    let limited = run(
        &loaded,
        &EvaluateOptions { limits: Limits { tokens: Some(4), bytes: None }, ..EvaluateOptions::default() },
    );
    assert!(limited.total.tokens < three.total.tokens);
}

#[test]
fn a_uniform_model_has_the_perplexity_of_its_vocabulary() {
    let mut loaded = support::model(&configs()[3], false);
    let output = loaded.layout.vocabulary;
    loaded.weights[output].fill(0.0);
    let result = run(&loaded, &EvaluateOptions::default());
    assert!((result.total.perplexity(0) - 300.0).abs() < 1e-9);
    let bits = (300.0f64).log2() * result.total.tokens as f64 / result.total.bytes as f64;
    assert!((result.total.bits_per_byte(0) - bits).abs() < 1e-12);
}

#[test]
fn how_errors_are_told_changes_no_losses_and_counts_every_token() {
    for config in configs() {
        let loaded = support::model(&config, false);
        let plain = run(&loaded, &EvaluateOptions::default());
        let told = run(&loaded, &EvaluateOptions { confidence: true, batch: 3, ..EvaluateOptions::default() });
        assert!(plain.confidence.is_none());
        assert_eq!((&told.total.nats.len(), told.steps), (&plain.total.nats.len(), plain.steps));
        for (a, b) in told.total.nats.iter().zip(&plain.total.nats) {
            assert!((a - b).abs() < 1e-9 * a.abs(), "{a} {b}");
        }
        let found = told.confidence.unwrap();
        assert_eq!(found.tokens, plain.total.tokens);
        assert_eq!(found.scores.len(), if loaded.layout.energy.is_some() { 5 } else { 2 });
        assert_eq!(found.ranked.is_some(), loaded.layout.energy.is_some());
        if let Some(ranked) = &found.ranked {
            let ([tokens, among], [p, r, _]) = (ranked.positions, ranked.nats);
            assert!(tokens == found.tokens && among <= tokens && among >= found.tokens - found.wrong);
            assert!(ranked.place.iter().all(|place| (1.0..=16.0).contains(place)), "{ranked:?}");
            assert!(p > 0.0 && r.is_finite());
        }
        for score in &found.scores {
            assert_eq!(score.wrong[3], found.wrong as f64 / found.tokens as f64, "{}", score.score);
            assert!(score.area.is_none_or(|area| (0.0..=1.0).contains(&area)));
        }
    }
}
