//! The interface of the package `ebt`, item by item: what changes in it changes `core/embed/public-api.txt` too.
#![allow(clippy::unwrap_used)]

mod modules;
mod print;

use std::path::Path;

/// Where the interface is written down.
const SNAPSHOT: &str = "core/embed/public-api.txt";

/// A difference is either a mistake, or a change that needs a new version (`ebt`, *Stability*) and this file anew:
/// `EBT_WRITE_API=1 cargo test -p ebt-tests --test public_api`.
#[test]
fn the_interface_of_ebt_is_the_one_written_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let lines = modules::interface("ebt", &root.join("core/embed/src/lib.rs"));
    assert!(lines.len() > 100, "the sources are where they are looked for");
    let found = lines.join("\n") + "\n";
    let path = root.join(SNAPSHOT);
    if std::env::var_os("EBT_WRITE_API").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    let missing: Vec<_> = written.lines().filter(|line| !lines.iter().any(|l| l == line)).collect();
    let new: Vec<_> = lines.iter().filter(|line| !written.lines().any(|l| l == *line)).collect();
    assert!(missing.is_empty() && new.is_empty(), "gone from the interface: {missing:#?}\nnew in it: {new:#?}");
}

#[test]
fn what_is_public_is_found_and_what_is_not_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "lib.rs",
        "mod inner; pub mod open { pub fn f(x: u8) -> u8 { x } fn g() {} } pub use inner::{A, deep::B as C};",
    );
    write(
        "inner.rs",
        "#[non_exhaustive] pub struct A { pub x: u8, y: u8 } pub struct Hidden; pub mod deep { pub enum B { One } }
         impl A { pub fn new() -> Self { A { x: 1, y: 2 } } fn own(&self) {} pub(crate) fn near(&self) {} }
         pub(super) trait Near {} impl Near for A {}
         impl Clone for A { fn clone(&self) -> A { A::new() } }
         #[cfg(test)] mod tests { pub fn t() {} }",
    );
    let lines = modules::interface("demo", &folder.path().join("lib.rs"));
    assert_eq!(
        lines,
        [
            "#[non_exhaustive] pub struct demo::A { pub x: u8, .. }",
            "impl Clone for demo::A",
            "pub enum demo::C { One }",
            "pub fn demo::A::new() -> Self",
            "pub fn demo::open::f(x: u8) -> u8",
            "pub mod demo::open",
        ]
    );
}
