//! Tokenizers in both forms, and lines of token ids.

use std::io::Cursor;
use std::sync::OnceLock;

use ebt_host::tokenization::lines;
use ebt_tokenizer::Tokenizer;
use ebt_tokenizer::compact::CompactTokenizer;

use super::{file, fixtures, pinned, seal};

/// Text of many kinds.
const TEXT: &str = "Ankara'nın  başkent\toluşu: 1923; IŞIK ışık İi\r\n<s> </s> a\u{301}é 😀\u{0} ";

pub fn json_seeds() -> Vec<Vec<u8>> {
    let library = br###"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[{"id":0,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],"normalizer":null,"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},"post_processor":null,"decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},"model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,"end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false,"vocab":{"<s>":0,"a":1,"b":2,"ab":3},"merges":["a b"]}}"###;
    vec![pinned("data-1/tokenizer.json"), library.to_vec()]
}

/// A `tokenizer.json`.
pub fn json(bytes: &[u8]) {
    load(bytes, "input.json");
}

pub fn compact_seeds() -> Vec<Vec<u8>> {
    vec![pinned("tokenizer-1.bin")]
}

/// A compact tokenizer, read in place and loaded.
pub fn compact(bytes: &[u8]) {
    let bytes = seal::last_crc(bytes);
    if let Ok(tokenizer) = CompactTokenizer::from_bytes(&bytes) {
        let mut ids = vec![0; tokenizer.places(TEXT)];
        let count = tokenizer.encode(TEXT, &mut ids).unwrap();
        let mut text = vec![0; tokenizer.decoded_length(&ids[..count]).unwrap()];
        tokenizer.decode(&ids[..count], &mut text).unwrap();
        assert_eq!(text, TEXT.as_bytes());
        let mut stream = tokenizer.stream();
        assert!((0..tokenizer.vocabulary_size()).all(|id| stream.push(id).is_ok()));
    }
    load(&bytes, "input.bin");
}

/// Loads a file; what is accepted loses nothing of a text, and is the same tokenizer in both forms.
fn load(bytes: &[u8], name: &str) {
    let tokenizer = match Tokenizer::from_file(&file(name, bytes)) {
        Ok(tokenizer) => tokenizer,
        Err(error) => return super::refused(&error.into(), name),
    };
    let ids = tokenizer.encode(TEXT).unwrap();
    assert_eq!(tokenizer.decode(&ids).unwrap(), TEXT);
    let again = Tokenizer::from_json(tokenizer.to_json().as_bytes()).unwrap();
    assert_eq!((again.fingerprint(), again.encode(TEXT).unwrap()), (tokenizer.fingerprint(), ids.clone()));
    if let Ok(compact) = tokenizer.to_compact() {
        let again = Tokenizer::from_compact(compact).unwrap();
        assert_eq!((again.fingerprint(), again.encode(TEXT).unwrap()), (tokenizer.fingerprint(), ids));
    }
}

pub fn ids_seeds() -> Vec<Vec<u8>> {
    vec![b"1 2 3\n\n 77\t279 \r\n5".to_vec(), b"280\n".to_vec(), b"-1 x 99999999999999999999\n".to_vec()]
}

/// Lines of token ids, as `tokenizer decode` reads them. What is decoded encodes to text of the same bytes.
pub fn ids(bytes: &[u8]) {
    static TOKENIZER: OnceLock<Tokenizer> = OnceLock::new();
    let load = || Tokenizer::from_file(&fixtures("formats/data-1/tokenizer.json")).unwrap();
    let tokenizer = TOKENIZER.get_or_init(load);
    let mut decoded = Vec::new();
    match lines::decode(tokenizer, Cursor::new(bytes.to_vec()), &mut decoded) {
        Err(error) => super::refused(&error, "standard input, line"),
        Ok(()) if std::str::from_utf8(&decoded).is_ok() => {
            let (mut encoded, mut again) = (Vec::new(), Vec::new());
            lines::encode(tokenizer, Cursor::new(decoded.clone()), &mut encoded).unwrap();
            lines::decode(tokenizer, Cursor::new(encoded), &mut again).unwrap();
            assert!(again == decoded);
        }
        Ok(()) => {}
    }
}
