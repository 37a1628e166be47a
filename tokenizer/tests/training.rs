//! Training is repeatable and refuses what it cannot do.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use ebt_tokenizer::{Kind, Special, Tokenizer, TokenizerError, TrainOptions, TrainProgress};

const TEXT: [&str; 4] = [
    "Ankara'nın başkent oluşu, Ankara'nın tarihi açısından önemlidir.",
    "Evlerimizdeki kitaplar, evlerimizdeki defterler ve evlerimizdeki kalemler.",
    "<s> <s> <s> <pad><pad><pad> </s></s> <mask><mask>",
    "1923 yılında\n\nCumhuriyet ilan edildi; 1923 yılında.",
];

fn texts() -> impl Iterator<Item = String> + Send {
    (0..50).flat_map(|_| TEXT.map(String::from))
}

const KINDS: [Kind; 3] = [Kind::Bpe, Kind::Unigram, Kind::Turkish];

fn options(kind: Kind, vocabulary_size: usize) -> TrainOptions {
    TrainOptions { kind, vocabulary_size, ..TrainOptions::default() }
}

#[test]
fn training_twice_gives_the_same_tokenizer() {
    for kind in KINDS {
        let first = Tokenizer::train(texts(), options(kind, 340)).unwrap();
        let mut reversed: Vec<String> = texts().collect();
        reversed.reverse();
        let second = Tokenizer::train(reversed.into_iter(), options(kind, 340)).unwrap();
        assert_eq!(first.to_json(), second.to_json(), "{kind:?}");
        assert_eq!(first.fingerprint(), second.fingerprint());
        assert!(first.vocabulary_size() <= 340);
        let other = Tokenizer::train(texts(), options(kind, 300)).unwrap();
        assert_ne!(first.fingerprint(), other.fingerprint());
    }
}

#[test]
fn text_that_spells_special_tokens_never_becomes_one() {
    for kind in KINDS {
        let trained = Tokenizer::train(texts(), options(kind, 600)).unwrap();
        for text in TEXT {
            let ids = trained.encode(text).unwrap();
            assert_eq!(trained.decode(&ids).unwrap(), text);
            for special in Special::ALL {
                assert!(!ids.contains(&trained.special(special).unwrap()));
            }
        }
    }
}

#[test]
fn saving_and_loading_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for kind in KINDS {
        let trained = Tokenizer::train(texts(), options(kind, 400)).unwrap();
        let (json, compact) = (folder.path().join("tokenizer.json"), folder.path().join("tokenizer.bin"));
        std::fs::write(&json, trained.to_json()).unwrap();
        std::fs::write(&compact, trained.to_compact().unwrap()).unwrap();
        for path in [json, compact] {
            let loaded = Tokenizer::from_file(&path).unwrap();
            assert_eq!(loaded.to_json(), trained.to_json());
            assert_eq!(loaded.to_compact().unwrap(), trained.to_compact().unwrap());
            assert_eq!(loaded.fingerprint(), trained.fingerprint());
            assert_eq!(loaded.encode(TEXT[0]).unwrap(), trained.encode(TEXT[0]).unwrap());
        }
    }
}

#[test]
fn the_smallest_vocabulary_holds_the_bytes_and_the_special_tokens() {
    for kind in KINDS {
        let trained = Tokenizer::train(texts(), options(kind, 263)).unwrap();
        assert_eq!(trained.vocabulary_size(), 263, "{kind:?}");
        assert_eq!(trained.encode("şu").unwrap().len(), 3);
    }
}

#[test]
fn too_little_text_gives_a_smaller_vocabulary() {
    for kind in KINDS {
        let trained = Tokenizer::train(["aa aa".to_owned()].into_iter(), options(kind, 4096)).unwrap();
        assert!((263..300).contains(&trained.vocabulary_size()), "{kind:?}: {}", trained.vocabulary_size());
        assert_eq!(trained.decode(&trained.encode("aa aa").unwrap()).unwrap(), "aa aa");
    }
}

