//! Prints the folder of the stand-in for NVIDIA's libraries, for `EBT_CUDA_LIBS`:
//!
//! ```sh
//! EBT_CUDA_LIBS=$(cargo run -q --release -p ebt-tests --example stand_in) \
//!     cargo test --release -p ebt-cuda --lib --locked -- --include-ignored
//! ```
fn main() -> std::process::ExitCode {
    #[cfg(target_os = "linux")]
    {
        println!("{}", ebt_tests::stand_in::library_directory().display());
        std::process::ExitCode::SUCCESS
    }
    #[cfg(not(target_os = "linux"))]
    {
        eprintln!("error: the stand-in is built on Linux only");
        std::process::ExitCode::FAILURE
    }
}
