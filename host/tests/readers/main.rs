//! Every reader of the program under bytes that were changed: the bodies of `tests/fuzz`, for as long as a test may take.
//! `PROPTEST_CASES` says how many inputs each of them is given.
#![allow(clippy::unwrap_used)]

mod memory;
mod mutation;
#[path = "../../../tests/fuzz/src/lib.rs"]
mod readers;

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use proptest::test_runner::{Config, TestRunner};
use readers::{READERS, Reader};

/// Inputs that were kept: seeds of other programs, and what a reader once broke on.
fn kept(reader: &Reader) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus").join(reader.name);
    let Ok(list) = fs::read_dir(folder) else { return Vec::new() };
    list.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}

/// One input, within the memory that the reader may take.
fn read(reader: &Reader, bytes: &[u8]) {
    let ((), peak) = memory::peak(|| readers::run(reader.name, bytes));
    let most = reader.memory + 64 * bytes.len();
    assert!(peak <= most, "{}: {peak} bytes of memory for an input of {}", reader.name, bytes.len());
}

/// Where [`read_apart`] leaves its input.
const APART: &str = "EBT_READ_APART";

/// One input in a process of its own. It ends well, or in the sentence of a decoder that asked for more memory than there is.
fn read_apart(reader: &Reader, bytes: &[u8]) {
    let input = tempfile::NamedTempFile::new().unwrap();
    fs::write(input.path(), bytes).unwrap();
    let mut apart = Command::new(env::current_exe().unwrap());
    apart
        .args(["--exact", "apart", "--ignored", "--nocapture"])
        .env(APART, input.path())
        .env("EBT_READER", reader.name);
    let output = apart.output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    let told = output.status.code() == Some(1) && message.contains("of memory at once, more than there is");
    assert!(output.status.success() || told && message.contains("input."), "{}: {message}", reader.name);
}

#[test]
#[ignore = "one input of `read_apart`"]
fn apart() {
    let named = |name: &str| READERS.iter().find(|reader| reader.name == name).unwrap();
    let (path, reader) = (env::var_os(APART).unwrap(), named(&env::var("EBT_READER").unwrap()));
    // of the memory that a decoder takes without touching it nothing is said
    readers::run(reader.name, &fs::read(path).unwrap());
}

fn check(name: &str, cases: u32, read: fn(&Reader, &[u8])) {
    let reader = READERS.iter().find(|reader| reader.name == name).unwrap();
    let seeds = [(reader.seeds)(), kept(reader)].concat();
    assert!(!seeds.is_empty());
    seeds.iter().for_each(|seed| read(reader, seed));
    read(reader, &[]);
    let cases = env::var("PROPTEST_CASES").map_or(cases, |text| text.parse().unwrap());
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let run = TestRunner::new(config).run(&mutation::of(seeds), |input| {
        read(reader, &input.0);
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{name}: {error}"));
}

macro_rules! readers {
    ($($name:ident: $cases:expr, $read:expr;)*) => {
        $(
            #[test]
            fn $name() {
                check(stringify!($name), $cases, $read);
            }
        )*

        #[test]
        fn every_reader_is_tested() {
            let tested = [$(stringify!($name)),*];
            assert_eq!(READERS.iter().map(|reader| reader.name).collect::<Vec<_>>(), tested);
        }
    };
}

readers! {
    model: 2000, read;
    state: 2000, read;
    packed: 3000, read;
    compact: 3000, read;
    tokenizer: 2000, read;
    ids: 3000, read;
    shard: 3000, read;
    manifest: 2000, read;
    journal: 500, read;
    text: 3000, read;
    // its decoders are of other houses, and abort where memory ends
    columnar: 400, read_apart;
    config: 3000, read;
    certificate: 2000, read;
    metrics: 3000, read;
    boards: 3000, read;
    c_interface: 3000, read;
    c_solver: 3000, read;
}
