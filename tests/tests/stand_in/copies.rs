//! Asynchronous copies to shared memory.

use ebt_tests::stand_in::{self, SCHEDULES};

use crate::device::{Device, arguments, numbers};

#[test]
fn copies_arrive_at_the_wait_and_rows_beyond_the_end_are_zeros() {
    let device = Device::new();
    let x = numbers(4 * 50, 7);
    let a = device.buffer(&x);
    for order in SCHEDULES {
        stand_in::schedule(order);
        let y = device.unwritten::<f32>(256);
        device.launch(("probe_copy", "F32"), 1, 32, 1024, arguments![y.address, a.address, 50_i32, 1_i32]).unwrap();
        let y = device.read(&y);
        assert_eq!(y[..200], x[..], "schedule {order}");
        assert!(y[200..].iter().all(|v| *v == 0.0), "schedule {order}");
    }
}

#[test]
fn a_group_that_was_not_waited_for_has_not_arrived() {
    let device = Device::new();
    let x = numbers(256, 8);
    let (a, y) = (device.buffer(&x), device.unwritten::<f32>(256));
    device.launch(("probe_copy", "F32"), 1, 32, 1024, arguments![y.address, a.address, 64_i32, 0_i32]).unwrap();
    let y = device.read(&y);
    assert_eq!(y[..128], x[..128], "the first group was waited for");
    assert!(y[128..].iter().all(|v| v.is_nan()), "the second group was read before it arrived");
}

#[test]
fn misaligned_and_misplaced_copies_are_refused() {
    let device = Device::new();
    let a = device.buffer(&numbers(300, 9));
    let y = device.unwritten::<f32>(256);
    let inside = a.address + 4;
    let fault =
        device.launch(("probe_copy", "F32"), 1, 32, 1024, arguments![y.address, inside, 64_i32, 1_i32]).unwrap_err();
    assert!(fault.contains("source is not aligned to 16 bytes"), "{fault}");
    // less dynamic shared memory than the kernel writes to
    let fault =
        device.launch(("probe_copy", "F32"), 1, 32, 512, arguments![y.address, a.address, 64_i32, 1_i32]).unwrap_err();
    assert!(fault.contains("does not lie in shared memory"), "{fault}");
}
