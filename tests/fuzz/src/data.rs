//! Prepared data: shards, manifests, and the journals of work that was interrupted.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ebt_corpus::prepare::journal::{Journal, Plan};
use ebt_corpus::prepare::{CHUNK, Content, Job, prepare};
use ebt_data::progress::{Progress, Silent, Stretch};
use ebt_data::shard::layout::{FOOTER, Footer, SUMMED};
use ebt_data::shard::manifest::{Prepared, Split};
use ebt_data::shard::verify::verify;
use ebt_data::shard::{Shard, ShardRecord};
use ebt_data::text::{Formats, InputFile};
use ebt_data::{CREATED_BY, Tokens, digest};
use ebt_tokenizer::Tokenizer;

use super::{file, fixtures, folder, pinned, refused};

fn tokenizer() -> &'static Tokenizer {
    static TOKENIZER: OnceLock<Tokenizer> = OnceLock::new();
    TOKENIZER.get_or_init(|| Tokenizer::from_file(&fixtures("formats/data-1/tokenizer.json")).unwrap())
}

pub fn shard_seeds() -> Vec<Vec<u8>> {
    ["data-1/train-00000.tokens", "data-1/validation-00000.tokens"].map(pinned).into()
}

/// A shard under the record that it gives of itself, with checksums that are right. What is accepted is read, and verified.
pub fn shard(bytes: &[u8]) {
    const NAME: &str = "input.tokens";
    let mut bytes = bytes.to_vec();
    if let Some(at) = bytes.len().checked_sub(FOOTER - SUMMED) {
        let crc = crc32fast::hash(&bytes[..at]).to_le_bytes();
        bytes[at..at + 4].copy_from_slice(&crc);
    }
    let footer = Footer::decode(&bytes).unwrap_or_default();
    let record = ShardRecord {
        file: NAME.into(),
        documents: footer.documents,
        tokens: footer.tokens,
        text_bytes: footer.text_bytes,
        file_bytes: bytes.len() as u64,
        sha256: digest::sha256(&bytes),
    };
    file(NAME, &bytes);
    let shard = match Shard::open(&folder(), &record, tokenizer().fingerprint()) {
        Ok(shard) => shard,
        Err(error) => return refused(&error, NAME),
    };
    let mut ids = Vec::new();
    for i in 0..shard.documents() {
        shard.read(shard.begin_of(i)..shard.end_of(i), &mut ids);
        assert!(shard.source(i) < shard.sources() || shard.sources() == u32::MAX);
    }
    assert_eq!(ids.len() as u64, shard.tokens());
    if let Err(error) = verify(&shard, &record, tokenizer()) {
        refused(&error, NAME);
    }
}

pub fn manifest_seeds() -> Vec<Vec<u8>> {
    vec![pinned("data-1/manifest.json")]
}

/// The manifest of a folder. What is accepted is read as a stream of tokens.
pub fn manifest(bytes: &[u8]) {
    let place = folder().join("prepared");
    if !place.exists() {
        fs::create_dir(&place).unwrap();
        for name in ["tokenizer.json", "train-00000.tokens", "validation-00000.tokens"] {
            fs::write(place.join(name), pinned(&format!("data-1/{name}"))).unwrap();
        }
    }
    fs::write(place.join("manifest.json"), bytes).unwrap();
    let read = Prepared::open(&place).and_then(|prepared| {
        for split in [Split::Train, Split::Validation] {
            let tokens = Tokens::mapped(std::slice::from_ref(&prepared), split)?;
            tokens.gather(0..tokens.len().min(1 << 16), &mut Vec::new())?;
        }
        Ok(())
    });
    if let Err(error) = read {
        refused(&error, "prepared");
    }
}

/// What was there when all shards of a small job were written, but not its manifest.
struct Interrupted {
    _folder: tempfile::TempDir,
    input: PathBuf,
    /// The first line of the journal.
    plan: Vec<u8>,
    /// The rest of it.
    journal: Vec<u8>,
    shards: Vec<(String, Vec<u8>)>,
    dropped: Vec<u8>,
}

impl Interrupted {
    fn get() -> &'static Self {
        static ONE: OnceLock<Interrupted> = OnceLock::new();
        ONE.get_or_init(Self::new)
    }

    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (input, out) = (folder.path().join("veri.txt"), folder.path().join("out"));
        fs::write(&input, "Ankara\n\nİzmir ve köy\n\nAnkara\n\nüç bir iki\n\nyol\n\nson").unwrap();
        let job = job(&input, &out);
        let mut snapshot = Snapshot { out: &out, journal: Vec::new(), shards: Vec::new(), dropped: Vec::new() };
        prepare(&job, &mut snapshot).unwrap();
        let Snapshot { journal, shards, dropped, .. } = snapshot;
        let first = journal.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        let (plan, journal) = (journal[..first].to_vec(), journal[first..].to_vec());
        assert!(journal.len() > 200 && shards.len() > 2);
        Self { input, plan, journal, shards, dropped, _folder: folder }
    }
}

fn job(input: &Path, out: &Path) -> Job {
    Job {
        inputs: vec![InputFile::new(input, Formats::ByName).unwrap()],
        tokenizer: tokenizer().clone(),
        out: out.into(),
        content: Content { validation: 0.3, shard_tokens: 8, ..Content::default() },
        licences: Vec::new(),
        part: None,
        overwrite: false,
        threads: 1,
        chunk: CHUNK,
    }
}

/// Keeps what lies in the folder when the last stretch of the work ends.
struct Snapshot<'a> {
    out: &'a Path,
    journal: Vec<u8>,
    shards: Vec<(String, Vec<u8>)>,
    dropped: Vec<u8>,
}

impl Progress for Snapshot<'_> {
    fn note(&mut self, _: &str) {}
    fn begin(&mut self, _: Stretch) {}
    fn advance(&mut self, _: u64, _: &dyn Fn() -> String) {}
    fn stage(&mut self, _: &str) {}
    fn end(&mut self) {
        self.journal = fs::read(self.out.join("prepare.journal")).unwrap();
        self.dropped = fs::read(self.out.join("prepare.work/dropped")).unwrap_or_default();
        let names = fs::read_dir(self.out).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let shards = names.filter(|name| name.ends_with(".tokens"));
        self.shards = shards.map(|name| (name.clone(), fs::read(self.out.join(name)).unwrap())).collect();
    }
}

pub fn journal_seeds() -> Vec<Vec<u8>> {
    vec![Interrupted::get().journal.clone()]
}

/// The journal of interrupted work after its first line. The work goes on to its end or to an error.
pub fn journal(bytes: &[u8]) {
    let Interrupted { input, plan, shards, dropped, .. } = Interrupted::get();
    let out = folder().join("interrupted");
    let _ = fs::remove_dir_all(&out);
    fs::create_dir_all(out.join("prepare.work")).unwrap();
    shards.iter().for_each(|(name, bytes)| fs::write(out.join(name), bytes).unwrap());
    fs::write(out.join("prepare.work/dropped"), dropped).unwrap();
    fs::write(out.join("prepare.journal"), [plan, bytes].concat()).unwrap();
    let job = job(input, &out);
    // it is the journal of this job, or the body tests nothing
    let plan = Plan {
        created_by: CREATED_BY.into(),
        tokenizer: format!("{:016x}", tokenizer().fingerprint()),
        options: job.content.clone(),
        inputs: job.inputs.clone(),
        part: None,
    };
    assert!(Journal::open(&out, &plan).unwrap().1);
    if let Err(error) = prepare(&job, &mut Silent) {
        assert!(!format!("{error:#}").is_empty());
    }
}
