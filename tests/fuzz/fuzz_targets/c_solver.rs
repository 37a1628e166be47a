#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ebt_fuzz::run("c_solver", bytes));
