//! A kill at any instant: whatever a command had written, every file under its own name is whole, and the same command, or
//! `train --resume`, goes on to the bytes of a run that nobody disturbed.
//!
//! An instant is a place among the calls by which the program changes files, before the call or in the middle of a write
//! (on Linux, [`calls`]), or a moment of time. None of them may matter, so that no outcome depends on a clock. A seed draws
//! them: `EBT_KILLS_SEED`, and `EBT_KILLS` times as many, for long runs by hand.
#![allow(clippy::unwrap_used)]

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod calls;
mod files;
mod instant;
#[path = "../support/mod.rs"]
mod support;
mod work;

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use instant::{Extent, Instants};
use work::{Export, Import, Merge, Prepare, Replace, TokenizerTrain, Train, Work};

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// The program in a folder.
fn command(at: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ebt"));
    command.args(arguments).current_dir(at).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn succeeds(at: &Path, arguments: &[&str]) {
    let output = command(at, arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Kills a piece of work `kills` times, at instants of which each is drawn anew if the work was done before it.
fn kill(work: &dyn Work, kills: u64) {
    let kills = kills * number("EBT_KILLS", 1);
    let seed = number("EBT_KILLS_SEED", 12);
    let mut instants = Instants::new(seed, work.name());
    let place = tempfile::tempdir().unwrap();
    // always the same, as files hold whole paths
    let at = place.path().join("at");
    let begin = || {
        fs::create_dir(&at).unwrap();
        work.begin(&at);
        files::all(&at)
    };
    let before = begin();
    let extent = Extent::of(&mut command(&at, &work.arguments(&at).unwrap()));
    let expected = files::all(&at);
    work.check(&at, &before, &expected);

    let (mut done, mut drawn) = (0, 0);
    while done < kills {
        fs::remove_dir_all(&at).unwrap();
        begin();
        // what goes on is killed again, now and then
        let mut killed = 0;
        while let Some(arguments) = work.arguments(&at) {
            let last = killed == 3 || (killed > 0 && instants.below(3) > 0);
            let instant = (!last).then(|| instants.draw(&extent));
            let place = format!("{} with EBT_KILLS_SEED={seed}, kill {done}: {instant:?}", work.name());
            let Some(instant) = instant else {
                succeeds(&at, &arguments);
                break;
            };
            drawn += 1;
            if !instant.kill(&mut command(&at, &arguments), &place) {
                break;
            }
            (done, killed) = (done + 1, killed + 1);
            files::are_whole(&at, &[&before, &expected], &place);
            work.check_partial(&at, &place);
        }
        let found = files::all(&at);
        files::equal(&work.compared(&found), &work.compared(&expected), work.name());
        work.check(&at, &before, &expected);
        assert!(drawn < 20 + 4 * kills, "{}: {done} of {drawn} instants came before the end", work.name());
    }
    eprintln!("{}: {done} kills at {drawn} instants", work.name());
}

#[test]
fn training_goes_on_to_the_same_bits() {
    kill(&Train, 80);
}

#[test]
fn preparing_data_goes_on_to_the_same_bytes() {
    kill(&Prepare, 50);
    kill(&Replace, 25);
}

#[test]
fn merging_parts_goes_on_to_the_same_bytes() {
    kill(&Merge, 20);
}

#[test]
fn learning_a_tokenizer_writes_whole_files_or_none() {
    kill(&TokenizerTrain, 20);
}

#[test]
fn export_and_import_write_whole_files_or_none() {
    kill(&Export { packed: false }, 15);
    kill(&Export { packed: true }, 10);
    kill(&Import, 10);
}
