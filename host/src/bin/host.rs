//! The command `host`: the program `ebt` under the name that it had first.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    ebt_host::program::main()
}
