//! Input as other programs write it: every kind comes in with its right value, or is named with what to do.

use super::*;

/// What a file of this name and content is prepared to, and what is told meanwhile.
pub fn prepared(name: &str, bytes: impl AsRef<[u8]>, more: &[&str]) -> (Vec<String>, String) {
    let p = Place::new();
    let (input, out) = (p.write(name, bytes), p.at("out"));
    let (_, notes) = command::succeeds(&[&[input.as_str(), "--out", &out, "--validation", "0"], more].concat());
    let [train, _] = documents(Path::new(&out));
    (train, notes)
}

#[test]
fn quotation_marks_in_tables_are_text_unless_they_are_not() {
    let tsv = "id\ttext\n1\t\"Merhaba\" dedi\n2\t\"Gel\n3\tgit\" dedi\n4\tson \" işareti\n";
    assert_eq!(prepared("q.tsv", tsv, &[]).0, ["\"Merhaba\" dedi", "\"Gel", "git\" dedi", "son \" işareti"]);
    assert_eq!(prepared("q.csv", tsv, &["--delimiter", "tab", "--quoting", "off"]).0.len(), 4);
    let quoted = "id\ttext\n1\t\"bir\n\"\"iki\"\"\"\n";
    assert_eq!(prepared("q.tsv", quoted, &["--quoting", "on"]).0, ["bir\n\"iki\""]);
    let p = Place::new();
    assert_has(&p.fails("q.tsv", quoted, &[]), &["line 3 of", "q.tsv", "1 value", "--quoting on"]);
    assert_has(&p.fails("q.csv", "id,text\n1,\"bir\n", &[]), &["line 2 of", "q.csv", "--quoting off"]);
}

