//! The token stream of shards is that of the same text.

use super::*;

#[test]
fn shards_are_the_stream_of_the_text() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer();
    let paths = as_text(&folder.path().join("text"), &DOCUMENTS);
    let text = Tokens::read("training", &paths, &tokenizer).unwrap();
    for per_shard in [1, 2, CUT, 100] {
        let at = folder.path().join(format!("prepared-{per_shard}"));
        prepare(&at, &tokenizer, &DOCUMENTS, per_shard, 0);
        let mapped = Tokens::mapped(&[Prepared::open(&at).unwrap()], Split::Train).unwrap();
        assert_eq!(all(&mapped), all(&text));
        assert_eq!((mapped.documents(), mapped.bytes()), (text.documents(), text.bytes()));
        for i in 0..text.documents() {
            assert_eq!(mapped.document(i), text.document(i));
            assert_eq!((mapped.document_bytes(i), mapped.source(i)), (text.document_bytes(i), text.source(i)));
        }
        assert_eq!(mapped.sources(), ["kaynak-0", "kaynak-1"]);
        let sample = |stream: &Tokens| all(&stream.sample(40, 6, &tokenizer).unwrap());
        assert_eq!(sample(&mapped), sample(&text));
        assert!(sample(&text).len() < all(&text).len());
    }
}

#[test]
fn several_folders_follow_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    prepare(&a, &tokenizer(), &DOCUMENTS[..3], 2, 0);
    prepare(&b, &tokenizer(), &DOCUMENTS[3..], 2, 1);
    let open = |paths: &[&PathBuf]| {
        let folders: Vec<Prepared> = paths.iter().map(|path| Prepared::open(path).unwrap()).collect();
        Tokens::mapped(&folders, Split::Train).unwrap()
    };
    let (one, two, both) = (open(&[&a]), open(&[&b]), open(&[&a, &b]));
    assert_eq!(all(&both), [all(&one), all(&two)].concat());
    // sources of the second folder come after the two of the first
    assert_eq!((both.source(0), both.source(3), both.source(4)), (0, 2, 3));
    assert_ne!(both.fingerprint(), one.fingerprint());
    assert_ne!(open(&[&b, &a]).fingerprint(), both.fingerprint());
}

#[test]
fn the_documents_of_a_file_are_those_of_the_stream() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = text::find(&as_text(folder.path(), &DOCUMENTS), text::Formats::ByNameOrText).unwrap();
    let (options, position) = (text::ReadOptions::default(), text::Position::default());
    let open = |input: &text::InputFile| text::DocumentReader::open(input, &options, &position);
    let documents: Vec<_> = text::Documents::new(&inputs, open, |_| {}).map(Result::unwrap).collect();
    assert_eq!(documents.len(), DOCUMENTS.len());
    assert!(documents.iter().zip(DOCUMENTS).all(|(d, (file, known))| (d.file, &*d.text) == (file as usize, known)));
}
