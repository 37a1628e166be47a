//! Files that are damaged or would lose text are refused with a sentence that names the field.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use ebt_tokenizer::{Kind, Tokenizer, TokenizerError, TrainOptions};
use serde_json::Value;

fn trained() -> String {
    let options = TrainOptions { kind: Kind::Bpe, vocabulary_size: 280, ..TrainOptions::default() };
    let texts = vec!["evlerimizde evlerimizden evlerimize".to_owned(); 10];
    let tokenizer = Tokenizer::train(texts.into_iter(), options).unwrap();
    tokenizer.to_json().to_owned()
}

/// The refusal of a file in which `from` is replaced by `to`.
fn refusal(from: &str, to: &str) -> String {
    let json = trained();
    assert!(json.contains(from), "{from} is not in {json}");
    Tokenizer::from_json(json.replacen(from, to, 1).as_bytes()).unwrap_err().to_string()
}

#[test]
fn every_truncation_is_refused() {
    let json = trained();
    for length in (0..json.len()).step_by(61).chain([json.len() - 1]) {
        let error = Tokenizer::from_json(&json.as_bytes()[..length]).unwrap_err();
        assert!(matches!(error, TokenizerError::Json(_)), "{length}: {error}");
    }
}

#[test]
fn a_file_error_names_the_file() {
    let missing = Tokenizer::from_file(Path::new("no/such/tokenizer.json")).unwrap_err();
    assert!(matches!(missing, TokenizerError::Read { .. }));
    assert!(missing.to_string().contains("no/such/tokenizer.json"));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.json");
    std::fs::write(&path, "{\"model\":").unwrap();
    let damaged = Tokenizer::from_file(&path).unwrap_err();
    assert!(matches!(damaged, TokenizerError::File { .. }));
    let text = damaged.to_string();
    assert!(text.contains("damaged.json") && text.contains("line 1"), "{text}");
}

