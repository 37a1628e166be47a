//! Files as every system can hold them: names that Windows and macOS know too, and bytes that git leaves as they are.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::root;

/// Names of devices on Windows, with any extension; two of them with a digit.
const DEVICES: [&str; 6] = ["aux", "con", "nul", "prn", "com#", "lpt#"];
/// Folders of what is made and not kept.
const IGNORED: [&str; 7] = [".git", "__pycache__", "artifacts", "node_modules", "runs", "shared", "target"];
/// Longest path: Windows has 260 characters with the folder that the repository is in.
const LONGEST: usize = 120;

/// All files of the repository.
fn all() -> Vec<PathBuf> {
    let (mut found, mut waiting) = (Vec::new(), vec![root()]);
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if !path.is_dir() {
                found.push(path);
            } else if !IGNORED.contains(&&*name) {
                waiting.push(path);
            }
        }
    }
    found
}

fn is_usual(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().to_lowercase();
    let stem = stem.replace(|c: char| c.is_ascii_digit(), "#");
    !DEVICES.contains(&&*stem)
        && !name.ends_with(['.', ' '])
        && !name.contains(['<', '>', ':', '"', '|', '?', '*', '\\'])
}

#[test]
fn every_system_can_hold_the_files() {
    let mut folded: HashMap<String, PathBuf> = HashMap::new();
    for path in all() {
        let relative = path.strip_prefix(root()).unwrap().to_path_buf();
        let text = relative.to_str().unwrap();
        assert!(text.chars().count() <= LONGEST, "{text} is too long");
        assert!(relative.iter().all(|name| is_usual(&name.to_string_lossy())), "{text} is no name on Windows");
        if let Some(other) = folded.insert(text.to_lowercase(), relative.clone()) {
            panic!("{} and {text} are one file where case does not count", other.display());
        }
    }
    for name in ["con", "AUX.txt", "com1.rs", "a.", "a b ", "a:b", r"a\b"] {
        assert!(!is_usual(name), "{name}");
    }
    assert!(["console.rs", "com.rs", "com12", "null"].into_iter().all(is_usual));
}

/// Whether `.gitattributes` calls a file binary: by its extension (`*.bin binary`), or by its folder (`/a/b/** binary`).
fn is_binary(attributes: &str, path: &Path) -> bool {
    attributes.lines().filter_map(|line| line.strip_suffix(" binary")).any(|pattern| {
        let extension = |wanted| path.extension().is_some_and(|extension| extension == wanted);
        let folder = pattern.strip_prefix('/').and_then(|folder| folder.strip_suffix("/**"));
        pattern.strip_prefix("*.").is_some_and(extension) || folder.is_some_and(|folder| path.starts_with(folder))
    })
}

#[test]
fn git_changes_no_line_end_and_no_byte() {
    let attributes = fs::read_to_string(root().join(".gitattributes")).unwrap();
    assert!(attributes.lines().any(|line| line == "* text=auto eol=lf"));
    for path in all() {
        let bytes = fs::read(&path).unwrap();
        let (shown, binary) = (path.display(), is_binary(&attributes, path.strip_prefix(root()).unwrap()));
        let text = std::str::from_utf8(&bytes).is_ok() && !bytes.contains(&0);
        assert!(text || binary, "{shown} holds no text: .gitattributes must name its extension or its folder");
        assert!(binary || !bytes.windows(2).any(|pair| pair == b"\r\n"), "{shown} has line ends of Windows");
    }
}