#[test]
fn tables_of_spreadsheets_are_read_whatever_stands_between_values() {
    for mark in ["", "\u{feff}"] {
        for table in [
            "id;text;oran\r\n1;\"3,5; bir\";2,5\r\n",
            "sep=;\r\nid;text\r\n1;\"3,5; bir\"\r\n",
            "id,text\n1,\"3,5; bir\"\n",
        ] {
            assert_eq!(prepared("t.csv", format!("{mark}{table}"), &[]).0, ["3,5; bir"], "{table}");
        }
    }
    assert_eq!(prepared("t.csv", "id|text\n1|bir, iki; üç\n", &["--delimiter", "|"]).0, ["bir, iki; üç"]);
    let p = Place::new();
    assert_has(&p.fails("t.csv", "id|text\n1|bir\n", &[]), &["t.csv", "id|text", "--delimiter"]);
    for given in ["\"", "ş", "", "::"] {
        let input = p.write("t.csv", "text\nbir\n");
        let output = command::host(&[&input, "--out", &p.at("out"), "--delimiter", given]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{given}");
        assert_has(&command::text(&output.stderr), &["--delimiter", "one ASCII character"]);
    }
}

#[test]
fn names_of_columns_and_keys_may_be_decomposed() {
    let more = ["--column", "görüş"];
    let name = "go\u{308}ru\u{308}s\u{327}";
    assert_eq!(prepared("a.csv", format!("id,{name}\n1,bir\n"), &more).0, ["bir"]);
    assert_eq!(prepared("a.jsonl", format!("{{\"{name}\": \"o\u{308}\"}}\n"), &more).0, ["ö"]);
}

#[test]
fn copies_in_turkish_capitals_are_similar() {
    let of = |text: &str, capitals: &str| {
        let p = Place::new();
        let input = p.write("a.txt", format!("{text}\n\n{capitals}\n"));
        let arguments = [&input, "--out", &p.at("out"), "--near-duplicates", "0.3", "--json"];
        let summary: Value = serde_json::from_str(&command::succeeds(&arguments).0).unwrap();
        summary["total"]["dropped"]["near_duplicates"].clone()
    };
    let turkish = "Isparta'nın ılık kıyılarında ışıl ışıl iki ince iskele için ısrarlı bir ilgi başladı";
    let capitals = "ISPARTA'NIN ILIK KIYILARINDA IŞIL IŞIL İKİ İNCE İSKELE İÇİN ISRARLI BİR İLGİ BAŞLADI";
    assert_eq!(of(turkish, capitals), 1);
    assert_eq!(of(&capitals.replace('İ', "I\u{307}"), turkish), 1);
    let english = "in this little inn it is his first big trip since his illness in India";
    assert_eq!(of(english, &english.to_uppercase()), 1);
    assert_eq!(of(turkish, english), 0);
}

#[test]
fn gzip_data_end_where_gzip_says() {
    let packed = write::gzip("bir\n\niki\n".as_bytes());
    let padded = [&packed[..], &[0; 512]].concat();
    let (texts, notes) = prepared("a.txt.gz", &padded, &[]);
    assert_eq!(texts, ["bir", "iki"]);
    assert!(!notes.contains("warning"), "{notes}");
    let (texts, notes) = prepared("a.txt.gz", [&packed[..], b"xyz"].concat(), &[]);
    assert_eq!(texts, ["bir", "iki"]);
    assert_has(&notes, &["warning", "a.txt.gz", "no gzip data"]);
    let members = [packed, write::gzip(b"\n\n\xc3\xbc\xc3\xa7"), write::gzip(b"")].concat();
    assert_eq!(prepared("a.txt.gz", members, &[]).0, ["bir", "iki", "üç"]);
    let p = Place::new();
    assert_has(&p.fails("boş.txt.gz", write::gzip(b""), &[]), &["boş.txt.gz holds no document"]);
    assert_has(&p.fails("boş.txt.gz", b"", &[]), &["boş.txt.gz", "holds no gzip data"]);
}

#[test]
fn packing_is_judged_by_content_and_what_cannot_be_unpacked_has_a_remedy() {
    assert_eq!(prepared("a.txt", write::gzip(b"bir"), &[]).0, ["bir"]);
    assert_eq!(prepared("a.jsonl", zstd::encode_all(&b"{\"text\": \"bir\"}"[..], 1).unwrap(), &[]).0, ["bir"]);
    let frames = [zstd::encode_all(&b"bir\n"[..], 1).unwrap(), zstd::encode_all(&b"\niki"[..], 1).unwrap()].concat();
    assert_eq!(prepared("a.txt.zst", frames, &[]).0, ["bir", "iki"]);
    let mut long = zstd::Encoder::new(Vec::new(), 1).unwrap();
    long.set_parameter(zstd::zstd_safe::CParameter::WindowLog(29)).unwrap();
    long.write_all(b"bir").unwrap();
    let m = Place::new().fails("a.txt.zst", long.finish().unwrap(), &[]);
    assert_has(&m, &["a.txt.zst", "128 MiB", "zstd -d --long=31"]);
    assert!(!m.contains("damaged"), "{m}");
    assert_has(&Place::new().fails("a.txt", b"\xfd7zXZ\0\0\x04", &[]), &["a.txt", "xz", "unpack it first"]);
}

#[test]
fn json_of_other_programs_is_read() {
    let joined = "\u{feff}{\"text\": \"bir\"}\n\u{feff}{\"text\": \"iki\"}\n\u{feff}\n";
    assert_eq!(prepared("a.jsonl", joined, &[]).0, ["bir", "iki"]);
    let numbers = "{\"puan\": NaN, \"a\": [-Infinity, {\"b\": Infinity}], \"text\": \"bir NaN\"}\n{\"text\": NaN}\n";
    assert_eq!(prepared("a.jsonl", numbers, &[]).0, ["bir NaN"]);
    let p = Place::new();
    assert_has(&p.fails("a.jsonl", "{\"a\": nan, \"text\": \"x\"}", &[]), &["line 1 of", "a.jsonl", "byte 8"]);
    for (line, expected) in [
        (r#"{"text":"a \ud83d b"}"#, "a \u{fffd} b"),
        (r#"{"text":"a \ude00\ud83d b"}"#, "a \u{fffd}\u{fffd} b"),
        (r#"{"text":"a \ud83d\ude00 b"}"#, "a 😀 b"),
    ] {
        assert_eq!(prepared("a.jsonl", line, &["--lossy"]).0, [expected]);
    }
}

#[test]
fn text_in_other_encodings_is_named_in_every_format() {
    let p = Place::new();
    for (name, text) in
        [("a.txt", "Bir varmış"), ("a.jsonl", "{\"text\": \"ı\"}"), ("a.csv", "text\nış"), ("a.tsv", "text\nış")]
    {
        for more in [&[][..], &["--lossy"]] {
            let little: Vec<u8> =
                "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
            assert_has(&p.fails(name, &little, more), &[name, "UTF-16", "iconv"]);
            assert_has(&p.fails(&format!("{name}.gz"), write::gzip(&little), more), &[name, "UTF-16"]);
        }
    }
    let windows_1254 = b"Bir varm\xfd\xfe";
    assert_has(&p.fails("a.txt", windows_1254, &[]), &["line 1 of", "a.txt", "byte 8", "--lossy"]);
}

#[test]
fn prepared_data_are_no_text() {
    let p = Place::new();
    let (input, out) = (p.write("a.txt", "bir"), p.at("veri"));
    command::succeeds(&[&input, "--out", &out, "--validation", "0"]);
    assert_has(&command::fails(&[&out, "--out", &p.at("out")]), &["veri is prepared data"]);
}
