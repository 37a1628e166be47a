//! One token stream: every document's tokens after a begin token, in memory or in mapped shards.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use super::encoder::Encoder;
use super::part::{Encoded, Part};
use super::program;
use super::progress::eprint_line;
use super::shard::manifest::{Prepared, Split};
use super::text::clean::clean;
use super::text::{self, Document, DocumentReader, Formats, InputFile, Position, ReadOptions};

/// A token stream with its document borders. Positions in it count all tokens, begin tokens included. A clone shares
/// everything.
#[derive(Clone, Debug)]
pub struct Tokens {
    parts: Vec<Placed>,
    sources: Arc<[String]>,
    begin: u32,
    vocabulary: usize,
    tokens: u64,
    documents: u64,
    bytes: u64,
    /// The fingerprint, where it need not be computed from the tokens.
    identity: Option<u64>,
}

/// A part and what stands before it.
#[derive(Clone, Debug)]
struct Placed {
    part: Arc<dyn Part>,
    first_token: u64,
    first_document: u64,
    first_source: usize,
}

impl Tokens {
    /// Reads, cleans and encodes text: files, folders and globs. `purpose` names the text in messages; every file is a
    /// source.
    ///
    /// # Errors
    ///
    /// Files that cannot be read, are no UTF-8 or hold no text; an encoder without begin token.
    pub fn read(purpose: &str, paths: &[PathBuf], encoder: &impl Encoder) -> Result<Self> {
        let (begin, mut all) = (encoder.begin()?, Encoded::default());
        let inputs = text::find(paths, Formats::ByNameOrText)?;
        let name = |file: usize| inputs.get(file).map_or_else(String::new, |input| input.path.display().to_string());
        let mut encode = |documents: &mut Vec<String>, file: usize| {
            let encoded = encode(documents, encoder, begin, file as u32, &mut all);
            documents.clear();
            encoded.with_context(|| format!("cannot encode {}", name(file)))
        };
        let (options, position) = (ReadOptions::default(), Position::default());
        let open = |input: &InputFile| DocumentReader::open(input, &options, &position);
        let (mut together, mut bytes, mut of) = (Vec::new(), 0, 0);
        for document in text::Documents::new(&inputs, open, |note| eprint_line(note)) {
            let Document { file, text } = document?;
            if file != of || bytes > TOGETHER {
                encode(&mut together, std::mem::replace(&mut of, file))?;
                bytes = 0;
            }
            let text = clean(&text);
            bytes += text.len();
            together.extend((!text.is_empty()).then(|| text.into_owned()));
        }
        encode(&mut together, of)?;
        let names = (0..inputs.len()).map(name).collect();
        let all = Self::new(all, names, begin, encoder.vocabulary());
        if all.bytes() == 0 {
            bail!("the {purpose} text is empty: {}", text::names(paths));
        }
        Ok(all)
    }

    /// Encodes documents, given by source.
    ///
    /// # Errors
    ///
    /// A tokenizer without begin token, and a failure inside the tokenizer; the message names the source.
    pub fn of<T: AsRef<str> + Sync>(sources: &[(String, Vec<T>)], encoder: &impl Encoder) -> Result<Self> {
        let (begin, mut all) = (encoder.begin()?, Encoded::default());
        for (i, (name, documents)) in sources.iter().enumerate() {
            encode(documents, encoder, begin, i as u32, &mut all).with_context(|| name.clone())?;
        }
        let names = sources.iter().map(|(name, _)| name.clone()).collect();
        Ok(Self::new(all, names, begin, encoder.vocabulary()))
    }

    /// Maps the shards of prepared folders, one after the other. The folders must be of one tokenizer.
    ///
    /// # Errors
    ///
    /// A shard that is not usable; the message names it.
    pub fn mapped(folders: &[Prepared], split: Split) -> Result<Self> {
        let Some(first) = folders.first() else { bail!("no folder of prepared data was named") };
        let mut all = Self::empty(first.tokenizer.begin()?, first.tokenizer.vocabulary_size());
        let (mut names, mut identity) = (Vec::new(), FNV);
        for folder in folders {
            let records = folder.manifest.shards(split);
            for (shard, record) in folder.shards(records)?.into_iter().zip(records) {
                identity = record.sha256.bytes().fold(identity, |hash, byte| mix(hash, u64::from(byte)));
                all.push(Arc::new(shard), names.len());
            }
            names.extend(folder.manifest.sources.iter().map(|source| source.name.clone()));
        }
        (all.sources, all.identity) = (names.into(), Some(identity));
        Ok(all)
    }

