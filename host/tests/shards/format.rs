//! The file format: round trips, every truncation, every changed byte, forged indices, other tokenizers.

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn what_is_written_is_read(
        wide: bool,
        begin in 0u32..65_536,
        documents in prop::collection::vec((prop::collection::vec(any::<u32>(), 0..40), 0u64..1 << 40, 0u32..9), 0..30),
        fingerprint: u64,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let width = if wide { TokenWidth::U32 } else { TokenWidth::U16 };
        let fit = |ids: &Vec<u32>| -> Vec<u32> {
            ids.iter().map(|id| id & width.largest()).filter(|&id| id != begin).collect()
        };
        let mut writer = ShardWriter::create(folder.path(), "a.tokens", width, fingerprint, begin).unwrap();
        let mut expected = Vec::new();
        for (ids, bytes, source) in &documents {
            writer.push(&fit(ids), *bytes, *source).unwrap();
            expected.push([vec![begin], fit(ids)].concat());
        }
        prop_assert_eq!(writer.tokens(), expected.iter().map(|d| d.len() as u64).sum::<u64>());
        let record = writer.finish().unwrap();
        let shard = Shard::open(folder.path(), &record, fingerprint).unwrap();
        prop_assert_eq!(shard.documents(), documents.len() as u64);
        prop_assert_eq!(shard.text_bytes(), documents.iter().map(|d| d.1).sum::<u64>());
        for (i, (_, bytes, source)) in documents.iter().enumerate() {
            let (i, mut ids) = (i as u64, Vec::new());
            shard.read(shard.begin_of(i)..shard.end_of(i), &mut ids);
            prop_assert_eq!(&ids, &expected[i as usize]);
            prop_assert_eq!((shard.length(i), shard.source(i)), (*bytes, *source));
        }
        prop_assert_eq!(record.file_bytes, fs::metadata(folder.path().join("a.tokens")).unwrap().len());
        prop_assert_eq!(names(folder.path()), ["a.tokens"]);
    }
}

#[test]
fn a_shard_has_its_name_only_when_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train-00000.tokens");
    let create = || ShardWriter::create(folder.path(), "train-00000.tokens", TokenWidth::U16, 1, 0).unwrap();
    let mut writer = create();
    (0..20_000).for_each(|_| writer.push(&[1, 2, 3, 4, 5, 6, 7], 7, 0).unwrap());
    assert!(!path.exists());
    let unfinished = names(folder.path());
    assert!(unfinished.len() == 1 && unfinished[0].starts_with(".train-00000.tokens."), "{unfinished:?}");
    assert!(unfinished[0].ends_with(".unfinished"));
    drop(writer);
    assert!(names(folder.path()).is_empty());

    let mut writer = create();
    writer.push(&[9], 1, 0).unwrap();
    let message = writer.push(&[1, 65_536], 2, 0).unwrap_err().to_string();
    assert!(message.contains("train-00000.tokens") && message.contains("token 1 of its document 1"), "{message}");
    assert!(writer.push(&[1, 0], 2, 0).unwrap_err().to_string().contains("begins documents"));
    // what was refused left no trace
    let record = writer.finish().unwrap();
    assert_eq!((record.documents, record.tokens), (1, 2));
    Shard::open(folder.path(), &record, 1).unwrap();

    // an older shard stays until a new one takes its place
    let before = fs::read(&path).unwrap();
    let mut writer = create();
    writer.push(&[7, 7], 2, 0).unwrap();
    assert_eq!(fs::read(&path).unwrap(), before);
    drop(writer);
    assert_eq!(fs::read(&path).unwrap(), before);
    assert!(
        ShardWriter::create(&folder.path().join("yok"), "a", TokenWidth::U16, 1, 0)
            .unwrap_err()
            .to_string()
            .contains("yok")
    );
    let message = ShardWriter::create(folder.path(), "a", TokenWidth::U16, 1, 1 << 16).unwrap_err().to_string();
    assert!(message.contains("begin token 65536"), "{message}");
}

/// A folder with one small training shard, opened, and the bytes of the shard.
fn small(folder: &Path) -> (Prepared, PathBuf, Vec<u8>) {
    prepare(folder, &tokenizer(), &DOCUMENTS[..3], 8, 0);
    let path = folder.join("train-00000.tokens");
    let bytes = fs::read(&path).unwrap();
    (Prepared::open(folder).unwrap(), path, bytes)
}

/// Opens, reads and verifies; never panics.
fn examine(prepared: &Prepared, record: &ShardRecord) -> Result<(), String> {
    let records = std::slice::from_ref(record);
    let shards = prepared.shards(records).map_err(|error| format!("{error:#}"))?;
    let mut manifest = prepared.manifest.clone();
    manifest.train = records.to_vec();
    let stream = Tokens::mapped(&[Prepared { manifest, ..prepared.clone() }], Split::Train).unwrap();
    // a damaged id is refused or belongs to the vocabulary
    let mut ids = Vec::new();
    if stream.gather(0..stream.len(), &mut ids).is_ok() {
        assert!(ids.iter().all(|&id| (id as usize) < prepared.tokenizer.vocabulary_size()));
    }
    (0..stream.documents()).for_each(|i| assert!(stream.document(i).end <= stream.len()));
    verify::verify(&shards[0], record, &prepared.tokenizer).map_err(|error| error.to_string())
}

