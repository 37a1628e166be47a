//! Two runtimes, one result: the compact runtime encodes what the library encodes.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use ebt_tokenizer::compact::{Algorithm, CompactError, CompactTokenizer, Segmentation};
use ebt_tokenizer::{Kind, Library, Special, Tokenizer, TrainOptions};
use proptest::prelude::*;

/// A tokenizer in both runtimes.
struct Pair {
    tokenizer: Tokenizer,
    library: Library,
}

impl Pair {
    fn of(tokenizer: Tokenizer) -> Self {
        let library = Library::from_json(tokenizer.to_json().as_bytes()).unwrap();
        Self { tokenizer, library }
    }

    /// Both runtimes agree on ids, on the source of each token, and give the text back.
    fn check(&self, text: &str) {
        let tokens = self.library.encode(text).unwrap();
        let expected: Vec<u32> = tokens.iter().map(|token| token.id).collect();
        let compact = CompactTokenizer::from_bytes(self.tokenizer.to_compact().unwrap()).unwrap();
        let mut ids = vec![u32::MAX; compact.places(text)];
        let count = compact.encode(text, &mut ids).unwrap();
        assert_eq!(&ids[..count], expected, "{text:?}");
        assert_eq!(self.tokenizer.encode(text).unwrap(), expected);
        assert!(count <= text.len());
        let mut bytes = vec![0; text.len()];
        assert_eq!(compact.decode(&ids[..count], &mut bytes), Ok(text.len()));
        assert_eq!(bytes, text.as_bytes());
        assert_eq!(self.library.decode(&expected).unwrap(), text);
        // the library widens a source that ends inside a character to the whole character
        let inside = |at: usize| text.is_char_boundary(at);
        for (source, token) in self.tokenizer.offsets(&expected).unwrap().into_iter().zip(tokens) {
            if inside(source.start) && inside(source.end) {
                assert_eq!(source, token.source, "{text:?}");
            }
        }
    }
}

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name)
}

