//! What the pages of the guide name: files, and tests. A name is a span of code, `like/this.rs`.

use std::path::Path;

/// Endings of names that are files.
const ENDINGS: [&str; 8] = [".rs", ".cu", ".cuh", ".md", ".sh", ".py", ".toml", ".json"];

/// The spans of code of a line.
fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The alternatives of `a{b,c}d`.
fn alternatives(name: &str) -> Vec<String> {
    match name.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?))) {
        Some((before, (inner, after))) => inner.split(',').map(|part| format!("{before}{part}{after}")).collect(),
        None => vec![name.to_owned()],
    }
}

/// Whether `name`, whose last part may hold one `*`, is there.
fn exists(folder: &Path, name: &str) -> bool {
    let path = folder.join(name);
    let Some((head, tail)) = name.rsplit('/').next().and_then(|last| last.split_once('*')) else {
        return path.exists();
    };
    let Some(Ok(entries)) = path.parent().map(std::fs::read_dir) else { return false };
    entries.flatten().any(|entry| {
        let found = entry.file_name().to_string_lossy().into_owned();
        found.len() >= head.len() + tail.len() && found.starts_with(head) && found.ends_with(tail)
    })
}

/// Whether a span is meant to be a path: it ends like a file, or begins with a folder of the repository.
fn is_path(root: &Path, span: &str) -> bool {
    let plain = span.chars().all(|c| c.is_ascii_alphanumeric() || "_-./*{},".contains(c));
    let first = span.split('/').next().unwrap_or_default();
    plain
        && (ENDINGS.iter().any(|end| span.ends_with(end))
            || span.contains('/') && root.join(first).is_dir() && !first.is_empty())
}

/// Paths that a page names and the repository lacks. In a table a path may count from the folder that heads its column;
/// `invented` are names of files that the reader is told to make.
pub fn missing_paths(root: &Path, page: &str, invented: &[&str]) -> Vec<String> {
    let mut missing = Vec::new();
    let mut columns: Vec<Option<&str>> = Vec::new();
    for line in page.lines() {
        let table = line.starts_with('|');
        if !table {
            columns.clear();
        }
        let cells: Vec<&str> = if table { line.split('|').skip(1).collect() } else { vec![line] };
        if table && columns.is_empty() {
            columns = cells.iter().map(|cell| spans(cell).find(|span| is_path(root, span))).collect();
        }
        for (number, cell) in cells.iter().enumerate() {
            let base = columns.get(number).copied().flatten();
            let in_column = |span: &str| base.is_some_and(|_| span.contains('/')) || is_path(root, span);
            for span in spans(cell).filter(|span| in_column(span) && !invented.contains(span)) {
                let there =
                    |name: &String| exists(root, name) || base.is_some_and(|base| exists(&root.join(base), name));
                if !alternatives(span).iter().all(there) {
                    missing.push(span.to_owned());
                }
            }
        }
    }
    missing
}

/// Names of functions in the column `held equal by` of a page's tables.
pub fn tests_named(page: &str) -> Vec<String> {
    let mut named = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        inside = line.starts_with('|') && (inside || line.ends_with("| held equal by |"));
        let last = line.trim_end_matches('|').rsplit('|').next().filter(|_| inside).unwrap_or_default();
        let names = spans(last).map(|span| span.rsplit("::").next().unwrap_or(span));
        named.extend(names.filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '_')).map(str::to_owned));
    }
    named
}
