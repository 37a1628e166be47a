//! Text to token ids and back, line by line, in constant memory.
//!
//! The protocol. A line of text becomes a line of ids, decimal numbers with one space between them. The line end is one
//! `\n`, stays as it is and is not encoded; every other character of a line is, `\r` included. An empty line stays an
//! empty line; a last line without `\n` becomes a last line without `\n`. So decoding is the exact inverse of encoding,
//! byte for byte.
//!
//! Memory is a few blocks of [`BLOCK`] bytes, or the longest line.

use std::io::{self, Read, Write};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use anyhow::{Context, Result, bail};
use ebt_tokenizer::Tokenizer;
use rayon::prelude::*;

/// Encodes lines of text to lines of ids, on the threads of the current rayon pool.
///
/// # Errors
///
/// Input that cannot be read or is not UTF-8 (the message names line and byte; all lines before it are written), output
/// that cannot be written.
pub fn encode(tokenizer: &Tokenizer, input: impl Read + Send + 'static, output: impl Write) -> Result<()> {
    each_line(input, output, |line, out| {
        let text = std::str::from_utf8(line).map_err(|error| {
            let byte = error.valid_up_to() + 1;
            anyhow::anyhow!("the text is not UTF-8: byte {byte} of the line does not continue a character")
        })?;
        for (i, id) in tokenizer.encode(text)?.into_iter().enumerate() {
            if i > 0 {
                out.push(b' ');
            }
            push_number(id, out);
        }
        Ok(())
    })
}

/// Decodes lines of ids to lines of text: the inverse of [`encode`]. Between ids any ASCII white space may stand.
///
/// # Errors
///
/// A word that is no number or an id outside the vocabulary (the message names line and word; all lines before it are
/// written), input that cannot be read, output that cannot be written.
pub fn decode(tokenizer: &Tokenizer, input: impl Read + Send + 'static, output: impl Write) -> Result<()> {
    each_line(input, output, |line, out| {
        let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        for (i, word) in words.enumerate() {
            let place = || format!("word {} ({:?})", i + 1, excerpt(word));
            let Some(id) = number(word) else { bail!("{} is not a token id", place()) };
            let Some(bytes) = tokenizer.token_bytes(id) else {
                bail!("{} is outside the vocabulary of {} tokens", place(), tokenizer.vocabulary_size());
            };
            out.extend_from_slice(bytes);
        }
        Ok(())
    })
}

/// The most bytes that are rewritten together, but for a longer line.
pub const BLOCK: usize = 4 << 20;
/// Bytes, about, that one thread works on at a time; the most bytes of a chunk.
const PIECE: usize = 64 << 10;

/// Rewrites every line with `line_to_line`, which appends to its output and sees no line end. Lines are rewritten and
/// written as soon as they have come in, so that a slow writer at the other end of a pipe sees its answers.
fn each_line(
    input: impl Read + Send + 'static,
    mut output: impl Write,
    line_to_line: impl Fn(&[u8], &mut Vec<u8>) -> Result<()> + Sync,
) -> Result<()> {
    let chunks = chunks(input)?;
    let (mut pending, mut lines_done, mut ended) = (Vec::new(), 0, false);
    while !ended {
        let before = pending.len();
        match chunks.recv() {
            Ok(chunk) => pending.extend(chunk.context("cannot read standard input")?),
            Err(_) => ended = true,
        }
        while pending.len() - before < BLOCK
            && let Ok(chunk) = chunks.try_recv()
        {
            pending.extend(chunk.context("cannot read standard input")?);
        }
        let whole = match pending[before..].iter().rposition(|&byte| byte == b'\n') {
            _ if ended => pending.len(),
            Some(last) => before + last + 1,
            None => continue,
        };
        let pieces = pieces(&pending[..whole]);
        let rewritten: Vec<Rewritten> = pieces.par_iter().map(|piece| rewrite(piece, &line_to_line)).collect();
        for piece in rewritten {
            output.write_all(&piece.bytes)?;
            lines_done += piece.lines;
            if let Some(error) = piece.stopped {
                output.flush()?;
                return Err(error.context(format!("standard input, line {}", lines_done + 1)));
            }
        }
        output.flush()?;
        pending.drain(..whole);
    }
    Ok(())
}

