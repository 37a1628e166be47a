//! Plain text files: documents are separated by blank lines.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// All files meant by `paths`: a file itself, of a folder every `.txt` file below it, in name order.
pub fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        let kind = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
        if !kind.is_dir() {
            found.push(path.clone());
            continue;
        }
        let before = found.len();
        below(path, &mut found, 0)?;
        if found.len() == before {
            bail!("{} holds no .txt file; name files of another kind one by one", path.display());
        }
    }
    Ok(found)
}

/// Deepest folder that is searched: a guard against loops of links.
const DEEPEST: usize = 32;

fn below(folder: &Path, found: &mut Vec<PathBuf>, depth: usize) -> Result<()> {
    if depth > DEEPEST {
        bail!("{} lies more than {DEEPEST} folders deep", folder.display());
    }
    let unreadable = || format!("cannot read the folder {}", folder.display());
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        entries.push(entry.with_context(unreadable)?.path());
    }
    entries.sort();
    for path in entries {
        if path.is_dir() {
            below(&path, found, depth + 1)?;
        } else if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("txt")) {
            found.push(path);
        }
    }
    Ok(())
}

/// The text of a file, without a byte-order mark.
pub fn read(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        anyhow::anyhow!("{} is not UTF-8 text: byte {at} does not continue a character", path.display())
    })?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

/// The documents of a text: runs of lines between blank lines, without the line end of the last.
pub fn documents(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut from, mut end, mut at) = (None, 0, 0);
    for line in text.split_inclusive('\n') {
        if line.trim().is_empty() {
            if let Some(from) = from.take() {
                found.push(&text[from..end]);
            }
        } else {
            from = from.or(Some(at));
            end = at + line.trim_end_matches(['\n', '\r']).len();
        }
        at += line.len();
    }
    if let Some(from) = from {
        found.push(&text[from..end]);
    }
    found
}

/// Paths for a message, at most three.
pub fn names(paths: &[PathBuf]) -> String {
    let mut list: Vec<String> = paths.iter().take(3).map(|p| p.display().to_string()).collect();
    if paths.len() > list.len() {
        list.push(format!("{} more", paths.len() - list.len()));
    }
    list.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_separate_documents() {
        let text = "\n  \nbir\niki\r\n\r\n \t\nüç\n\n\n";
        assert_eq!(documents(text), ["bir\niki", "üç"]);
        assert_eq!(documents("tek"), ["tek"]);
        assert!(documents(" \n\n").is_empty());
    }

    #[test]
    fn text_that_is_not_utf8_names_file_and_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kötü.txt");
        fs::write(&path, b"abc\xff").unwrap();
        let message = read(&path).unwrap_err().to_string();
        assert!(message.contains("kötü.txt") && message.contains("byte 3"), "{message}");
        assert!(files(&[folder.path().join("yok")]).unwrap_err().to_string().contains("yok"));
        assert_eq!(files(&[folder.path().to_path_buf()]).unwrap(), std::slice::from_ref(&path));
        fs::remove_file(path).unwrap();
        assert!(files(&[folder.path().to_path_buf()]).unwrap_err().to_string().contains("no .txt file"));
    }
}
