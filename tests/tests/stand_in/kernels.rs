//! Kernels without mistakes, under every schedule.

use ebt_tests::stand_in::{self, SCHEDULES};

use crate::device::{Device, arguments, half_bits, numbers};

#[repr(C)]
#[derive(Clone, Copy)]
struct Scaling {
    factor: f32,
    count: u64,
    offsets: [f32; 3],
}

#[test]
fn structures_are_passed_by_value_and_the_grid_covers_all() {
    let device = Device::new();
    let (x, y) = (numbers(1000, 1), numbers(1000, 2));
    let scaling = Scaling { factor: 0.5, count: 1000, offsets: [1.0, 2.0, 3.0] };
    let (a, b) = (device.buffer(&x), device.buffer(&y));
    let before = stand_in::launches();
    device.launch(("probe_scale", "F32"), 4, 256, 0, arguments![b.address, a.address, scaling]).unwrap();
    assert_eq!(stand_in::launches(), before + 1);
    let expected: Vec<f32> = (0..1000).map(|i| y[i] + (0.5 * x[i] + scaling.offsets[i % 3])).collect();
    assert!(device.read(&b).iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6));
}

#[test]
fn blocks_turn_around_through_shared_memory() {
    let device = Device::new();
    let x = numbers(512, 3);
    let a = device.buffer(&x);
    for (order, dynamic) in SCHEDULES.flat_map(|order| [(order, 0), (order, 1)]) {
        stand_in::schedule(order);
        let b = device.unwritten::<f32>(512);
        device
            .launch(("probe_reverse", "F32"), 2, 256, 1024, arguments![b.address, a.address, 1_i32, dynamic])
            .unwrap();
        let y = device.read(&b);
        assert!((0..512).all(|i| y[i] == x[i / 256 * 256 + 255 - i % 256]), "schedule {order}");
    }
}

#[test]
fn sums_and_votes_of_a_block() {
    let device = Device::new();
    let (rows, columns) = (5, 300);
    let x = numbers(rows * columns, 4);
    for (storage, order) in ["F32", "BF16", "F16"].into_iter().flat_map(|s| SCHEDULES.map(move |order| (s, order))) {
        stand_in::schedule(order);
        let (sums, counts) = (device.unwritten::<f32>(rows), device.unwritten::<i32>(rows));
        let (wide, narrow) = (device.buffer(&x), device.buffer(&half_bits(&x, storage)));
        let address = if storage == "F32" { wide.address } else { narrow.address };
        let n = i32::try_from(columns).unwrap();
        device.launch(("probe_sum", storage), 5, 128, 0, arguments![sums.address, counts.address, address, n]).unwrap();
        let (sums, counts) = (device.read(&sums), device.read(&counts));
        for (i, row) in x.chunks(columns).enumerate() {
            // numbers on a grid of 1/128: sums are exact
            assert_eq!(sums[i], row.iter().sum::<f32>(), "{storage}, schedule {order}");
            assert_eq!(counts[i], i32::try_from(row.iter().filter(|v| **v > 0.0).count()).unwrap());
        }
    }
}

#[test]
fn halves_of_a_warp_go_different_ways() {
    let device = Device::new();
    for order in SCHEDULES {
        stand_in::schedule(order);
        let y = device.unwritten::<u32>(32);
        device.launch(("probe_halves", "F32"), 1, 32, 0, arguments![y.address]).unwrap();
        // lanes 0 to 15: their sum; others: the value below within the half, and the 8 odd lanes of the half
        let expected: Vec<u32> =
            (0..32).map(|l: u32| if l < 16 { 120 } else { l.saturating_sub(1).max(16) + 8 }).collect();
        assert_eq!(device.read(&y), expected, "schedule {order}");
    }
}

#[test]
fn matrix_instructions_agree_with_a_plain_product() {
    let device = Device::new();
    let (a, b) = (numbers(16 * 32, 5), numbers(32 * 16, 6));
    let transposed: Vec<f32> = (0..512).map(|i| b[i % 32 * 16 + i / 32]).collect();
    let expected: Vec<f32> =
        (0..256).map(|i| (0..32).map(|k| a[i / 16 * 32 + k] * b[k * 16 + i % 16]).sum::<f32>()).collect();
    for (storage, order) in ["BF16", "F16"].into_iter().flat_map(|s| SCHEDULES.map(move |order| (s, order))) {
        stand_in::schedule(order);
        for (flag, right) in [(0_i32, &b), (1, &transposed)] {
            let (x, y) = (device.buffer(&half_bits(&a, storage)), device.buffer(&half_bits(right, storage)));
            let c = device.unwritten::<f32>(256);
            device
                .launch(("probe_product", storage), 1, 32, 0, arguments![c.address, x.address, y.address, flag])
                .unwrap();
            // products of numbers on a grid of 1/128 below 1: sums of 32 are exact
            assert_eq!(device.read(&c), expected, "{storage}, transposed {flag}, schedule {order}");
        }
    }
}

#[test]
fn conversions_round_as_the_standard_says() {
    let device = Device::new();
    let mut x: Vec<f32> =
        (0..1_u32 << 16).map(|i| f32::from_bits(i << 16 | (i.wrapping_mul(40_503) & 0xffff))).collect();
    // ties, and both sides of the largest and smallest numbers
    x.extend([1.000_488_3, 1.001_464_8, 65504.0, 65519.99, 65520.0, 5.96e-8, 2.98e-8, 2.99e-8, 6.1e-5, 6.097e-5, -0.0]);
    x.extend((0..1_u32 << 16).map(|i| f32::from_bits(0x3880_0000 - (1 << 15) + i)));
    x.extend((0..1_u32 << 16).map(|i| f32::from_bits(i << 16 | 0x8000)));
    let n = i32::try_from(x.len()).unwrap();
    for storage in ["BF16", "F16"] {
        let a = device.buffer(&x);
        let (bits, back) = (device.unwritten::<u16>(x.len()), device.unwritten::<f32>(x.len()));
        let grid = n.cast_unsigned().div_ceil(256);
        device
            .launch(("probe_convert", storage), grid, 256, 0, arguments![bits.address, back.address, a.address, n])
            .unwrap();
        let expected = half_bits(&x, storage);
        for ((x, expected), (bits, back)) in
            x.iter().zip(expected).zip(device.read(&bits).into_iter().zip(device.read(&back)))
        {
            let value = |b: u16| {
                if storage == "BF16" { half::bf16::from_bits(b).to_f32() } else { half::f16::from_bits(b).to_f32() }
            };
            if x.is_nan() {
                assert!(value(bits).is_nan() && back.is_nan(), "{storage}: {x:e}");
            } else {
                assert_eq!(bits, expected, "{storage}: {x:e} ({:08x})", x.to_bits());
                assert_eq!(back.to_bits(), value(bits).to_bits(), "{storage}: {x:e}");
            }
        }
    }
}
