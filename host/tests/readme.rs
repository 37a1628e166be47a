//! The front page and the guides say what happens: what stands after `$ ` in them is run, and prints what stands below it.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folders of guides, from the top of the repository.
const GUIDES: [&str; 6] =
    ["host/guide", "core/guide", "core/embed/guide", "cuda/guide", "tokenizer/guide", "fixtures/results"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The front page and every page of a guide.
fn pages() -> Vec<PathBuf> {
    let in_folder = |folder| fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> = GUIDES.into_iter().flat_map(in_folder).collect();
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.push(root().join("README.md"));
    pages.sort();
    pages
}

/// Runs a line of a shell in `folder`, where `ebt` is the program; what it printed.
fn run(line: &str, folder: &Path) -> String {
    let programs = folder.join("programs");
    if !programs.is_dir() {
        fs::create_dir(&programs).unwrap();
        symlink(env!("CARGO_BIN_EXE_ebt"), programs.join("ebt")).unwrap();
    }
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("sh").args(["-ec", line]).current_dir(folder).env("PATH", path).output().unwrap();
    assert!(output.status.success(), "{line}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The commands of the blocks marked `console`, with what each is said to print.
fn sessions(page: &str) -> Vec<(String, String)> {
    let blocks = page.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut sessions = Vec::<(String, String)>::new();
    for line in blocks.flat_map(str::lines) {
        match (line.strip_prefix("$ "), sessions.last_mut()) {
            (Some(command), _) => sessions.push((command.to_owned(), String::new())),
            (None, Some((_, printed))) => *printed += &format!("{line}\n"),
            (None, None) => panic!("a block of `console` begins with a command: {line}"),
        }
    }
    sessions
}

#[test]
fn commands_print_what_pages_say() {
    let folder = tempfile::tempdir().unwrap();
    let mut commands = 0;
    for path in pages() {
        for (command, said) in sessions(&fs::read_to_string(&path).unwrap()) {
            assert_eq!(run(&command, folder.path()), said, "{}: {command}", path.display());
            commands += 1;
        }
    }
    assert!(commands > 5, "the pages hold commands: {commands}");
}

#[test]
fn the_picture_on_the_front_page_is_what_its_command_draws() {
    let (folder, page) = (tempfile::tempdir().unwrap(), fs::read_to_string(root().join("README.md")).unwrap());
    let command =
        page.lines().find_map(|line| line.strip_prefix("    ebt plot").filter(|line| line.contains("--out board.svg")));
    run(&format!("ebt plot{}", command.unwrap()), folder.path());
    let [drawn, shown] = [folder.path().join("board.svg"), root().join("fixtures/pictures/board.svg")].map(fs::read);
    assert!(drawn.unwrap() == shown.unwrap(), "fixtures/pictures/board.svg is another picture: draw it again");
}

#[test]
fn the_front_page_is_short_and_links_lead_somewhere() {
    for path in pages() {
        let page = fs::read_to_string(&path).unwrap();
        for link in page.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap();
            let there = file.is_empty() || link.contains("://") || path.parent().unwrap().join(file).exists();
            assert!(there, "{}: {link} leads nowhere", path.display());
        }
    }
    let lines = fs::read_to_string(root().join("README.md")).unwrap().lines().count();
    assert!(lines <= 130, "the front page has {lines} lines");
}
