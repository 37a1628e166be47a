//! What boards must say: `boards/speak/expected.txt` and the checksum in `expected.h` are what this machine generates.
//! `EBT_WRITE_BOARDS=1` writes both anew.
#![allow(clippy::unwrap_used)]

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use ebt::packed::Storage;
use ebt::{DescentOptions, Generator, Options, Sampling, SessionOptions, Settings};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("boards/speak")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

/// What `expected.h` defines a name as.
fn defined(header: &str, name: &str) -> String {
    let line = header.lines().find_map(|line| line.strip_prefix(&format!("#define {name} ")));
    line.unwrap().trim_matches('"').to_owned()
}

/// FNV-1a, as in `speak.c`.
fn folded(sum: u32, bytes: [u8; 4]) -> u32 {
    bytes.iter().fold(sum, |sum, &byte| (sum ^ u32::from(byte)).wrapping_mul(16_777_619))
}

#[test]
fn boards_say_what_this_machine_says() {
    let header = read("expected.h");
    let prompt = defined(&header, "SPEAK_PROMPT");
    let tokens: u32 = defined(&header, "SPEAK_TOKENS").parse().unwrap();
    let memory = defined(&header, "SPEAK_MEMORY");
    let kilobytes: usize = memory.trim_start_matches('(').split('u').next().unwrap().parse().unwrap();

    let model = std::fs::read(folder().join("../../../../fixtures/micro-model.ebp")).unwrap();
    let session =
        SessionOptions { block: 1, steps: 2, trials: false, cache: Storage::Int8, ..SessionOptions::default() };
    let options = Options { session, prompt: 64 };
    let needed = Generator::bytes_needed(&model, &options).unwrap();
    // beside the generator lies its handle
    assert!(needed + 512 <= kilobytes << 10, "{needed} bytes do not fit {memory}");
    let mut bytes = vec![0; needed];
    let mut generator = Generator::new(&model, &options, &mut bytes).unwrap();
    let think = DescentOptions { seed: 1, ..DescentOptions::default() };
    let settings = Settings { think, sampling: Sampling { temperature: 0.7, ..Sampling::default() } };

    generator.prompt(&prompt).unwrap();
    let (mut text, mut sum) = (prompt, 2_166_136_261);
    for _ in 0..tokens {
        let Some(token) = generator.next(&settings, &mut |_| ControlFlow::Continue(())).unwrap() else { break };
        text.extend(token.text.pieces());
        sum = folded(folded(sum, token.id.to_le_bytes()), token.probability.to_le_bytes());
    }
    let said = format!("{text}\nchecksum {sum:08x}: the bits of every other machine\n");
    if std::env::var_os("EBT_WRITE_BOARDS").is_some() {
        let old = defined(&header, "SPEAK_CHECKSUM");
        std::fs::write(folder().join("expected.h"), header.replace(&old, &format!("0x{sum:08x}u"))).unwrap();
        std::fs::write(folder().join("expected.txt"), said).unwrap();
        return;
    }
    assert_eq!(said, read("expected.txt"));
    assert_eq!(defined(&header, "SPEAK_CHECKSUM"), format!("0x{sum:08x}u"));
}
