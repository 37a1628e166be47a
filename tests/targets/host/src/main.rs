//! The scenario on this machine, for comparison: `scenario-host MODEL`.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("usage: scenario-host MODEL");
        return ExitCode::from(2);
    };
    let model = match std::fs::read(&path) {
        Ok(model) => model,
        Err(error) => {
            eprintln!("{}: {error}", path.display());
            return ExitCode::from(2);
        }
    };
    let mut arena = vec![0u32; 8 << 20];
    // SAFETY: the bytes of the numbers, borrowed as long.
    let arena = unsafe { std::slice::from_raw_parts_mut(arena.as_mut_ptr().cast::<u8>(), arena.len() * 4) };
    let mut out = std::io::stdout().lock();
    let mut written = Ok(());
    let done = scenario::run(&model, arena, &mut |bytes| written = out.write_all(bytes));
    match (done, written) {
        (Ok(()), Ok(())) => ExitCode::SUCCESS,
        (done, written) => {
            eprintln!("scenario: {done:?}, output: {written:?}");
            ExitCode::FAILURE
        }
    }
}
