//! Whole programs find the stand-in through the dynamic linker and are set up by the environment.

use std::process::Command;

use cudarc::driver::sys::CUdevice_attribute as Attribute;
use cudarc::driver::{result, sys};
use ebt_tests::stand_in;

#[test]
fn the_linker_finds_it_under_nvidias_names() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "programs::a_program_of_its_own", "--ignored", "--test-threads=1"])
        .env("LD_LIBRARY_PATH", stand_in::library_directory())
        .env("EBT_STAND_IN_CAPABILITY", "8.6")
        .env("EBT_STAND_IN_MEMORY", "100000")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&child.stderr));
}

#[test]
#[ignore = "started by the test above, in its environment"]
fn a_program_of_its_own() {
    // SAFETY: only looks for the libraries, and calls with arguments of the right types
    unsafe {
        assert!(sys::is_culib_present());
        assert!(cudarc::nvrtc::sys::is_culib_present());
        assert!(cudarc::cublaslt::sys::is_culib_present());
        result::init().unwrap();
        let device = result::device::get(0).unwrap();
        result::ctx::set_current(result::primary_ctx::retain(device).unwrap()).unwrap();
        assert_eq!(
            result::device::get_attribute(device, Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR),
            Ok(8)
        );
        assert_eq!(
            result::device::get_attribute(device, Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR),
            Ok(6)
        );
        let kept = result::malloc_sync(60_000).unwrap();
        assert_eq!(result::mem_get_info().unwrap(), (40_000, 100_000));
        assert!(result::malloc_sync(40_001).is_err());
        result::free_sync(kept).unwrap();
    }
}
