//! The scenario on this machine, for comparison: `scenario-host MODEL SOLVER RESTORER`.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let paths: Vec<_> = std::env::args_os().skip(1).collect();
    let [text, boards, letters] = &paths[..] else {
        eprintln!("usage: scenario-host MODEL SOLVER RESTORER");
        return ExitCode::from(2);
    };
    let read = |path: &OsString| std::fs::read(path).map_err(|error| eprintln!("{}: {error}", path.display()));
    let (Ok(text), Ok(boards), Ok(letters)) = (read(text), read(boards), read(letters)) else { return ExitCode::from(2) };
    let mut arena = vec![0u32; 8 << 20];
    // SAFETY: the bytes of the numbers, borrowed as long.
    let arena = unsafe { std::slice::from_raw_parts_mut(arena.as_mut_ptr().cast::<u8>(), arena.len() * 4) };
    let mut out = std::io::stdout().lock();
    let mut written = Ok(());
    let mut print = |bytes: &[u8]| written = out.write_all(bytes);
    let done = scenario::run(&text, arena, &mut print)
        .and_then(|()| scenario::solve(&boards, arena, &mut print))
        .and_then(|()| scenario::restore(&letters, arena, &mut print));
    match (done, written) {
        (Ok(()), Ok(())) => ExitCode::SUCCESS,
        (done, written) => {
            eprintln!("scenario: {done:?}, output: {written:?}");
            ExitCode::FAILURE
        }
    }
}
