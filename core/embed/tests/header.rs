//! The header is what the source says: it is made again and compared.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use cbindgen::{Builder, Config};

/// `EBT_BLESS=1 cargo test -p ebt --test header` writes the header after a change of the interface.
#[test]
fn the_header_is_that_of_the_source() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = Config::from_file(folder.join("cbindgen.toml")).unwrap();
    let builder = Builder::new().with_config(config).with_src(folder.join("src/c/mod.rs"));
    let mut made = Vec::new();
    builder.generate().unwrap().write(&mut made);
    let (made, path) = (String::from_utf8(made).unwrap(), folder.join("include/ebt.h"));
    if std::env::var_os("EBT_BLESS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(made == found, "include/ebt.h is old: EBT_BLESS=1 cargo test -p ebt --test header");
}
