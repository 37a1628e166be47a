//! The command `host`: the program `ebt` under the name that it had first.

#![forbid(unsafe_code)]

#[global_allocator]
static ALLOCATOR: ebt_data::allocator::Allocator = ebt_data::allocator::Allocator;

fn main() -> std::process::ExitCode {
    ebt_host::program::main()
}