fn texts(folder: &str) -> Vec<String> {
    let mut paths: Vec<_> = fs::read_dir(fixture(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// All kinds, learned from a part of the sample text, and the shipped tokenizer.
static PAIRS: LazyLock<Vec<Pair>> = LazyLock::new(|| {
    let texts: Vec<String> =
        texts("turkish/validation").iter().flat_map(|text| text.split("\n\n")).map(String::from).collect();
    let train = |kind| {
        let options = TrainOptions { kind, vocabulary_size: 1500, ..TrainOptions::default() };
        Pair::of(Tokenizer::train(texts.iter().cloned(), options).unwrap())
    };
    let shipped = Pair::of(Tokenizer::from_file(&fixture("tokenizer.json")).unwrap());
    vec![shipped, train(Kind::Bpe), train(Kind::Unigram), train(Kind::Turkish)]
});

/// Text that tokenizers are known to trip over.
fn awkward_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => any::<String>(),
        1 => prop::sample::select(&["İSTANBUL'DA", "ﬁ", "e\u{301}", "ı̇", "👩‍👩‍👧", "c\u{327}", "\r\n", "3'üncü"][..]).prop_map(String::from),
        3 => "[ \t\r\n\u{a0}\u{2003}\u{85}\u{2028}\u{feff}\u{200d}]{1,6}",
        4 => " ?['’]?[a-zçğıöşüİIŞâîû]{1,12}[.,;:!?]?",
        1 => "[0-9٣½²]{1,12}",
        1 => "[\u{300}-\u{36f}]{1,4}",
        1 => "[\u{1f300}-\u{1faff}]{1,3}",
        1 => "[\u{0}-\u{1f}\u{80}-\u{9f}Ġċ\u{fffd}]{1,4}",
        1 => "https?://[a-z]{1,8}\\.[a-z]{2,3}/[a-zA-Z0-9?=&_%-]{0,12}",
        1 => "(fn|let|\\{|\\}|::|==|_)[ (){};]{0,3}",
    ];
    // the library splits special tokens off only when told to: both are told not to, but their decoders leave them out
    prop::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_encoded_alike_and_comes_back(text in awkward_text(), which in 0..4_usize) {
        PAIRS[which].check(&text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Tokens before the last safe border stay, whatever follows.
    #[test]
    fn finished_text_is_encoded_alike_whatever_follows(text in awkward_text(), more in awkward_text(), which in 0..4_usize) {
        let tokenizer = PAIRS[which].tokenizer.compact().unwrap();
        let encode = |text: &str| {
            let mut ids = vec![0; tokenizer.places(text)];
            let count = tokenizer.encode(text, &mut ids).unwrap();
            ids.truncate(count);
            ids
        };
        let all = format!("{text}{more}");
        let (front, rest) = all.split_at(tokenizer.finished(&text));
        prop_assert_eq!([encode(front), encode(rest)].concat(), encode(&all), "{:?} {:?}", front, rest);
    }

    #[test]
    fn white_space_of_two_segments_is_finished_together(
        spaces in "[ \u{2028}\u{a0}\n]{0,4}", word in "[ab!1]?", more in "[ \u{2028}a]{0,2}", which in 0..4_usize,
    ) {
        let tokenizer = PAIRS[which].tokenizer.compact().unwrap();
        let segments = |text: &str| PAIRS[which].tokenizer.encode(text).unwrap();
        let text = format!("{spaces}{word}");
        let all = format!("{text}{more}");
        let (front, rest) = all.split_at(tokenizer.finished(&text));
        prop_assert_eq!([segments(front), segments(rest)].concat(), segments(&all), "{:?} {:?}", front, rest);
    }

    #[test]
    fn long_words_are_encoded_alike(text in "[a-eş]{60,400}( [a-c]{60,70}){0,2}", which in 0..4_usize) {
        PAIRS[which].check(&text);
    }

    #[test]
    fn any_ids_stream_to_what_they_decode_to(
        ids in prop::collection::vec(prop_oneof![2 => 0..300_u32, 1 => 0..1500_u32], 0..40),
        which in 0..4_usize,
    ) {
        let pair = &PAIRS[which];
        let size = pair.tokenizer.vocabulary_size() as u32;
        let ids: Vec<u32> = ids.into_iter().map(|id| id % size).collect();
        let mut stream = pair.tokenizer.compact().unwrap().stream();
        let mut text = String::new();
        for &id in &ids {
            let before = text.len();
            text.extend(stream.push(id).unwrap().pieces());
            prop_assert!(text.is_char_boundary(before));
        }
        text.push_str(stream.finish());
        prop_assert_eq!(text, pair.tokenizer.decode(&ids).unwrap());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(CompactTokenizer::from_bytes(&bytes).is_err());
        let bytes = [&ebt_tokenizer::compact::MAGIC[..], &bytes].concat();
        prop_assert!(CompactTokenizer::from_bytes(&bytes).is_err());
    }
}

#[test]
fn the_corpora_are_encoded_alike_and_come_back() {
    for text in texts("turkish/validation").iter().chain(&texts("turkish/train")[..4]) {
        for pair in PAIRS.iter() {
            for document in text.split("\n\n") {
                pair.check(document);
            }
        }
    }
}

#[test]
fn whole_files_and_single_characters_are_encoded_alike() {
    let all: Vec<char> = ('\0'..='\u{2FFF}').chain('\u{1F000}'..='\u{1FAFF}').collect();
    for pair in PAIRS.iter() {
        pair.check(&texts("turkish/validation")[0]);
        for part in all.chunks(512) {
            pair.check(&part.iter().collect::<String>());
            pair.check(&part.iter().flat_map(|&c| ['a', c, ' ']).collect::<String>());
        }
    }
}

#[test]
fn a_word_of_a_million_letters_ends_soon() {
    for pair in PAIRS.iter() {
        for unit in ["a", "ağaç", "'", " ", "\n"] {
            let text = unit.repeat(300_000);
            let ids = pair.tokenizer.encode(&text).unwrap();
            assert_eq!(pair.tokenizer.decode(&ids).unwrap(), text);
        }
    }
}

#[test]
fn damage_is_refused() {
    for pair in PAIRS.iter() {
        let whole = pair.tokenizer.to_compact().unwrap();
        for length in (0..whole.len()).step_by(whole.len() / 97) {
            assert!(CompactTokenizer::from_bytes(&whole[..length]).is_err(), "{length}");
        }
        let mut damaged = whole.to_vec();
        for at in (0..whole.len()).step_by(whole.len() / 211) {
            damaged[at] ^= 1 << (at % 8);
            assert!(CompactTokenizer::from_bytes(&damaged).is_err(), "{at}");
            assert!(Tokenizer::from_compact(&damaged).is_err());
            damaged[at] = whole[at];
        }
        damaged.push(0);
        assert!(matches!(CompactTokenizer::from_bytes(&damaged), Err(CompactError::Length { .. })));
        assert!(matches!(CompactTokenizer::from_bytes(b"{}"), Err(CompactError::NotCompact)));
        let mut newer = whole.to_vec();
        newer[7] += 1;
        assert_eq!(CompactTokenizer::from_bytes(&newer).unwrap_err(), CompactError::Version { found: 2 });
        let message = Tokenizer::from_bytes(&newer).unwrap_err().to_string();
        assert!(message.contains("version 2") && message.contains("version 1"), "{message}");
    }
}

/// A forged file has a right checksum: nothing may panic, whatever its tables say.
#[test]
fn forgeries_never_panic() {
    for pair in PAIRS.iter() {
        let whole = pair.tokenizer.to_compact().unwrap();
        let body = whole.len() - 4;
        for at in (8..body).step_by(body / 499) {
            let mut forged = whole[..body].to_vec();
            forged[at] ^= 0x55;
            forged.extend_from_slice(&crc32fast::hash(&forged).to_le_bytes());
            if let Ok(tokenizer) = CompactTokenizer::from_bytes(&forged) {
                let text = "Türkiye'nin 1923'teki başkenti\n\nAnkara <s>";
                let mut ids = vec![0; tokenizer.places(text)];
                if let Ok(count) = tokenizer.encode(text, &mut ids) {
                    let mut bytes = vec![0; 4096];
                    let _ = tokenizer.decode(&ids[..count], &mut bytes);
                }
            }
        }
    }
}

#[test]
fn the_output_says_how_much_room_it_needs() {
    for pair in PAIRS.iter() {
        let compact = pair.tokenizer.compact().unwrap();
        let text = "Ankara'da yaşıyorum.\nEvlerimizden";
        let Err(CompactError::OutputTooSmall { needed }) = compact.encode(text, &mut []) else { panic!() };
        assert!(needed <= text.len());
        let mut ids = vec![0; needed];
        let count = compact.encode(text, &mut ids).unwrap();
        let mut bytes = [0; 3];
        let too_small = compact.decode(&ids[..count], &mut bytes);
        assert_eq!(too_small, Err(CompactError::OutputTooSmall { needed: text.len() }));
        let error = compact.decode(&[u32::MAX], &mut bytes).unwrap_err();
        assert!(error.to_string().contains("4294967295"), "{error}");
    }
}

#[test]
fn what_a_tokenizer_is_can_be_read_from_its_compact_form() {
    let expected = [
        (Algorithm::Merges, Segmentation::Words),
        (Algorithm::Lattice, Segmentation::Lines),
        (Algorithm::Lattice, Segmentation::Lines),
    ];
    for (pair, expected) in PAIRS[1..].iter().zip(expected) {
        let compact = pair.tokenizer.compact().unwrap();
        assert_eq!((compact.algorithm(), compact.segmentation()), expected);
        assert_eq!(compact.fingerprint(), pair.tokenizer.fingerprint());
        assert_eq!(compact.vocabulary_size() as usize, pair.tokenizer.vocabulary_size());
        for special in Special::ALL {
            assert_eq!(compact.special(special), pair.tokenizer.special(special));
            assert_eq!(compact.token_bytes(compact.special(special).unwrap()), Some(&[][..]));
        }
    }
}