#[test]
fn settings_that_change_text_are_refused() {
    let cases = [
        (r#""normalizer":null"#, r#""normalizer":{"type":"NFC"}"#, "`normalizer`"),
        (r#""truncation":null"#, r#""truncation":{"max_length":3}"#, "`truncation`"),
        (r#""padding":null"#, r#""padding":{"strategy":"BatchLongest"}"#, "`padding`"),
        (r#""add_prefix_space":false"#, r#""add_prefix_space":true"#, "`add_prefix_space`"),
        (r#""Isolated""#, r#""Removed""#, "`Split`"),
        (r#""type":"ByteLevel""#, r#""type":"Metaspace""#, "Metaspace"),
        (r#""type":"ByteLevel","add_prefix_space":false"#, r#""type":"Digits""#, "one `ByteLevel`"),
        (r#""dropout":null"#, r#""dropout":0.1"#, "`model.dropout`"),
        (r#""end_of_word_suffix":null"#, r#""end_of_word_suffix":"@""#, "end_of_word_suffix"),
        (r#""type":"BPE""#, r#""type":"WordPiece""#, "WordPiece"),
        (r#""lstrip":false"#, r#""lstrip":true"#, "strips the spaces"),
        (r#""ignore_merges":false"#, r#""ignore_merges":true"#, "<s>"),
    ];
    for (from, to, named) in cases {
        let text = refusal(from, to);
        assert!(text.contains(named), "{from} -> {to}: {text}");
    }
}

#[test]
fn broken_vocabularies_are_refused() {
    let cases = [
        (r#","!":40,"#, ",", "byte symbol \"!\""),
        (r#""!":40,"\"":41"#, r#""!":40,"\"":40"#, "the id 40 to two tokens"),
        (r#","!":40,"#, r#","!":4000000000,"#, "the id 40 to no token"),
        (r#","!":40,"#, r#","!":40,"日":280,"#, "byte alphabet"),
        (r#""merges":[["#, r#""merges":[["zzz","e"],["#, "merge 0"),
        (r#""merges":[["#, r#""merges":[["!","\""],["#, "merge 0"),
        (r#"{"id":0,"content":"<s>""#, r#"{"id":9,"content":"<s>""#, "<s>"),
        (r#""content":"<s>""#, r#""content":"ev""#, "from ordinary text"),
        (r#""content":"<s>""#, r#""content":"e""#, "from ordinary text"),
        (r#""vocab":{"#, r#""words":{"#, "vocab"),
    ];
    for (from, to, named) in cases {
        let text = refusal(from, to);
        assert!(text.contains(named), "{from} -> {to}: {text}");
    }
}

#[test]
fn what_editors_write_before_json_is_no_part_of_it() {
    let (plain, marked) = (trained(), format!("\u{feff}{}", trained()));
    let [plain, marked] = [plain, marked].map(|json| Tokenizer::from_bytes(json.as_bytes()).unwrap().fingerprint());
    assert_eq!(plain, marked);
}

#[test]
fn a_step_that_is_missing_is_named() {
    let mut json: Value = serde_json::from_str(&trained()).unwrap();
    json["pre_tokenizer"] = Value::Null;
    let null = Tokenizer::from_json(json.to_string().as_bytes()).unwrap_err().to_string();
    json.as_object_mut().unwrap().remove("pre_tokenizer");
    let missing = Tokenizer::from_json(json.to_string().as_bytes()).unwrap_err().to_string();
    for text in [null, missing] {
        assert!(text.contains("`pre_tokenizer`") && text.contains("`ByteLevel`"), "{text}");
    }
}

#[test]
fn merges_spelled_as_lines_are_accepted() {
    let mut json: Value = serde_json::from_str(&trained()).unwrap();
    for merge in json["model"]["merges"].as_array_mut().unwrap() {
        *merge = format!("{} {}", merge[0].as_str().unwrap(), merge[1].as_str().unwrap()).into();
    }
    let lines = Tokenizer::from_json(json.to_string().as_bytes()).unwrap();
    let pairs = Tokenizer::from_json(trained().as_bytes()).unwrap();
    assert_eq!(lines.fingerprint(), pairs.fingerprint());
}

#[test]
fn added_words_that_are_not_special_have_text() {
    let mut json: Value = serde_json::from_str(&trained()).unwrap();
    let id = json["model"]["vocab"].as_object().unwrap().len();
    let word = serde_json::json!({
        "id": id, "content": "çok", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": false,
    });
    json["added_tokens"].as_array_mut().unwrap().push(word);
    let tokenizer = Tokenizer::from_json(json.to_string().as_bytes()).unwrap();
    let id = u32::try_from(id).unwrap();
    assert_eq!(tokenizer.token_bytes(id), Some("çok".as_bytes()));
    assert_eq!(tokenizer.token_bytes(id + 1), None);
    let ids = tokenizer.encode("bir çok ev").unwrap();
    assert!(ids.contains(&id));
    assert_eq!(tokenizer.decode(&ids).unwrap(), "bir çok ev");
}

/// A file of the lattice kind, changed.
fn lattice(change: &dyn Fn(&mut Value)) -> Result<Tokenizer, String> {
    let texts = vec!["evlerimizde evlerimizden evlerimize".to_owned(); 10];
    let options = TrainOptions { vocabulary_size: 280, ..TrainOptions::default() };
    let trained = Tokenizer::train(texts.into_iter(), options).unwrap();
    let mut json: Value = serde_json::from_str(trained.to_json()).unwrap();
    change(&mut json);
    Tokenizer::from_json(json.to_string().as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn lattices_that_could_lose_text_are_refused() {
    let refused = |named: &str, change: &dyn Fn(&mut Value)| {
        let text = lattice(change).unwrap_err();
        assert!(text.contains(named), "{named}: {text}");
    };
    refused("byte_fallback", &|json| json["model"]["byte_fallback"] = true.into());
    refused("from ordinary text", &|json| json["model"]["vocab"][0][1] = (-3.0).into());
    refused("byte symbol", &|json| json["model"]["vocab"][40][0] = "zz".into());
    refused("byte alphabet", &|json| json["model"]["vocab"][263][0] = "日".into());
    refused("empty token", &|json| json["model"]["vocab"][263][0] = "".into());
    refused("cannot be read", &|json| json["model"]["vocab"][263][1] = "dear".into());
}

#[test]
fn costs_that_are_no_whole_numbers_run_in_the_library() {
    let tokenizer = lattice(&|json| json["model"]["vocab"][263][1] = (-7.3).into()).unwrap();
    assert!(tokenizer.to_compact().unwrap_err().to_string().contains("no compact form"));
    let text = "evlerimizde kaldık";
    assert_eq!(tokenizer.decode(&tokenizer.encode(text).unwrap()).unwrap(), text);
}
