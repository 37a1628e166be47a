//! Recording and replaying.

use cudarc::driver::{result, sys};
use ebt_tests::stand_in;

use crate::device::{Buffer, Device, arguments, numbers};

#[repr(C)]
#[derive(Clone, Copy)]
struct Scaling {
    factor: f32,
    count: u64,
    offsets: [f32; 3],
}

const MODE: sys::CUstreamCaptureMode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;

fn record(device: &Device, work: impl FnOnce()) -> Result<sys::CUgraphExec, result::DriverError> {
    // SAFETY: the stream is live; the graph is instantiated once and then destroyed
    unsafe {
        result::stream::begin_capture(device.stream, MODE)?;
        work();
        let graph = result::stream::end_capture(device.stream)?;
        let executable = result::graph::instantiate(graph, sys::CUgraphInstantiate_flags(0))?;
        result::graph::destroy(graph)?;
        Ok(executable)
    }
}

fn add(device: &Device, y: &Buffer<f32>, x: &Buffer<f32>, factor: f32) {
    let scaling = Scaling { factor, count: 100, offsets: [0.25; 3] };
    device.launch(("probe_scale", "F32"), 1, 128, 0, arguments![y.address, x.address, scaling]).unwrap();
}

#[test]
fn a_replay_reads_the_data_of_now_with_the_arguments_of_then() {
    let device = Device::new();
    device.function("probe_scale", "F32");
    let (x, y, z) = (device.buffer(&numbers(100, 1)), device.buffer(&[1.0; 100]), device.unwritten::<f32>(100));
    let before = stand_in::counts();
    let graph = record(&device, || {
        add(&device, &y, &x, 2.0);
        // SAFETY: ranges of live buffers
        unsafe { result::memcpy_dtod_async(z.address, y.address, 400, device.stream) }.unwrap();
        add(&device, &y, &x, 1.0);
    })
    .unwrap();
    assert_eq!(stand_in::launches(), before.launches, "recording runs nothing");
    assert_eq!(device.read(&y), [1.0; 100]);
    for seed in [5, 6] {
        let data = numbers(100, seed);
        device.write(&x, &data);
        device.write(&y, &[0.5; 100]);
        // SAFETY: the graph and the stream are live
        unsafe { result::graph::launch(graph, device.stream) }.unwrap();
        let (y, z) = (device.read(&y), device.read(&z));
        assert!((0..100).all(|i| z[i] == 0.75 + 2.0 * data[i] && y[i] == 1.0 + 3.0 * data[i]), "seed {seed}");
    }
    let after = stand_in::counts();
    assert_eq!((after.launches - before.launches, after.replays - before.replays), (4, 2));
    // SAFETY: instantiated above, destroyed once
    unsafe { result::graph::exec_destroy(graph) }.unwrap();
}

#[test]
fn products_are_recorded_too() {
    let device = Device::new();
    let x = device.buffer(&numbers(64, 2));
    let y = device.unwritten::<f32>(64);
    let product = crate::products::Square::new(&device, 8);
    let before = stand_in::counts().products;
    let graph = record(&device, || product.multiply(&device, x.address, y.address)).unwrap();
    assert_eq!(stand_in::counts().products, before);
    let data = numbers(64, 3);
    device.write(&x, &data);
    // SAFETY: the graph and the stream are live; destroyed once
    unsafe {
        result::graph::launch(graph, device.stream).unwrap();
        result::graph::exec_destroy(graph).unwrap();
    }
    let expected: Vec<f32> = (0..64).map(|i| (0..8).map(|k| data[i / 8 * 8 + k] * data[k * 8 + i % 8]).sum()).collect();
    assert!(device.read(&y).iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5));
}

#[test]
fn allocating_or_waiting_spoils_a_recording_and_the_stream_recovers() {
    let device = Device::new();
    device.function("probe_scale", "F32");
    let (x, y) = (device.buffer(&numbers(100, 1)), device.buffer(&[0.0; 100]));
    // SAFETY: the stream is live; nothing is allocated, as the assertion says
    let spoilers: [fn(&Device) -> bool; 2] = unsafe {
        [
            |device| result::malloc_async(device.stream, 64).is_err(),
            |device| result::stream::synchronize(device.stream).is_err(),
        ]
    };
    for spoil in spoilers {
        let fault = record(&device, || assert!(spoil(&device))).unwrap_err();
        assert_eq!(format!("{:?}", fault.0), "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED");
    }
    let graph = record(&device, || add(&device, &y, &x, 1.0)).unwrap();
    // SAFETY: the graph and the stream are live; destroyed once
    unsafe {
        result::graph::launch(graph, device.stream).unwrap();
        result::graph::exec_destroy(graph).unwrap();
    }
    assert!(device.read(&y).iter().zip(numbers(100, 1)).all(|(y, x)| *y == x + 0.25));
}

#[test]
fn a_failing_kernel_fails_the_replay() {
    let device = Device::new();
    device.function("probe_write", "F32");
    let y = device.unwritten::<f32>(10);
    let graph = record(&device, || {
        device.launch(("probe_write", "F32"), 1, 64, 0, arguments![y.address, 64_i64]).unwrap();
    })
    .unwrap();
    // SAFETY: the graph and the stream are live; destroyed once
    unsafe {
        assert!(result::graph::launch(graph, device.stream).is_err());
        result::graph::exec_destroy(graph).unwrap();
    }
    assert!(stand_in::last_failure().unwrap().contains("probe_write_f32"));
}
