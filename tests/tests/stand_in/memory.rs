//! Device memory.

use cudarc::driver::result;
use ebt_tests::stand_in;

use crate::device::{Device, arguments, numbers};

#[test]
fn memory_is_not_a_number_until_it_is_written() {
    let device = Device::new();
    // small, and large enough to be mapped instead of filled
    for len in [3, 1000, 2_000_003] {
        assert!(device.read(&device.unwritten::<f32>(len)).iter().all(|v| v.is_nan()), "{len} elements");
    }
}

#[test]
fn allocations_fail_beyond_the_limit_and_succeed_again() {
    let device = Device::new();
    let kept = device.unwritten::<u8>(600);
    let before = stand_in::allocations();
    stand_in::limit_memory(Some(stand_in::memory_in_use() + 1000));
    // SAFETY: a size above zero
    let allocate = |bytes| unsafe { result::malloc_async(device.stream, bytes) };
    let fault = allocate(1001).unwrap_err();
    assert_eq!(format!("{:?}", fault.0), "CUDA_ERROR_OUT_OF_MEMORY");
    assert!(stand_in::last_failure().unwrap().contains("1001 bytes more are not to be had"));
    let first = allocate(600).unwrap();
    assert!(allocate(600).is_err());
    drop(kept);
    let second = allocate(600).unwrap();
    assert_eq!(stand_in::allocations(), before + 4);
    for address in [first, second] {
        // SAFETY: allocated above, freed once
        unsafe { result::free_async(address, device.stream) }.unwrap();
    }
    stand_in::limit_memory(None);
    assert_eq!(stand_in::memory_in_use(), 0);
}

#[test]
fn copies_that_leave_their_buffer_are_refused() {
    let device = Device::new();
    let (a, b) = (device.buffer(&numbers(10, 1)), device.unwritten::<f32>(10));
    // SAFETY: the driver checks the ranges
    unsafe {
        assert!(result::memcpy_dtod_async(b.address, a.address + 4, 40, device.stream).is_err());
        assert!(stand_in::last_failure().unwrap().contains("are in no buffer"));
        result::memcpy_dtod_async(b.address, a.address + 4, 36, device.stream).unwrap();
        assert!(result::memset_d8_async(b.address, 0, 41, device.stream).is_err());
        assert!(result::free_async(a.address + 4, device.stream).is_err());
    }
    assert_eq!(device.read(&b)[..9], numbers(10, 1)[1..]);
}

#[test]
fn bytes_overwritten_before_the_guard_page_are_found_when_the_buffer_is_freed() {
    let device = Device::new();
    // ends 15 bytes before the page, as far as the alignment allows
    let buffer = device.unwritten::<u8>(401);
    device.launch(("probe_write", "F32"), 1, 64, 0, arguments![buffer.address, 101_i64]).unwrap();
    let address = buffer.address;
    std::mem::forget(buffer);
    // SAFETY: allocated above, freed once
    assert!(unsafe { result::free_async(address, device.stream) }.is_err());
    assert!(stand_in::last_failure().unwrap().contains("bytes behind a buffer of 401 bytes were overwritten"));
}

#[test]
fn the_device_says_what_it_is() {
    let _device = Device::new();
    let device = result::device::get(0).unwrap();
    assert_eq!(result::device::get_name(device).unwrap(), "cpusim (no GPU)");
    assert!(result::device::get(1).is_err());
    use cudarc::driver::sys::CUdevice_attribute as A;
    let attribute = |which| {
        // SAFETY: the device was just got
        unsafe { result::device::get_attribute(device, which) }.unwrap()
    };
    assert_eq!(attribute(A::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT), 132);
    assert_eq!(attribute(A::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR), 9);
    assert_eq!(attribute(A::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN), 232_448);
    assert_eq!(attribute(A::CU_DEVICE_ATTRIBUTE_WARP_SIZE), 32);
}