    /// A stream in memory, with the token that begins its documents and the size of the vocabulary.
    pub fn new(encoded: Encoded, sources: Vec<String>, begin: u32, vocabulary: usize) -> Self {
        let mut all = Self { sources: sources.into(), ..Self::empty(begin, vocabulary) };
        all.push(Arc::new(encoded), 0);
        all
    }

    fn empty(begin: u32, vocabulary: usize) -> Self {
        Self {
            parts: Vec::new(),
            sources: Arc::default(),
            begin,
            vocabulary,
            tokens: 0,
            documents: 0,
            bytes: 0,
            identity: None,
        }
    }

    fn push(&mut self, part: Arc<dyn Part>, first_source: usize) {
        let (first_token, first_document) = (self.tokens, self.documents);
        self.tokens += part.tokens();
        self.documents += part.documents();
        self.bytes += part.text_bytes();
        self.parts.push(Placed { part, first_token, first_document, first_source });
    }

    /// Tokens, begin tokens included.
    pub fn len(&self) -> u64 {
        self.tokens
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.tokens == 0
    }

    /// Number of documents, and so of begin tokens.
    pub fn documents(&self) -> u64 {
        self.documents
    }

    /// Bytes of text the tokens stand for.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Tokens that stand for text.
    pub fn text_tokens(&self) -> u64 {
        self.tokens - self.documents
    }

    /// The token before every document.
    pub fn begin(&self) -> u32 {
        self.begin
    }

    /// Size of the vocabulary: every id that is gathered is below.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// Names of the sources.
    pub fn sources(&self) -> &[String] {
        &self.sources
    }

    /// The same stream as a single source of this name.
    pub fn as_one_source(&self, name: &str) -> Self {
        Self { sources: Arc::new([name.to_owned()]), ..self.clone() }
    }

    /// Appends the tokens at positions `range`, which lie inside the stream.
    ///
    /// # Errors
    ///
    /// An id outside the vocabulary: the file is damaged; the message names it and the token's place. No id that is
    /// appended without an error can index out of a table of the vocabulary.
    pub fn gather(&self, range: Range<u64>, into: &mut Vec<u32>) -> Result<()> {
        let (before, mut at) = (into.len(), range.start);
        let first = self.parts.partition_point(|p| p.first_token + p.part.tokens() <= at);
        for placed in &self.parts[first..] {
            if at >= range.end {
                break;
            }
            let end = range.end.min(placed.first_token + placed.part.tokens());
            placed.part.read(at - placed.first_token..end - placed.first_token, into);
            at = end;
        }
        match into[before..].iter().position(|&id| id as usize >= self.vocabulary) {
            None => Ok(()),
            Some(i) => bail!("{}", self.damage(range.start + i as u64, into[before + i])),
        }
    }

    fn damage(&self, at: u64, id: u32) -> String {
        let i = self.parts.partition_point(|p| p.first_token + p.part.tokens() <= at);
        let (name, first) = self.parts.get(i).map_or_else(Default::default, |p| (p.part.name(), p.first_token));
        format!(
            "{name} is damaged: its token {} is {id}, outside the vocabulary of {} (`{} data inspect --verify` reads all of it)",
            at - first,
            self.vocabulary,
            program::name()
        )
    }

    /// Positions of document `i < documents`, the begin token included.
    pub fn document(&self, i: u64) -> Range<u64> {
        let placed = self.placed(i);
        let range = placed.part.document(i - placed.first_document);
        placed.first_token + range.start..placed.first_token + range.end
    }

    /// Bytes of text of document `i < documents`.
    pub fn document_bytes(&self, i: u64) -> u64 {
        let placed = self.placed(i);
        placed.part.length(i - placed.first_document)
    }

    /// Source of document `i < documents`, as an index into [`Tokens::sources`].
    pub fn source(&self, i: u64) -> usize {
        let placed = self.placed(i);
        let source = placed.first_source + placed.part.source(i - placed.first_document) as usize;
        if self.sources.len() == 1 { 0 } else { source }
    }

