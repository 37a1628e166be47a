//! Kernels with mistakes: each is found, with a sentence that says where, and the device goes on working.

use ebt_tests::stand_in::{self, SCHEDULES};

use crate::device::{Device, arguments, numbers};

/// Whether the sentence has all the parts.
fn says(sentence: &str, parts: &[&str]) {
    for part in parts {
        assert!(sentence.contains(part), "no {part:?} in: {sentence}");
    }
}

#[test]
fn a_missing_barrier_shows_under_some_schedule() {
    let device = Device::new();
    let x = numbers(512, 3);
    let a = device.buffer(&x);
    for dynamic in [0_i32, 1] {
        let wrong = SCHEDULES.filter(|order| {
            stand_in::schedule(*order);
            let b = device.unwritten::<f32>(512);
            device
                .launch(("probe_reverse", "F32"), 2, 256, 1024, arguments![b.address, a.address, 0_i32, dynamic])
                .unwrap();
            let y = device.read(&b);
            (0..512).any(|i| y[i] != x[i / 256 * 256 + 255 - i % 256])
        });
        assert!(wrong.count() > 0);
    }
}

#[test]
fn shared_memory_that_nothing_was_written_to_is_not_a_number() {
    let device = Device::new();
    for dynamic in [0_i32, 1] {
        let y = device.unwritten::<f32>(768);
        device.launch(("probe_unwritten", "F32"), 3, 256, 1024, arguments![y.address, dynamic]).unwrap();
        // also in later blocks, where static memory was written to by the block before
        assert!(device.read(&y).iter().all(|v| v.is_nan()), "dynamic {dynamic}");
    }
}

#[test]
fn a_shuffle_that_not_all_its_lanes_reach() {
    let device = Device::new();
    let y = device.buffer(&[0.0_f32; 64]);
    for order in SCHEDULES {
        stand_in::schedule(order);
        let fault = device.launch(("probe_divergent", "F32"), 1, 64, 0, arguments![y.address]).unwrap_err();
        says(&fault, &["kernel probe_divergent_f32", "block (0,0,0)", "probe.cu:"]);
        assert!(fault.contains("exit"), "{fault}");
    }
}

#[test]
fn threads_that_wait_for_each_other() {
    let device = Device::new();
    let y = device.buffer(&[0.0_f32; 64]);
    for order in SCHEDULES {
        stand_in::schedule(order);
        let fault = device.launch(("probe_deadlock", "F32"), 1, 64, 0, arguments![y.address]).unwrap_err();
        says(&fault, &["deadlock", "63 wait at a block barrier", "1 at a warp operation", "probe.cu:"]);
    }
}

#[test]
fn barriers_at_different_places() {
    let device = Device::new();
    let y = device.buffer(&[0.0_f32; 64]);
    let fault = device.launch(("probe_two_barriers", "F32"), 1, 64, 0, arguments![y.address]).unwrap_err();
    says(&fault, &["waits at the barrier", "while others wait at the barrier"]);
}

#[test]
fn a_write_behind_a_buffer() {
    let device = Device::new();
    let y = device.unwritten::<f32>(100);
    let fault = device.launch(("probe_write", "F32"), 2, 64, 0, arguments![y.address, 105_i64]).unwrap_err();
    says(&fault, &["kernel probe_write_f32, block (0,0,0), thread (7,0,0)", "20 bytes behind a buffer of 400 bytes"]);
    // the device is not lost
    device.launch(("probe_write", "F32"), 1, 64, 0, arguments![y.address, 99_i64]).unwrap();
    assert_eq!(device.read(&y)[99], 1.0);
}

#[test]
fn a_write_to_freed_memory() {
    let device = Device::new();
    let address = device.unwritten::<f32>(100).address;
    let fault = device.launch(("probe_write", "F32"), 1, 64, 0, arguments![address, 0_i64]).unwrap_err();
    says(&fault, &["in a buffer of 400 bytes that was freed"]);
    let fault = device.launch(("probe_write", "F32"), 1, 64, 0, arguments![0_u64, 0_i64]).unwrap_err();
    says(&fault, &["a null pointer"]);
}

#[test]
fn a_wide_access_that_is_misaligned() {
    let device = Device::new();
    let (y, x) = (device.unwritten::<f32>(64), device.buffer(&numbers(300, 4)));
    let fault = device.launch(("probe_wide", "F32"), 1, 64, 0, arguments![y.address, x.address]).unwrap_err();
    says(&fault, &["probe.cu:", "is not aligned as its type requires"]);
}

#[test]
fn an_index_beyond_a_static_array() {
    let device = Device::new();
    let y = device.unwritten::<f32>(64);
    let fault = device.launch(("probe_index", "F32"), 1, 64, 0, arguments![y.address, 1_i32]).unwrap_err();
    says(&fault, &["thread (63,0,0)", "index 64 is out of the array's bounds"]);
}

#[test]
fn an_integer_division_by_zero() {
    let device = Device::new();
    let y = device.unwritten::<i32>(64);
    let fault = device.launch(("probe_divide", "F32"), 1, 64, 0, arguments![y.address, 0_i32]).unwrap_err();
    says(&fault, &["divides an integer by zero"]);
    device.launch(("probe_divide", "F32"), 1, 64, 0, arguments![y.address, 7_i32]).unwrap();
    assert_eq!(device.read(&y), [14; 64]);
}

#[test]
fn launches_that_a_device_refuses() {
    let device = Device::new();
    let y = device.unwritten::<f32>(64);
    let launch = |grid, threads, shared| {
        device.launch(("probe_write", "F32"), grid, threads, shared, arguments![y.address, 0_i64]).unwrap_err()
    };
    says(&launch(1, 96, 0), &["probe_write_f32", "96 threads a block", "at most 64"]);
    says(&launch(0, 64, 0), &["a grid of 0 x 1 x 1 blocks"]);
    says(&launch(1, 64, 50_000), &["50000 bytes of dynamic shared memory, and 49152 are allowed"]);
}