/// Reads ahead on a thread of its own: what comes in, in the chunks in which it comes, up to one block. The thread ends
/// with the input or soon after the receiver is gone.
fn chunks(mut input: impl Read + Send + 'static) -> Result<Receiver<io::Result<Vec<u8>>>> {
    let (sender, receiver) = mpsc::sync_channel(BLOCK / PIECE);
    let read = move || {
        loop {
            let mut chunk = vec![0; PIECE];
            let read = match input.read(&mut chunk) {
                Ok(0) => return,
                Ok(length) => {
                    chunk.truncate(length);
                    Ok(chunk)
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let last = read.is_err();
            if sender.send(read).is_err() || last {
                return;
            }
        }
    };
    thread::Builder::new().spawn(read).context("cannot start the thread that reads standard input")?;
    Ok(receiver)
}

/// What became of some lines.
struct Rewritten {
    bytes: Vec<u8>,
    /// Number of lines whose result is in `bytes`: those before the first that failed.
    lines: usize,
    /// Why the line after them was not.
    stopped: Option<anyhow::Error>,
}

fn rewrite(piece: &[u8], line_to_line: impl Fn(&[u8], &mut Vec<u8>) -> Result<()>) -> Rewritten {
    let mut done = Rewritten { bytes: Vec::with_capacity(piece.len()), lines: 0, stopped: None };
    for line in piece.split_inclusive(|&byte| byte == b'\n') {
        let (content, end) = line.split_at(line.len() - usize::from(line.ends_with(b"\n")));
        let before = done.bytes.len();
        if let Err(error) = line_to_line(content, &mut done.bytes) {
            done.bytes.truncate(before);
            done.stopped = Some(error);
            break;
        }
        done.bytes.extend_from_slice(end);
        done.lines += 1;
    }
    done
}

/// Runs of whole lines of about [`PIECE`] bytes.
fn pieces(mut lines: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    while !lines.is_empty() {
        let least = PIECE.min(lines.len());
        let end = lines[least - 1..].iter().position(|&byte| byte == b'\n').map_or(lines.len(), |at| least + at);
        let (piece, rest) = lines.split_at(end);
        all.push(piece);
        lines = rest;
    }
    all
}

/// A number of decimal digits alone.
fn number(word: &[u8]) -> Option<u32> {
    let digits = word.iter().all(u8::is_ascii_digit).then_some(word)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The beginning of a word, for a message.
fn excerpt(word: &[u8]) -> String {
    let text = String::from_utf8_lossy(word);
    let short: String = text.chars().take(24).collect();
    if short.len() < text.len() { short + "…" } else { short }
}

/// Appends the decimal digits of a number.
fn push_number(mut number: u32, out: &mut Vec<u8>) {
    let (mut digits, mut first) = ([b'0'; 10], 10);
    while number > 0 || first == 10 {
        first -= 1;
        digits[first] += (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&digits[first..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A line reversed; a line with an `x` is refused.
    fn reversed(text: &[u8]) -> (Result<()>, Vec<u8>) {
        let mut out = Vec::new();
        let result = each_line(io::Cursor::new(text.to_vec()), &mut out, |line, out| {
            if line.contains(&b'x') {
                bail!("an x");
            }
            out.extend(line.iter().rev());
            Ok(())
        });
        (result, out)
    }

    #[test]
    fn numbers_are_written_and_read() {
        for id in [0, 7, 10, 4095, u32::MAX] {
            let mut out = Vec::new();
            push_number(id, &mut out);
            assert_eq!(out, id.to_string().as_bytes());
            assert_eq!(number(&out), Some(id));
        }
        for word in ["-1", "+1", "1.0", "4294967296", "bir", "٣"] {
            assert_eq!(number(word.as_bytes()), None, "{word}");
        }
    }

    #[test]
    fn lines_longer_than_a_block_and_blocks_of_many_lines_stay_whole() {
        let long = [vec![b'a'; 2 * BLOCK + 5], b"b\n\nc".to_vec()].concat();
        let (result, out) = reversed(&long);
        result.unwrap();
        assert_eq!(out, [b"b".to_vec(), vec![b'a'; 2 * BLOCK + 5], b"\n\nc".to_vec()].concat());

        let mut many = b"ab\n".repeat(BLOCK / 2);
        let (result, out) = reversed(&many);
        result.unwrap();
        assert!(out == b"ba\n".repeat(BLOCK / 2));
        many.extend_from_slice(b"abx\nab\n");
        let (result, out) = reversed(&many);
        assert!(out == b"ba\n".repeat(BLOCK / 2), "all lines before the bad one are written, none after");
        let message = format!("{:#}", result.unwrap_err());
        assert_eq!(message, format!("standard input, line {}: an x", BLOCK / 2 + 1));
    }

    proptest! {
        #[test]
        fn line_ends_stay_where_they_are(text in "[ab\r\n]{0,40}") {
            let (result, out) = reversed(text.as_bytes());
            result.unwrap();
            let expected: Vec<String> = text.split('\n').map(|line| line.chars().rev().collect()).collect();
            prop_assert_eq!(String::from_utf8(out).unwrap(), expected.join("\n"));
        }
    }
}