    /// The part with document `i`.
    fn placed(&self, i: u64) -> &Placed {
        let after = self.parts.partition_point(|p| p.first_document + p.part.documents() <= i);
        &self.parts[after]
    }

    /// A hash that distinguishes data and does not protect against forgery: of tokens and borders for a stream in
    /// memory (FNV-1a, 64 bits), of the shards' checksums in the manifests for a mapped one.
    pub fn fingerprint(&self) -> u64 {
        self.identity.unwrap_or_else(|| {
            let mut hash = FNV;
            let mut ids = Vec::new();
            for placed in &self.parts {
                for start in (0..placed.part.tokens()).step_by(RUN as usize) {
                    ids.clear();
                    placed.part.read(start..placed.part.tokens().min(start + RUN), &mut ids);
                    hash = ids.iter().fold(hash, |h, &id| mix(h, u64::from(id)));
                }
            }
            (0..self.documents).fold(hash, |h, i| mix(h, self.document(i).start))
        })
    }
}

/// Bytes of text that are encoded together.
const TOGETHER: usize = 4 << 20;
/// Tokens read at a time.
const RUN: u64 = 1 << 16;
/// Where FNV-1a starts.
const FNV: u64 = 0xCBF2_9CE4_8422_2325;

fn mix(hash: u64, x: u64) -> u64 {
    (hash ^ x).wrapping_mul(0x0000_0100_0000_01B3)
}

fn encode<T: AsRef<str> + Sync>(
    documents: &[T],
    encoder: &impl Encoder,
    begin: u32,
    source: u32,
    all: &mut Encoded,
) -> Result<()> {
    for (ids, document) in encoder.encode(documents)?.iter().zip(documents) {
        all.push(begin, ids, document.as_ref().len() as u64, source);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{BEGIN, damaged, stream};

    /// The same documents in several parts, some of them empty.
    fn in_parts(lengths: &[usize], cuts: &[usize]) -> Tokens {
        let whole = stream(lengths);
        let mut all = Tokens { sources: whole.sources.clone(), ..Tokens::empty(BEGIN, whole.vocabulary) };
        let mut from = 0;
        for cut in cuts.iter().copied().chain([lengths.len()]) {
            let cut = cut.clamp(from, lengths.len());
            let mut part = Encoded::default();
            for i in from..cut {
                let mut ids = Vec::new();
                whole.gather(whole.document(i as u64), &mut ids).unwrap();
                part.push(BEGIN, &ids[1..], whole.document_bytes(i as u64), 0);
            }
            all.push(Arc::new(part), 0);
            from = cut;
        }
        all
    }

    #[test]
    fn parts_do_not_show() {
        let lengths = [3, 0, 7, 1, 12];
        let whole = stream(&lengths);
        for cuts in [&[][..], &[0], &[1, 1, 2], &[2, 4], &[5, 5]] {
            let all = in_parts(&lengths, cuts);
            assert_eq!((all.len(), all.documents(), all.bytes()), (whole.len(), whole.documents(), whole.bytes()));
            for i in 0..whole.documents() {
                assert_eq!(all.document(i), whole.document(i));
                assert_eq!(all.document_bytes(i), whole.document_bytes(i));
            }
            for start in 0..whole.len() {
                for end in start..=whole.len() {
                    let (mut a, mut b) = (Vec::new(), Vec::new());
                    all.gather(start..end, &mut a).unwrap();
                    whole.gather(start..end, &mut b).unwrap();
                    assert_eq!((a.len() as u64, a), (end - start, b));
                }
            }
            assert_eq!(all.fingerprint(), whole.fingerprint());
        }
        assert_ne!(whole.fingerprint(), stream(&[3, 0, 7, 2, 11]).fingerprint());
    }

    #[test]
    fn an_id_outside_the_vocabulary_is_named_with_its_place() {
        let tokens = damaged(&[5, 9]);
        let last = tokens.len() - 1;
        let message = tokens.gather(2..last + 1, &mut Vec::new()).unwrap_err().to_string();
        assert!(message.contains("token") && message.contains("outside the vocabulary"), "{message}");
        tokens.gather(0..4, &mut Vec::new()).unwrap();
    }
}
