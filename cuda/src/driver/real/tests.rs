//! On a device, or on the stand-in for one:
//! `EBT_CUDA_LIBS=$(cargo run -q --release -p ebt-tests --example stand_in) cargo test --release -p ebt-cuda -- --ignored`

use ebt_core::compute::Layout;
use half::{bf16, f16};

use crate::driver::{Operand, Product};
use crate::launch::{Kernel, args};
use crate::toolchain::library::Library;
use crate::{Cuda, Kind, Matrix, Options, Precision};

fn backend(precision: Precision) -> Cuda {
    Cuda::new(&Options { precision, ..Options::default() }).expect("a device")
}

fn read(cuda: &Cuda, m: &Matrix) -> Vec<f32> {
    let mut out = vec![0.0; m.len()];
    cuda.download(m, &mut out);
    cuda.status().expect("no failure");
    out
}

/// Numbers of few bits, so that all storage types hold them.
fn numbers(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 37 + seed * 11) % 17) as f32 / 8.0 - 1.0).collect()
}

#[test]
#[ignore = "needs a device or a stand-in"]
fn uploads_longer_than_all_staging_buffers_arrive_in_order() {
    let cuda = backend(Precision::F32);
    // 40 MiB and a bit, over the ring of 16 MiB more than twice
    let data: Vec<f32> = (0..(10 << 20) + 3).map(|i| (i % 8_388_608) as f32).collect();
    let m = cuda.upload(1, data.len(), &data);
    // the source may be overwritten at once
    let expected = data.clone();
    drop(data);
    assert!(read(&cuda, &m) == expected);
    let small: Vec<_> = (0..40u8).map(|i| (f32::from(i), cuda.upload(1, 1, &[f32::from(i)]))).collect();
    for (value, m) in small {
        assert_eq!(read(&cuda, &m), [value]);
    }
}

#[test]
#[ignore = "needs a device or a stand-in"]
fn fills_and_copies_follow_the_stream() {
    let cuda = backend(Precision::Bf16);
    let (a, b) = (cuda.upload(1, 3, &[1.0, 2.0, 3.0]), cuda.take(1, 3, Kind::F32));
    cuda.check(cuda.driver.fill(b.address(), b.bytes(), 0xFF));
    assert!(read(&cuda, &b).iter().all(|x| x.is_nan()));
    cuda.check(cuda.driver.copy(a.address(), b.address(), 8));
    cuda.check(cuda.driver.fill(b.address() + 8, 4, 0));
    assert_eq!(read(&cuda, &b), [1.0, 2.0, 0.0]);
}

/// `c = alpha op(a) op(b) (+ c)` on matrices whose rows are `pad` longer than their columns and whose first element
/// stands `shift` elements into the block.
fn product_case(cuda: &Cuda, layout: Layout, [m, n, k]: [usize; 3], kinds: [Kind; 3], [pad, shift]: [usize; 2]) {
    let (a_shape, b_shape) = match layout {
        Layout::NN => ((m, k), (k, n)),
        Layout::NT => ((m, k), (n, k)),
        Layout::TN => ((k, m), (k, n)),
    };
    let make = |(rows, columns): (usize, usize), kind: Kind, seed: usize| {
        let stride = columns + pad;
        let values = numbers(shift + rows * stride, seed);
        let mut block = cuda.take(1, values.len(), kind);
        cuda.write_f32(&mut block, &values);
        let address = block.address() + (shift * kind.bytes()) as u64;
        (block, values[shift..].to_vec(), Operand { address, kind, stride })
    };
    let (_a, a_values, a) = make(a_shape, kinds[0], 1);
    let (_b, b_values, b) = make(b_shape, kinds[1], 2);
    let (c_block, c_values, c) = make((m, n), kinds[2], 3);
    for accumulate in [false, true] {
        cuda.write_f32(&mut c_block.clone(), &numbers(c_block.len(), 3));
        cuda.product(&Product { layout, m, n, k, a, b, c, alpha: 0.5, accumulate, exact: true });
        let found = read(cuda, &c_block);
        for i in 0..m {
            for j in 0..c.stride {
                let at = i * c.stride + j;
                let term = |l: usize| {
                    let a_at = if layout == Layout::TN { l * a.stride + i } else { i * a.stride + l };
                    let b_at = if layout == Layout::NT { j * b.stride + l } else { l * b.stride + j };
                    f64::from(a_values[a_at]) * f64::from(b_values[b_at])
                };
                let expected = if j < n {
                    0.5 * (0..k).map(term).sum::<f64>() + if accumulate { f64::from(c_values[at]) } else { 0.0 }
                } else {
                    // between the rows nothing is written
                    f64::from(c_values[at])
                };
                let rounding = match kinds[2] {
                    Kind::F32 => 1e-5,
                    Kind::Bf16 => f64::from(bf16::EPSILON),
                    Kind::F16 => f64::from(f16::EPSILON),
                };
                let error = (f64::from(found[shift + at]) - expected).abs();
                assert!(
                    error <= rounding * (1.0 + expected.abs()),
                    "{layout:?} {m} {n} {k} {kinds:?}, padded by {pad}, shifted by {shift}, accumulate {accumulate}: \
                     ({i}, {j}) is {} and not {expected}",
                    found[shift + at]
                );
            }
        }
    }
}

