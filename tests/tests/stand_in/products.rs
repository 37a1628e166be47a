//! Matrix products in all layouts and types against a plain product.

use std::ffi::c_void;

use cudarc::cublaslt::{result, sys};
use ebt_tests::stand_in;

use crate::device::{Buffer, Device, half_bits, numbers};

type Attribute = sys::cublasLtMatmulDescAttributes_t;
type LayoutAttribute = sys::cublasLtMatrixLayoutAttribute_t;
type PreferenceAttribute = sys::cublasLtMatmulPreferenceAttributes_t;
const F32: sys::cudaDataType_t = sys::cudaDataType_t::CUDA_R_32F;
const F16: sys::cudaDataType_t = sys::cudaDataType_t::CUDA_R_16F;
const BF16: sys::cudaDataType_t = sys::cudaDataType_t::CUDA_R_16BF;

/// A column-major product `d = alpha op(a) op(b) + beta d`.
#[derive(Clone, Copy)]
struct Case {
    /// Rows and columns of the result, inner dimension.
    shape: [usize; 3],
    transpose: [bool; 2],
    kind: sys::cudaDataType_t,
    result: sys::cudaDataType_t,
    compute: sys::cublasComputeType_t,
    batches: usize,
    /// Elements between columns beyond the rows, for all operands.
    gap: usize,
    factors: [f32; 2],
}

const PLAIN: Case = Case {
    shape: [7, 5, 70],
    transpose: [false, false],
    kind: F32,
    result: F32,
    compute: sys::cublasComputeType_t::CUBLAS_COMPUTE_32F,
    batches: 1,
    gap: 0,
    factors: [1.0, 0.0],
};

impl Case {
    /// Stored rows and columns of a, b and d.
    fn stored(&self) -> [[usize; 2]; 3] {
        let [m, n, k] = self.shape;
        let turn = |t: bool, [r, c]: [usize; 2]| if t { [c, r] } else { [r, c] };
        [turn(self.transpose[0], [m, k]), turn(self.transpose[1], [k, n]), [m, n]]
    }

    fn len(&self, operand: usize) -> usize {
        let [rows, columns] = self.stored()[operand];
        (rows + self.gap) * columns * self.batches
    }

    /// Place of an element of op(operand).
    fn at(&self, operand: usize, batch: usize, i: usize, j: usize) -> usize {
        let [rows, columns] = self.stored()[operand];
        let (i, j) = if operand < 2 && self.transpose[operand] { (j, i) } else { (i, j) };
        batch * (rows + self.gap) * columns + j * (rows + self.gap) + i
    }
}

fn bytes<T>(value: &T) -> (*const c_void, usize) {
    (std::ptr::from_ref(value).cast(), size_of::<T>())
}

/// Descriptors of a product and the algorithm chosen for it.
struct Prepared {
    handle: sys::cublasLtHandle_t,
    description: sys::cublasLtMatmulDesc_t,
    layouts: [sys::cublasLtMatrixLayout_t; 3],
    algorithm: sys::cublasLtMatmulAlgo_t,
}

fn prepare(case: &Case, alignment: u32) -> Result<Prepared, String> {
    let fault = |e: result::CublasError| format!("{:?}: {}", e.0, stand_in::last_failure().unwrap_or_default());
    // SAFETY: attributes have the types that their names stand for
    unsafe {
        let handle = result::create_handle().map_err(fault)?;
        let description = result::create_matmul_desc(case.compute, F32).map_err(fault)?;
        for (name, transpose) in [Attribute::CUBLASLT_MATMUL_DESC_TRANSA, Attribute::CUBLASLT_MATMUL_DESC_TRANSB]
            .into_iter()
            .zip(case.transpose)
        {
            let (value, size) = (i32::from(transpose), 4);
            result::set_matmul_desc_attribute(description, name, bytes(&value).0, size).map_err(fault)?;
        }
        let kinds = [case.kind, case.kind, case.result];
        let mut layouts = [std::ptr::null_mut(); 3];
        for (operand, layout) in layouts.iter_mut().enumerate() {
            let [rows, columns] = case.stored()[operand];
            let (r, c, stride) = (rows as u64, columns as u64, (rows + case.gap) as i64);
            *layout = result::create_matrix_layout(kinds[operand], r, c, stride).map_err(fault)?;
            let (count, distance) = (i32::try_from(case.batches).unwrap(), stride * columns as i64);
            let (value, size) = bytes(&count);
            let name = LayoutAttribute::CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT;
            result::set_matrix_layout_attribute(*layout, name, value, size).map_err(fault)?;
            let (value, size) = bytes(&distance);
            let name = LayoutAttribute::CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET;
            result::set_matrix_layout_attribute(*layout, name, value, size).map_err(fault)?;
        }
        let preference = result::create_matmul_pref().map_err(fault)?;
        for name in [
            PreferenceAttribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
            PreferenceAttribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
            PreferenceAttribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
            PreferenceAttribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES,
        ] {
            let (value, size) = bytes(&alignment);
            result::set_matmul_pref_attribute(preference, name, value, size).map_err(fault)?;
        }
        let [a, b, d] = layouts;
        let chosen = result::get_matmul_algo_heuristic(handle, description, a, b, d, d, preference).map_err(fault)?;
        result::destroy_matmul_pref(preference).map_err(fault)?;
        Ok(Prepared { handle, description, layouts, algorithm: chosen.algo })
    }
}