#[test]
fn phrases_are_learned_only_where_asked_for() {
    let words = |tokenizer: &Tokenizer| -> usize {
        let bytes = (0..tokenizer.vocabulary_size() as u32).filter_map(|id| tokenizer.token_bytes(id));
        bytes.filter(|bytes| bytes.trim_ascii().contains(&b' ')).count()
    };
    let with = TrainOptions { phrase_words: 4, ..options(Kind::Turkish, 400) };
    assert!(words(&Tokenizer::train(texts(), with).unwrap()) > 0);
    let without = TrainOptions { phrase_words: 1, ..options(Kind::Turkish, 400) };
    assert_eq!(words(&Tokenizer::train(texts(), without).unwrap()), 0);
    assert_eq!(words(&Tokenizer::train(texts(), options(Kind::Bpe, 400)).unwrap()), 0);
}

#[test]
fn a_suffix_behind_an_apostrophe_is_a_token_and_numbers_have_two_digits() {
    let texts = (0..300).map(|i| format!("Ankara'da TBMM\u{2019}nin {}'te Ankara'da, {}. madde", 1900 + i, i * 37));
    let trained = Tokenizer::train(texts, options(Kind::Turkish, 500)).unwrap();
    let known: Vec<&[u8]> = (0..500).filter_map(|id| trained.token_bytes(id)).collect();
    for unit in ["'da", "\u{2019}nin", "'te"] {
        assert!(known.contains(&unit.as_bytes()), "{unit}");
    }
    let digits = |bytes: &&[u8]| bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    assert!(known.iter().map(digits).all(|n| n <= 2));
    // no token holds an apostrophe and letters before it
    let inner = |bytes: &&[u8]| String::from_utf8_lossy(bytes).trim().chars().skip(1).any(|c| "'\u{2019}".contains(c));
    assert!(!known.iter().any(|bytes| bytes.len() > 3 && inner(bytes)));
}

#[test]
fn of_much_text_a_part_is_taken_that_does_not_depend_on_its_order() {
    let many: Vec<String> = (0..400).map(|i| format!("{} evler kitaplar {i} yollar", i * i % 91)).collect();
    let few = TrainOptions { sample_bytes: 3000, ..options(Kind::Turkish, 330) };
    let first = Tokenizer::train(many.iter().cloned(), few.clone()).unwrap();
    let second = Tokenizer::train(many.iter().rev().cloned(), few).unwrap();
    assert_eq!(first.to_json(), second.to_json());
    let all = Tokenizer::train(many.into_iter(), options(Kind::Turkish, 330)).unwrap();
    assert_ne!(first.to_json(), all.to_json());
}

#[test]
fn sizes_out_of_range_are_refused() {
    for size in [0, 1, 262, (1 << 20) + 1, usize::MAX] {
        let error = Tokenizer::train(texts(), options(Kind::Turkish, size)).unwrap_err();
        assert!(matches!(error, TokenizerError::VocabularySize { asked, .. } if asked == size));
        assert!(error.to_string().contains("263"));
    }
}

#[test]
fn empty_text_is_refused() {
    for kind in KINDS {
        let nothing = Tokenizer::train(std::iter::empty(), options(kind, 300)).unwrap_err();
        assert!(matches!(nothing, TokenizerError::EmptyText));
        let blank = Tokenizer::train(vec![String::new(); 3].into_iter(), options(kind, 300)).unwrap_err();
        assert!(matches!(blank, TokenizerError::EmptyText));
    }
}

#[test]
fn progress_counts_all_texts_and_then_the_steps() {
    for kind in KINDS {
        let reports = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&reports);
        let progress = Some(Arc::new(move |report| sink.lock().unwrap().push(report)) as _);
        Tokenizer::train(texts(), TrainOptions { progress, ..options(kind, 300) }).unwrap();
        let reports = reports.lock().unwrap();
        let bytes: usize = texts().map(|text| text.len()).sum();
        let last_read = TrainProgress::Reading { texts: 200, bytes: bytes as u64 };
        assert_eq!(reports[199], last_read);
        assert!(reports[200..].iter().all(|report| matches!(report, TrainProgress::Learning { .. })));
        assert!(reports.len() > 200);
    }
}