#[test]
#[ignore = "needs a device or a stand-in"]
fn products_of_all_layouts_types_and_alignments() {
    use Kind::{Bf16, F16, F32};
    for precision in [Precision::F32, Precision::Tf32] {
        let cuda = backend(precision);
        for layout in [Layout::NN, Layout::NT, Layout::TN] {
            for kinds in [[F32; 3], [Bf16; 3], [F16; 3], [Bf16, Bf16, F32], [F16, F16, F32]] {
                for sizes in [[16, 24, 32], [1, 1, 1], [5, 7, 3], [1, 40, 9], [33, 1, 16]] {
                    for placed in [[0, 0], [1, 0], [3, 1]] {
                        product_case(&cuda, layout, sizes, kinds, placed);
                    }
                }
            }
        }
    }
}

#[test]
#[ignore = "needs a device or a stand-in"]
fn a_product_of_mixed_operands_is_an_error_in_words() {
    let cuda = backend(Precision::Bf16);
    let (x, y, out) = (cuda.take(4, 4, Kind::Bf16), cuda.take(4, 4, Kind::F32), cuda.take(4, 4, Kind::F32));
    let operand = |m: &Matrix| Operand { address: m.address(), kind: m.kind(), stride: 4 };
    let (a, b, c) = (operand(&x), operand(&y), operand(&out));
    let (m, n, k) = (4, 4, 4);
    cuda.product(&Product { layout: Layout::NN, m, n, k, a, b, c, alpha: 1.0, accumulate: false, exact: false });
    let message = cuda.status().unwrap_err().to_string();
    assert!(message.contains("m 4, n 4, k 4") && message.contains("bf16 and f32"), "{message}");
}

#[test]
#[ignore = "needs a device or a stand-in"]
fn a_recorded_step_replays_with_new_inputs_and_allocates_nothing() {
    let cuda = backend(Precision::F32);
    let (x, mut w, one) = (cuda.upload(1, 1, &[1.0]), cuda.upload(1, 1, &[0.0]), cuda.upload(1, 1, &[1.0]));
    let operand = |m: &Matrix| Operand { address: m.address(), kind: Kind::F32, stride: 1 };
    let mut total = 1.0;
    let mut allocations = 0;
    for step in 1..=6u8 {
        let value = f32::from(step);
        cuda.write_f32(&mut w, &[value]);
        let mut work = || {
            // x += w w, by way of a temporary
            let square = cuda.take(1, 1, Kind::F32);
            let (layout, m, n, k, alpha, exact) = (Layout::NN, 1, 1, 1, 1.0, true);
            let (a, b, c) = (operand(&w), operand(&w), operand(&square));
            cuda.product(&Product { layout, m, n, k, a, b, c, alpha, accumulate: false, exact });
            let (a, b, c) = (operand(&square), operand(&one), operand(&x));
            cuda.product(&Product { layout, m, n, k, a, b, c, alpha, accumulate: true, exact });
            Ok(())
        };
        cuda.run_captured(&[3], &mut work).unwrap();
        total += value * value;
        assert_eq!(read(&cuda, &x), [total]);
        if step == 2 {
            allocations = cuda.memory_report().allocations;
        }
    }
    assert_eq!(cuda.memory_report().allocations, allocations);
    let steps = cuda.steps();
    assert!(steps[0].recorded && steps[0].replays == 4, "{steps:?}");
    cuda.forget_steps();
    assert_eq!(read(&cuda, &x), [total]);
}