impl Prepared {
    fn run(&self, device: &Device, addresses: [u64; 3], [alpha, beta]: [f32; 2]) -> Result<(), String> {
        let [a, b, d] = addresses.map(|address| address as *mut c_void);
        let [la, lb, ld] = self.layouts;
        let (alpha, beta) = (bytes(&alpha).0, bytes(&beta).0);
        // SAFETY: the descriptors are live and the ranges are checked
        unsafe {
            result::matmul(
                self.handle,
                self.description,
                alpha,
                beta,
                a,
                la,
                b,
                lb,
                d,
                ld,
                d,
                ld,
                &raw const self.algorithm,
                std::ptr::null_mut(),
                0,
                device.stream.cast(),
            )
        }
        .map_err(|e| format!("{:?}: {}", e.0, stand_in::last_failure().unwrap_or_default()))
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        // SAFETY: created by `prepare`, destroyed once
        unsafe {
            for layout in self.layouts {
                result::destroy_matrix_layout(layout).unwrap();
            }
            result::destroy_matmul_desc(self.description).unwrap();
            result::destroy_handle(self.handle).unwrap();
        }
    }
}

/// The product of a row-major square matrix with itself, for the graphs.
pub struct Square(Prepared);

impl Square {
    pub fn new(_device: &Device, n: usize) -> Self {
        Self(prepare(&Case { shape: [n, n, n], ..PLAIN }, 16).unwrap())
    }
    pub fn multiply(&self, device: &Device, x: u64, y: u64) {
        self.0.run(device, [x, x, y], [1.0, 0.0]).unwrap();
    }
}

enum Operand {
    Wide(Buffer<f32>),
    Narrow(Buffer<u16>, sys::cudaDataType_t),
}

impl Operand {
    fn new(device: &Device, kind: sys::cudaDataType_t, values: &[f32]) -> Self {
        match kind {
            F32 => Self::Wide(device.buffer(values)),
            _ => Self::Narrow(device.buffer(&half_bits(values, if kind == BF16 { "BF16" } else { "F16" })), kind),
        }
    }
    fn address(&self) -> u64 {
        match self {
            Self::Wide(b) => b.address,
            Self::Narrow(b, _) => b.address,
        }
    }
    fn values(&self, device: &Device) -> Vec<f32> {
        match self {
            Self::Wide(b) => device.read(b),
            Self::Narrow(b, kind) if *kind == BF16 => {
                device.read(b).into_iter().map(|x| half::bf16::from_bits(x).to_f32()).collect()
            }
            Self::Narrow(b, _) => device.read(b).into_iter().map(|x| half::f16::from_bits(x).to_f32()).collect(),
        }
    }
}

/// Runs the case with these operands: the result, and what is expected in double precision.
fn outcome(case: &Case, a: &[f32], b: &[f32], d: &[f32]) -> (Vec<f32>, Vec<f64>) {
    let device = Device::new();
    let prepared = prepare(case, 4).unwrap();
    let (x, y) = (Operand::new(&device, case.kind, a), Operand::new(&device, case.kind, b));
    let z = Operand::new(&device, case.result, d);
    prepared.run(&device, [x.address(), y.address(), z.address()], case.factors).unwrap();
    let mut expected: Vec<f64> = d.iter().map(|v| f64::from(*v)).collect();
    let [m, n, k] = case.shape;
    for (batch, i, j) in (0..case.batches).flat_map(|s| (0..m).flat_map(move |i| (0..n).map(move |j| (s, i, j)))) {
        let sum: f64 =
            (0..k).map(|l| f64::from(a[case.at(0, batch, i, l)]) * f64::from(b[case.at(1, batch, l, j)])).sum();
        let old = &mut expected[case.at(2, batch, i, j)];
        let [alpha, beta] = case.factors.map(f64::from);
        *old = alpha * sum + if beta == 0.0 { 0.0 } else { beta * *old };
    }
    (z.values(&device), expected)
}

