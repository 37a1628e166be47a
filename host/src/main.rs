//! The command `ebt`: train, evaluate and generate with energy-based transformers.

#![forbid(unsafe_code)]

#[global_allocator]
static ALLOCATOR: ebt_data::allocator::Allocator = ebt_data::allocator::Allocator;

fn main() -> std::process::ExitCode {
    ebt_host::program::main()
}
