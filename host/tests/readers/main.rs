//! Every reader of the program under bytes that were changed: the bodies of `tests/fuzz`, for as long as a test may take.
//! `PROPTEST_CASES` says how many inputs each of them is given.
#![allow(clippy::unwrap_used)]

mod memory;
mod mutation;
#[path = "../../../tests/fuzz/src/lib.rs"]
mod readers;

use std::fs;
use std::path::Path;

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

fn check(name: &str, cases: u32) {
    let reader = READERS.iter().find(|reader| reader.name == name).unwrap();
    let seeds = [(reader.seeds)(), kept(reader)].concat();
    assert!(!seeds.is_empty());
    seeds.iter().for_each(|seed| read(reader, seed));
    read(reader, &[]);
    let cases = std::env::var("PROPTEST_CASES").map_or(cases, |text| text.parse().unwrap());
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let run = TestRunner::new(config).run(&mutation::of(seeds), |input| {
        read(reader, &input.0);
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{name}: {error}"));
}

macro_rules! readers {
    ($($name:ident: $cases:expr,)*) => {
        $(
            #[test]
            fn $name() {
                check(stringify!($name), $cases);
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
    model: 2000,
    state: 2000,
    packed: 3000,
    compact: 3000,
    tokenizer: 2000,
    ids: 3000,
    shard: 3000,
    manifest: 2000,
    journal: 500,
    text: 3000,
    columnar: 2000,
    config: 3000,
    certificate: 2000,
    metrics: 3000,
    c_interface: 3000,
}