#[test]
fn all_layouts_and_types_agree_with_a_plain_product() {
    for (kind, result) in [(F32, F32), (BF16, BF16), (BF16, F32), (F16, F16), (F16, F32)] {
        for flags in 0..16 {
            let flag = |bit: u32| flags >> bit & 1 == 1;
            let case = Case {
                transpose: [flag(0), flag(1)],
                kind,
                result,
                gap: if flag(2) { 3 } else { 0 },
                batches: if flag(2) { 3 } else { 1 },
                factors: if flag(3) { [0.5, 2.0] } else { [1.0, 0.0] },
                ..PLAIN
            };
            let (a, b) = (numbers(case.len(0), 1), numbers(case.len(1), 2));
            let mut d = numbers(case.len(2), 3);
            if !flag(3) {
                // what is not read may be anything, except between columns, where nothing is written
                let [m, stride] = [case.shape[0], case.shape[0] + case.gap];
                d.iter_mut().enumerate().filter(|(i, _)| i % stride < m).for_each(|(_, v)| *v = f32::NAN);
            }
            let (found, expected) = outcome(&case, &a, &b, &d);
            // sums of 70 products below 1: rounding of the result, and for single precision of the sums
            let tolerance = if result == BF16 {
                0.004
            } else if result == F16 {
                5e-4
            } else {
                1e-6
            };
            for (i, (x, y)) in found.iter().zip(&expected).enumerate() {
                let error = (f64::from(*x) - y).abs();
                assert!(
                    error <= tolerance * (1.0 + y.abs()),
                    "{kind:?} to {result:?}, {flags:04b}: {x} for {y} at {i}"
                );
            }
        }
    }
}

#[test]
fn tf32_rounds_the_operands_to_ten_bits() {
    let tf32 = Case { compute: sys::cublasComputeType_t::CUBLAS_COMPUTE_32F_FAST_TF32, shape: [1, 1, 1], ..PLAIN };
    let x = 1.0 + 1.0 / 4096.0 + 1.0 / 1024.0;
    let (found, _) = outcome(&tf32, &[x], &[1.0], &[0.0]);
    assert_eq!(found, [1.0 + 1.0 / 1024.0]);
    let (found, _) = outcome(&Case { shape: [1, 1, 1], ..PLAIN }, &[x], &[1.0], &[0.0]);
    assert_eq!(found, [x]);
}

#[test]
fn what_the_library_refuses_is_refused() {
    let _device = Device::new();
    let refusal = |case: Case| prepare(&case, 16).err().unwrap();
    assert!(refusal(Case { kind: F32, result: BF16, ..PLAIN }).contains("NOT_SUPPORTED"));
    assert!(refusal(Case { kind: BF16, result: F16, ..PLAIN }).contains("NOT_SUPPORTED"));
    let double = sys::cublasComputeType_t::CUBLAS_COMPUTE_64F;
    assert!(refusal(Case { compute: double, ..PLAIN }).contains("compute type 70"));
    assert!(refusal(Case { shape: [0, 5, 7], ..PLAIN }).contains("INVALID_VALUE"));
}

#[test]
fn pointers_must_be_aligned_as_promised_and_lie_in_buffers() {
    let device = Device::new();
    let case = Case { shape: [8, 8, 8], ..PLAIN };
    let (x, y) = (device.buffer(&numbers(65, 1)), device.unwritten::<f32>(64));
    let fault =
        prepare(&case, 16).unwrap().run(&device, [x.address + 4, x.address, y.address], [1.0, 0.0]).unwrap_err();
    assert!(fault.contains("operand 0 is not aligned to 16 bytes"), "{fault}");
    let loose = prepare(&case, 4).unwrap();
    loose.run(&device, [x.address + 4, x.address, y.address], [1.0, 0.0]).unwrap();
    let fault = loose.run(&device, [x.address + 8, x.address, y.address], [1.0, 0.0]).unwrap_err();
    assert!(fault.contains("256 bytes of operand a (8 x 8) are in no buffer"), "{fault}");
}
