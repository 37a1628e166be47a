//! Chooses the memory layout of the target and finds the models that go into the image.

use std::path::Path;

fn main() {
    let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let target = std::env::var("TARGET").expect("cargo sets TARGET");
    let layout = match target.as_str() {
        "thumbv7em-none-eabihf" | "thumbv6m-none-eabi" => "cortex_m.x",
        "aarch64-unknown-none" => "aarch64.x",
        "riscv32imac-unknown-none-elf" => "riscv32.x",
        other => panic!("the firmware has no memory layout for {other}"),
    };
    println!("cargo:rustc-link-search={folder}/layout");
    println!("cargo:rustc-link-arg-bins=-T{layout}");
    println!("cargo:rerun-if-changed=layout");
    for name in ["EBT_MODEL", "EBT_SOLVER", "EBT_RESTORER"] {
        println!("cargo:rerun-if-env-changed={name}");
        let model = std::env::var(name).unwrap_or_else(|_| panic!("{name} names a packed model for the image"));
        assert!(Path::new(&model).is_absolute(), "{name} must be an absolute path, got {model}");
        println!("cargo:rerun-if-changed={model}");
    }
}
