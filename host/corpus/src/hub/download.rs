//! The bytes of a file: received into a part file, which a broken connection leaves for the next attempt.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Error, anyhow};
use ebt_data::progress::{Progress, size};

use super::answer::{Answer, host};
use super::client::Client;
use super::failure::{self, Failure};
use super::options::HubOptions;
use super::progress;
use super::resolve::{RemoteFile, content_range};

/// Receives what `part` still lacks of `remote`. On success `part` is complete, and on the disk.
///
/// # Errors
///
/// No answer, a refusal, a broken connection, a full disk. `part` then holds a beginning of the file.
pub fn download(
    client: &Client,
    remote: &RemoteFile,
    part: &Path,
    options: &HubOptions,
    progress: &mut dyn Progress,
) -> Result<(), Failure> {
    let unwritable = || format!("cannot write {}", part.display());
    let mut file = File::options().create(true).write(true).truncate(false).open(part).with_context(unwritable)?;
    let mut done = file.metadata().with_context(unwritable)?.len();
    if remote.size.is_some_and(|size| done > size) {
        file.set_len(0).with_context(unwritable)?;
        done = 0;
    }
    if remote.size != Some(done) {
        let mut answer = client.get(&remote.location, Some(&format!("bytes={done}-")), |_| false)?;
        if answer.status == 416 && done > 0 {
            file.set_len(0).with_context(unwritable)?;
            let host = host(&answer.url);
            return Err(Failure::passing(anyhow!("{host} cannot go on after {done} bytes; beginning anew")));
        }
        let Reply { first, total } = read_reply(&answer, done, client, options)?;
        if let (Some(announced), Some(total)) = (remote.size, total)
            && announced != total
        {
            let host = host(&answer.url);
            let name = &options.file;
            return Err(anyhow!("the hub announced {announced} bytes of {name}, {host} sends {total}").into());
        }
        file.set_len(first).with_context(unwritable)?;
        file.seek(SeekFrom::Start(first)).with_context(unwritable)?;
        let total = remote.size.or(total);
        progress.begin(progress::stretch(&options.file, first, total));
        let began = Instant::now();
        let received = copy(&mut answer.body, &mut file, total.map(|total| total - first), &mut |received| {
            let position = first + received;
            let state = || progress::state(position, first, total, began.elapsed().as_secs_f64());
            progress.advance(position, &state);
        });
        progress.end();
        received.map_err(|broken| broken.explain(part, host(&answer.url), first, total))?;
    }
    file.sync_all().with_context(unwritable)?;
    Ok(())
}

/// Which bytes an answer holds.
struct Reply {
    first: u64,
    total: Option<u64>,
}

/// Understands the answer to a request for all bytes from `done` on.
fn read_reply(answer: &Answer, done: u64, client: &Client, options: &HubOptions) -> Result<Reply, Failure> {
    if matches!(answer.status, 200 | 206) && answer.is_web_page() {
        return Err(failure::web_page(&answer.url, options).into());
    }
    let host = host(&answer.url);
    match answer.status {
        // the whole file: the server knows no ranges
        200 => Ok(Reply { first: 0, total: answer.header("content-length").and_then(|text| text.parse().ok()) }),
        206 => match content_range(answer) {
            Some(range) if range.first == done => Ok(Reply { first: done, total: range.total }),
            _ => {
                let range = answer.header("content-range").unwrap_or_default();
                Err(anyhow!("{host} sends other bytes than those asked for (from {done}): Content-Range {range:?}")
                    .into())
            }
        },
        _ => Err(failure::refused(answer, client.is_endpoint(&answer.url), options)),
    }
}

/// How a transfer ended too early.
#[derive(Debug)]
enum Broken {
    /// The connection broke after so many bytes.
    Connection(u64, Option<io::Error>),
    /// The bytes could not be written.
    File(io::Error),
}

