//! The command `ebt`: train, evaluate and generate with energy-based transformers.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    ebt_host::program::main()
}