#[test]
fn every_truncation_is_refused_on_opening() {
    let folder = tempfile::tempdir().unwrap();
    let (prepared, path, bytes) = small(folder.path());
    let record = &prepared.manifest.train[0];
    examine(&prepared, record).unwrap();
    for length in 0..bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        // with the manifest's length, and with a manifest that was cut to fit
        for file_bytes in [record.file_bytes, length as u64] {
            let message =
                format!("{:#}", prepared.shards(&[ShardRecord { file_bytes, ..record.clone() }]).unwrap_err());
            assert!(message.contains("train-00000.tokens"), "{length}: {message}");
        }
    }
    fs::write(&path, [&bytes[..], &[0]].concat()).unwrap();
    assert!(prepared.shards(&prepared.manifest.train).is_err());
}

#[test]
fn every_changed_byte_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (prepared, path, bytes) = small(folder.path());
    let record = &prepared.manifest.train[0];
    for at in 0..bytes.len() {
        for change in [0x01, 0x80, 0xFF] {
            let mut damaged = bytes.clone();
            damaged[at] ^= change;
            // a new file: the old one may still be mapped
            fs::remove_file(&path).unwrap();
            fs::write(&path, &damaged).unwrap();
            let message = examine(&prepared, record).unwrap_err();
            assert!(message.contains("train-00000.tokens"), "{at}: {message}");
        }
    }
}

#[test]
fn a_forged_index_is_refused_on_opening() {
    let folder = tempfile::tempdir().unwrap();
    let (prepared, path, bytes) = small(folder.path());
    let record = &prepared.manifest.train[0];
    let index = 64 + (2 * record.tokens as usize).next_multiple_of(8);
    let sources = index + 2 * 8 * 3;
    for (at, value, part) in [
        (index, 1u64, "document 0 begins at token 1"),
        (index + 8, 0, "document 1 begins at token 0"),
        (index + 16, record.tokens, "document 2 begins"),
        (index + 8, u64::MAX, "document 1 begins"),
        (index + 24, u64::MAX, "bytes of text"),
        (sources, 0x0000_0000_0000_0007, "names source 7"),
        (sources, 0xFFFF_FFFF_0000_0000, "names source"),
    ] {
        let mut forged = bytes.clone();
        forged[at..at + 8].copy_from_slice(&value.to_le_bytes());
        fs::remove_file(&path).unwrap();
        fs::write(&path, &forged).unwrap();
        let message = format!("{:#}", prepared.shards(&prepared.manifest.train).unwrap_err());
        assert!(message.contains(part) && message.contains("train-00000.tokens"), "{message}");
    }
}

#[test]
fn another_tokenizer_or_manifest_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (prepared, _, _) = small(folder.path());
    let record = &prepared.manifest.train[0];
    let message = format!("{:#}", Shard::open(folder.path(), record, 0xABC).unwrap_err());
    let own = format!("{:016x}", tokenizer().fingerprint());
    assert!(message.contains(&own) && message.contains("0000000000000abc"), "{message}");

    let refused = |record: ShardRecord| format!("{:#}", prepared.shards(&[record]).unwrap_err());
    assert!(refused(ShardRecord { file: "../train-00000.tokens".into(), ..record.clone() }).contains("no file name"));
    assert!(refused(ShardRecord { file: "yok.tokens".into(), ..record.clone() }).contains("yok.tokens"));
    assert!(refused(ShardRecord { documents: 2, ..record.clone() }).contains("holds 3 documents"));
    assert!(refused(ShardRecord { tokens: 2, ..record.clone() }).contains("tokens, but the manifest says 2"));
    assert!(refused(ShardRecord { text_bytes: 2, ..record.clone() }).contains("bytes of text, but the manifest"));

    let other = fs::read(support::fixtures("tokenizer.json")).unwrap();
    fs::write(folder.path().join(TOKENIZER_FILE), other).unwrap();
    let message = Prepared::open(folder.path()).unwrap_err().to_string();
    assert!(message.contains(TOKENIZER_FILE) && message.contains(&own), "{message}");
    for (manifest, part) in
        [("{\"format\": 2}", "format 2"), ("{}", "no `format`"), ("{\"format\": 1}", "manifest"), ("kötü", "no JSON")]
    {
        fs::write(folder.path().join(MANIFEST_FILE), manifest).unwrap();
        let message = format!("{:#}", Prepared::open(folder.path()).unwrap_err());
        assert!(message.contains(part) && message.contains(MANIFEST_FILE), "{message}");
    }
}
