//! Encoding and decoding lose nothing.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::LazyLock;

use ebt_tokenizer::{Special, StreamDecoder, Tokenizer, TokenizerError};
use proptest::prelude::*;

static SHIPPED: LazyLock<Tokenizer> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/tokenizer.json");
    Tokenizer::from_file(&path).unwrap()
});

fn streamed(ids: &[u32]) -> String {
    let mut decoder = StreamDecoder::new(&SHIPPED);
    let mut text = String::new();
    for &id in ids {
        text.push_str(decoder.push(id).unwrap());
    }
    text + decoder.finish()
}

/// Pieces that tokenizers are known to trip over.
fn awkward_text() -> impl Strategy<Value = String> {
    let specials = Special::ALL.map(|special| Just(special.text().to_owned()));
    let piece = prop_oneof![
        3 => any::<String>(),
        2 => proptest::sample::select(specials.to_vec()).prop_flat_map(|text| text),
        3 => "[ \t\r\n\u{a0}\u{2003}\u{feff}\u{200d}]{1,6}",
        3 => "['’]?[a-zçğıöşüİâîû]{1,8}[.,;:!?]?",
        1 => "[0-9]{1,12}",
        1 => "[\u{300}-\u{36f}]{1,4}",
        1 => "[\u{1f300}-\u{1faff}]{1,3}",
        1 => "[\u{0}-\u{1f}\u{80}-\u{9f}Ġċ\u{fffd}]{1,4}",
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_text_survives(text in awkward_text()) {
        let ids = SHIPPED.encode(&text).unwrap();
        prop_assert_eq!(SHIPPED.decode(&ids).unwrap(), text.as_str());
        prop_assert_eq!(streamed(&ids), text);
        for special in Special::ALL {
            prop_assert!(!ids.contains(&SHIPPED.special(special).unwrap()));
        }
    }

    #[test]
    fn any_ids_stream_to_what_they_decode_to(ids in prop::collection::vec(0..4096_u32, 0..40)) {
        prop_assert_eq!(streamed(&ids), SHIPPED.decode(&ids).unwrap());
    }

    #[test]
    fn bytes_in_any_order_stream_to_what_they_decode_to(
        bytes in prop::collection::vec(any::<u8>(), 0..40)
    ) {
        let single = |byte: u8| (0..4096).find(|&id| SHIPPED.token_bytes(id) == Some(&[byte]));
        let ids: Vec<u32> = bytes.iter().map(|&byte| single(byte).unwrap()).collect();
        prop_assert_eq!(SHIPPED.decode_bytes(&ids).unwrap(), bytes.as_slice());
        prop_assert_eq!(streamed(&ids), String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn every_character_survives() {
    let all: Vec<char> = ('\0'..=char::MAX).collect();
    let texts: Vec<String> = all.chunks(4096).map(|part| part.iter().collect()).collect();
    let batch = SHIPPED.encode_batch(&texts).unwrap();
    for (text, ids) in texts.iter().zip(&batch) {
        assert_eq!(&SHIPPED.decode(ids).unwrap(), text);
    }
    assert_eq!(batch[7], SHIPPED.encode(&texts[7]).unwrap());
}

#[test]
fn long_runs_survive() {
    for run in [" ", "a", "\n", "ş", "<s>", "' ", "1", "\u{301}"] {
        let text = run.repeat(300_000);
        assert_eq!(SHIPPED.decode(&SHIPPED.encode(&text).unwrap()).unwrap(), text);
    }
}

#[test]
fn nothing_encodes_to_nothing() {
    assert!(SHIPPED.encode("").unwrap().is_empty());
    assert_eq!(SHIPPED.decode(&[]).unwrap(), "");
    assert!(SHIPPED.encode_batch::<&str>(&[]).unwrap().is_empty());
}

#[test]
fn the_stream_never_returns_half_a_character() {
    let single = |byte: u8| (0..4096).find(|&id| SHIPPED.token_bytes(id) == Some(&[byte]));
    let mut decoder = StreamDecoder::new(&SHIPPED);
    let returned: Vec<String> =
        ("a😀ş".bytes()).map(|byte| decoder.push(single(byte).unwrap()).unwrap().to_owned()).collect();
    assert_eq!(returned, ["a", "", "", "", "😀", "", "ş"]);
    assert_eq!(decoder.finish(), "");

    let mut decoder = StreamDecoder::new(&SHIPPED);
    assert_eq!(decoder.push(single(0xC5).unwrap()).unwrap(), "");
    assert_eq!(decoder.finish(), "\u{FFFD}");
}

#[test]
fn an_id_out_of_range_is_named_with_the_vocabulary_size() {
    let error = SHIPPED.decode(&[5, 4096]).unwrap_err();
    assert!(matches!(error, TokenizerError::IdOutOfRange { id: 4096, vocabulary_size: 4096 }));
    let text = error.to_string();
    assert!(text.contains("token id 4096") && text.contains("4096 tokens"), "{text}");
    assert_eq!(SHIPPED.token_bytes(u32::MAX), None);

    let mut decoder = StreamDecoder::new(&SHIPPED);
    assert!(decoder.push(u32::MAX).is_err());
    assert_eq!(decoder.finish(), "");
}

#[test]
fn special_tokens_have_ids_and_no_text() {
    for (id, special) in (0..).zip(Special::ALL) {
        assert_eq!(SHIPPED.special(special), Some(id));
        assert_eq!(SHIPPED.token_bytes(id), Some([].as_slice()));
    }
    assert_eq!(SHIPPED.decode(&[0, 1, 2]).unwrap(), "");
}

#[test]
fn the_shipped_vocabulary_fits_turkish() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/turkish/validation");
    let (mut bytes, mut tokens) = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let ids = SHIPPED.encode(&text).unwrap();
        assert_eq!(SHIPPED.decode(&ids).unwrap(), text);
        bytes += text.len();
        tokens += ids.len();
    }
    println!("{bytes} bytes, {tokens} tokens");
    assert!(bytes > 3 * tokens, "{bytes} bytes took {tokens} tokens");
}
