//! Programs that are given their standard input.

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// Runs a command that is given its standard input, which it need not read to its end.
pub fn fed(arguments: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ebt"));
    command.args(arguments);
    feed(command, input)
}

/// Runs a command whose three streams are pipes on this input; one that ends before it has read all is no failure of the writer.
pub fn feed(mut command: Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || drop(pipe.write_all(input)));
        child.wait_with_output().unwrap()
    })
}
