//! The compiler and the images it makes.

use cudarc::driver::result;
use ebt_tests::stand_in;

use crate::device::{Device, HEADERS, PROBE, compile};

fn load(image: &[u8]) -> Result<cudarc::driver::sys::CUmodule, String> {
    // SAFETY: an image that ends with a zero byte
    unsafe { result::module::load_data(image.as_ptr().cast()) }
        .map_err(|e| format!("{:?}: {}", e.0, stand_in::last_failure().unwrap_or_default()))
}

#[test]
fn mistakes_in_texts_and_options_are_in_the_log() {
    let log = compile("#error this is wrong\n", Some("sm_90"), "F32", HEADERS).unwrap_err();
    assert!(log.contains("probe.cu(1)") && log.contains("this is wrong"), "{log}");
    let log = compile(PROBE, Some("sm_90"), "F32", &HEADERS[..1]).unwrap_err();
    assert!(log.contains("cannot open source file \"device.cuh\""), "{log}");
    let log = compile(PROBE, None, "F32", HEADERS).unwrap_err();
    assert!(log.contains("no architecture"), "{log}");
    let log = compile(PROBE, Some("sm_13"), "F32", HEADERS).unwrap_err();
    assert!(log.contains("sm_13"), "{log}");
}

#[test]
fn images_are_loaded_where_a_device_would_load_them() {
    let _device = Device::new();
    let image = |architecture| compile(PROBE, Some(architecture), "F16", HEADERS).unwrap();
    for good in ["sm_90", "sm_90a"] {
        let module = load(&image(good)).unwrap();
        // SAFETY: loaded above, no function of it is used
        unsafe { result::module::unload(module) }.unwrap();
    }
    for bad in ["sm_80", "sm_100", "sm_100a"] {
        let fault = load(&image(bad)).unwrap_err();
        assert!(fault.contains("NO_BINARY_FOR_GPU") && fault.contains(bad), "{fault}");
    }
    let fault = load(b"\x7fELF whatever\0").unwrap_err();
    assert!(fault.contains("INVALID_IMAGE"), "{fault}");
    let stale = compile(&format!("{PROBE}// changed\n"), Some("sm_90"), "F16", HEADERS).unwrap();
    let fault = load(&stale).unwrap_err();
    assert!(fault.contains("not built with"), "{fault}");
}

#[test]
fn a_module_has_the_kernels_of_its_storage_type_only() {
    let _device = Device::new();
    let module = load(&compile(PROBE, Some("sm_90"), "BF16", HEADERS).unwrap()).unwrap();
    let find = |name: &std::ffi::CStr| {
        // SAFETY: the module is loaded
        unsafe { result::module::get_function(module, name.to_owned()) }
    };
    assert!(find(c"probe_sum_bf16").is_ok());
    assert!(find(c"probe_sum_f16").is_err());
    assert!(find(c"probe_nothing_bf16").is_err());
}