#[test]
#[ignore = "needs a device or a stand-in"]
fn copies_for_products_are_rounded_and_follow_what_is_written_between_replays() {
    let cuda = backend(Precision::Bf16);
    let mut w = cuda.upload(2, 3, &[1.0 / 3.0; 6]);
    let rounded = |x: f32| [bf16::from_f32(x).to_f32(); 6];
    let copy = cuda.narrow_copy(&w);
    assert_eq!(copy.kind(), Kind::Bf16);
    assert_eq!(read(&cuda, &copy), rounded(1.0 / 3.0));
    let out = cuda.take(1, 6, Kind::Bf16);
    for value in [0.1, 0.2, 0.3, 0.4, 0.5] {
        cuda.write_f32(&mut w, &[value; 6]);
        let mut work = || {
            cuda.check(cuda.driver.copy(cuda.narrow_copy(&w).address(), out.address(), out.bytes()));
            Ok(())
        };
        cuda.run_captured(&[1], &mut work).unwrap();
        assert_eq!(read(&cuda, &out), rounded(value));
    }
    assert!(cuda.steps()[0].recorded);
    assert_eq!(cuda.narrow_copy(&w).address(), copy.address());
}

#[test]
#[ignore = "needs a device or a stand-in"]
fn what_cannot_be_recorded_leaves_a_working_stream() {
    let cuda = backend(Precision::F32);
    let m = cuda.upload(1, 2, &[1.0, 2.0]);
    let driver = &cuda.driver;
    driver.begin_capture().unwrap();
    assert!(driver.begin_capture().is_err());
    assert!(driver.upload(m.address(), &[0; 8]).unwrap_err().contains("recorded step"));
    assert!(driver.download(m.address(), &mut [0; 8]).unwrap_err().contains("recorded step"));
    assert!(driver.allocate(512).unwrap_err().contains("recorded step"));
    assert!(driver.synchronize().unwrap_err().contains("recorded step"));
    driver.fill(m.address(), 8, 0).unwrap();
    driver.abandon_capture();
    assert!(driver.end_capture().is_err());
    // nothing of it was done
    assert_eq!(read(&cuda, &m), [1.0, 2.0]);
}

#[test]
#[ignore = "needs a device or a stand-in"]
fn failures_name_the_kernel_the_size_and_the_device() {
    let cuda = backend(Precision::F32);
    let kernel = Kernel { family: "none", name: "nothing", kind: Kind::F32 };
    cuda.launch(kernel, 1, 32, 0, args![1u32]);
    let message = cuda.status().unwrap_err().to_string();
    assert!(message.contains("nothing_f32 of none.cu") && message.contains("grid [1, 1, 1]"), "{message}");

    // where the driver reports what a kernel takes, wrong arguments do not reach it
    if Library::Driver.has("cuFuncGetParamInfo") {
        let cuda = backend(Precision::F32);
        cuda.launch(Kernel { family: "element", name: "cast", kind: Kind::F32 }, 1, 32, 0, args![1u32]);
        let message = cuda.status().unwrap_err().to_string();
        assert!(message.contains("cast_f32 of element.cu") && message.contains("1 arguments for"), "{message}");
    }

    let cuda = backend(Precision::F32);
    let (_, total) = cuda.device_memory().unwrap();
    let m = cuda.take(total / 4 + 1, 2, Kind::F32);
    assert!(m.block.is_none());
    let message = cuda.status().unwrap_err().to_string();
    assert!(message.contains("out of memory") && message.contains("bytes more were needed"), "{message}");

    let message = Cuda::new(&Options { device: 1000, ..Options::default() }).unwrap_err();
    assert!(message.contains("no GPU 1000"), "{message}");
}

#[test]
#[ignore = "needs a device or a stand-in"]
fn memory_comes_back_when_the_pool_is_trimmed_for_another_size() {
    let cuda = backend(Precision::F32);
    let (free, total) = cuda.device_memory().unwrap();
    // more than half of what there is, in two different sizes one after the other
    let most = free.min(total) / 4 * 3;
    for part in [1, 3] {
        let matrices: Vec<_> = (0..part).map(|_| cuda.take(1, most / 4 / part, Kind::F32)).collect();
        assert!(matrices.iter().all(|m| m.block.is_some()));
    }
    assert_eq!(cuda.status(), Ok(()));
    let report = cuda.memory_report();
    assert!(report.peak <= report.most_reserved && report.used < report.peak);
}
