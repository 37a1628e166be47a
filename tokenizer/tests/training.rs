//! Training is repeatable and refuses what it cannot do.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use ebt_tokenizer::{Special, Tokenizer, TokenizerError, TrainOptions, TrainProgress};

const TEXT: [&str; 4] = [
    "Ankara'nın başkent oluşu, Ankara'nın tarihi açısından önemlidir.",
    "Evlerimizdeki kitaplar, evlerimizdeki defterler ve evlerimizdeki kalemler.",
    "<s> <s> <s> <pad><pad><pad> </s></s> <mask><mask>",
    "1923 yılında\n\nCumhuriyet ilan edildi; 1923 yılında.",
];

fn texts() -> impl Iterator<Item = String> + Send {
    (0..50).flat_map(|_| TEXT.map(String::from))
}

fn options(vocabulary_size: usize) -> TrainOptions {
    TrainOptions { vocabulary_size, ..TrainOptions::default() }
}

#[test]
fn training_twice_gives_the_same_tokenizer() {
    let first = Tokenizer::train(texts(), options(340)).unwrap();
    let mut reversed: Vec<String> = texts().collect();
    reversed.reverse();
    let second = Tokenizer::train(reversed.into_iter(), options(340)).unwrap();
    assert_eq!(first.to_json().unwrap(), second.to_json().unwrap());
    assert_eq!(first.fingerprint(), second.fingerprint());
    assert_eq!(first.vocabulary_size(), 340);
    let other = Tokenizer::train(texts(), options(341)).unwrap();
    assert_ne!(first.fingerprint(), other.fingerprint());
}

#[test]
fn text_that_spells_special_tokens_never_becomes_one() {
    let trained = Tokenizer::train(texts(), options(600)).unwrap();
    for text in TEXT {
        let ids = trained.encode(text).unwrap();
        assert_eq!(trained.decode(&ids).unwrap(), text);
        for special in Special::ALL {
            assert!(!ids.contains(&trained.special(special).unwrap()));
        }
    }
}

#[test]
fn saving_and_loading_changes_nothing() {
    let trained = Tokenizer::train(texts(), options(400)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    std::fs::write(&path, trained.to_json().unwrap()).unwrap();
    let loaded = Tokenizer::from_file(&path).unwrap();
    assert_eq!(loaded.to_json().unwrap(), trained.to_json().unwrap());
    assert_eq!(loaded.fingerprint(), trained.fingerprint());
    assert_eq!(loaded.encode(TEXT[0]).unwrap(), trained.encode(TEXT[0]).unwrap());
}

#[test]
fn the_smallest_vocabulary_holds_the_bytes_and_the_special_tokens() {
    let trained = Tokenizer::train(texts(), options(263)).unwrap();
    assert_eq!(trained.vocabulary_size(), 263);
    assert_eq!(trained.encode("şu").unwrap().len(), 3);
}

#[test]
fn too_little_text_gives_a_smaller_vocabulary() {
    let trained = Tokenizer::train(["aa aa".to_owned()].into_iter(), options(4096)).unwrap();
    assert!((264..300).contains(&trained.vocabulary_size()));
}

#[test]
fn sizes_out_of_range_are_refused() {
    for size in [0, 1, 262, (1 << 20) + 1, usize::MAX] {
        let error = Tokenizer::train(texts(), options(size)).unwrap_err();
        assert!(matches!(error, TokenizerError::VocabularySize { asked, .. } if asked == size));
        assert!(error.to_string().contains("263"));
    }
}

#[test]
fn empty_text_is_refused() {
    let nothing = Tokenizer::train(std::iter::empty(), options(300)).unwrap_err();
    assert!(matches!(nothing, TokenizerError::EmptyText));
    let blank = Tokenizer::train(vec![String::new(); 3].into_iter(), options(300)).unwrap_err();
    assert!(matches!(blank, TokenizerError::EmptyText));
}

#[test]
fn progress_counts_all_texts_and_then_the_words() {
    let reports = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&reports);
    let options =
        TrainOptions { progress: Some(Arc::new(move |report| sink.lock().unwrap().push(report))), ..options(300) };
    Tokenizer::train(texts(), options).unwrap();
    let reports = reports.lock().unwrap();
    let bytes: usize = texts().map(|text| text.len()).sum();
    let last_read = TrainProgress::Reading { texts: 200, bytes: bytes as u64 };
    assert_eq!(reports.len(), 201);
    assert!(reports.contains(&last_read));
    assert!(matches!(reports.last(), Some(TrainProgress::Merging { words }) if *words > 20));
}