impl Broken {
    /// The failure of a transfer from `host` that began at byte `first`.
    fn explain(self, part: &Path, host: &str, first: u64, total: Option<u64>) -> Failure {
        let place = part.display();
        match self {
            Broken::Connection(received, cause) => {
                let of = total.map_or(String::new(), |total| format!(" of {}", size(total as f64)));
                let why = cause.map_or(String::new(), |cause| format!(" ({cause})"));
                let done = size((first + received) as f64);
                Failure::passing(anyhow!("the connection to {host} broke after {done}{of}{why}"))
            }
            Broken::File(cause) => {
                use ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
                let full = matches!(cause.kind(), StorageFull | QuotaExceeded | FileTooLarge);
                let need = total.map_or(String::new(), |total| format!(" of {}", size(total as f64)));
                let message = if full {
                    format!(
                        "no room for the file{need}: cannot write {place}; what came is kept, make room or set HF_HOME to \
                         another disk, and run the command again to go on"
                    )
                } else {
                    format!("cannot write {place}")
                };
                Error::new(cause).context(message).into()
            }
        }
    }
}

/// Writes all that comes, `most` bytes where that is known, and not one less; `each` is given the bytes so far.
fn copy(from: &mut dyn Read, to: &mut dyn Write, most: Option<u64>, each: &mut dyn FnMut(u64)) -> Result<(), Broken> {
    let mut buffer = vec![0; 1 << 17];
    let mut received = 0;
    while most.is_none_or(|most| received < most) {
        let room =
            most.map_or(buffer.len(), |most| buffer.len().min(usize::try_from(most - received).unwrap_or(usize::MAX)));
        match from.read(&mut buffer[..room]) {
            Ok(0) if most.is_none() => break,
            Ok(0) => return Err(Broken::Connection(received, None)),
            Ok(n) => {
                to.write_all(&buffer[..n]).map_err(Broken::File)?;
                received += n as u64;
                each(received);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Broken::Connection(received, Some(error))),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::failure::Remedy;

    /// Takes some bytes, then is full.
    struct Disk {
        bytes: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let n = bytes.len().min(self.room - self.bytes.len());
            self.bytes.extend_from_slice(&bytes[..n]);
            if n == 0 { Err(ErrorKind::StorageFull.into()) } else { Ok(n) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_keeps_what_came_and_says_what_to_do() {
        let source: Vec<u8> = (0..=255).cycle().take(400_000).collect();
        let mut disk = Disk { bytes: Vec::new(), room: 300_000 };
        let broken = copy(&mut &source[..], &mut disk, Some(400_000), &mut |_| {}).unwrap_err();
        assert_eq!(disk.bytes, source[..300_000]);
        let failure = broken.explain(Path::new("önbellek/x.part"), "hub.co", 0, Some(400_000));
        let message = failure.error.to_string();
        for part in ["no room", "önbellek/x.part", "HF_HOME", "390.6 KiB"] {
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(failure.remedy, Remedy::None);
    }

    #[test]
    fn an_early_end_is_a_broken_connection_and_bytes_after_the_end_are_left() {
        let source = [7; 100];
        let mut disk = Disk { bytes: Vec::new(), room: 1000 };
        let broken = copy(&mut &source[..], &mut disk, Some(101), &mut |_| {}).unwrap_err();
        assert!(matches!(broken, Broken::Connection(100, None)), "{broken:?}");
        let failure = broken.explain(Path::new("p"), "hub.co", 2048, Some(4096));
        assert!(matches!(failure.remedy, Remedy::Again(_)));
        assert!(failure.error.to_string().contains("after 2.1 KiB of 4.0 KiB"), "{}", failure.error);
        disk.bytes.clear();
        copy(&mut &source[..], &mut disk, Some(60), &mut |_| {}).unwrap();
        assert_eq!(disk.bytes.len(), 60);
        disk.bytes.clear();
        copy(&mut &source[..], &mut disk, None, &mut |_| {}).unwrap();
        assert_eq!(disk.bytes.len(), 100);
    }
}
