//! Products of stored matrices.

use ebt::packed::{Isa, Matrix, Storage};
use proptest::prelude::*;

use crate::support::{normals, storages};

/// Bytes of a stored matrix: any bytes as values, scales near 1 / 64.
#[derive(Debug)]
struct Stored {
    storage: Storage,
    rows: usize,
    columns: usize,
    values: Vec<u8>,
    scales: Vec<u8>,
}

impl Stored {
    fn draw(storage: Storage, rows: usize, columns: usize, seed: u64) -> Self {
        let drawn = normals(seed, rows * columns);
        let values = match storage {
            Storage::F32 => drawn.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Storage::F16 => drawn.iter().flat_map(|&x| half::f16::from_f32(x).to_le_bytes()).collect(),
            Storage::Bf16 => drawn.iter().flat_map(|&x| half::bf16::from_f32(x).to_le_bytes()).collect(),
            Storage::Int8 | Storage::Int4 => {
                let count = rows * storage.row_bytes(columns);
                normals(seed, count).iter().map(|x| (x * 1e3) as i32 as u8).collect()
            }
            other => panic!("no values are drawn for {other:?}"),
        };
        let scales = normals(seed + 1, rows * storage.scale_bytes(columns));
        let scales = match storage {
            Storage::Int8 => scales.iter().take(rows).flat_map(|x| (x / 64.0).to_le_bytes()).collect(),
            _ => {
                let count = rows * storage.scale_bytes(columns) / 2;
                scales.iter().take(count).flat_map(|&x| half::f16::from_f32(x / 8.0).to_le_bytes()).collect()
            }
        };
        Self { storage, rows, columns, values, scales }
    }

    fn matrix(&self) -> Matrix<'_> {
        Matrix::over(self.storage, self.rows, self.columns, &self.values, &self.scales).expect("fits")
    }

    /// The factor of every row, and the weights that it multiplies.
    fn parts(&self) -> (Vec<f32>, Vec<f32>) {
        match self.storage {
            Storage::Int8 => (
                self.scales.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
                self.values.iter().map(|&b| f32::from(b as i8)).collect(),
            ),
            _ => (vec![1.0; self.rows], self.decoded()),
        }
    }

    fn decoded(&self) -> Vec<f32> {
        let mut out = vec![f32::NAN; self.rows * self.columns];
        for (row, y) in out.chunks_mut(self.columns).enumerate() {
            assert!(self.matrix().row_into(row, y));
        }
        out
    }
}

fn stored() -> impl Strategy<Value = Stored> {
    (storages(), 1usize..80, 1usize..330, 0u64..1 << 40).prop_map(|(s, rows, columns, seed)| {
        // one in four is wide, so that panels end within rows
        let columns = if seed % 4 == 0 { columns + 256 } else { columns };
        Stored::draw(s, rows, columns, seed)
    })
}

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

/// The order of a dot product, as documented.
fn dot(w: &[f32], x: &[f32]) -> f32 {
    let mut l = [0.0f32; 8];
    for (k, (w, x)) in w.iter().zip(x).enumerate() {
        l[k % 8] += w * x;
    }
    ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]))
}

/// The order of the adjoint, as documented.
fn adjoint(w: &[f32], columns: usize, x: &[f32]) -> Vec<f32> {
    let mut y = vec![0.0f32; columns];
    for (w, x) in w.chunks(columns).zip(x) {
        for (y, w) in y.iter_mut().zip(w) {
            *y += x * w;
        }
    }
    y
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn every_kernel_and_every_number_of_rows_gives_the_bits_of_the_documented_order(
        stored in stored(), n in 1usize..70, seed in 0u64..1 << 40
    ) {
        let (w, (factors, weights)) = (stored.matrix(), stored.parts());
        let (x, u) = (normals(seed, n * w.columns), normals(seed + 1, n * w.rows));
        let along = |x: &[f32]| -> Vec<f32> {
            weights.chunks(w.columns).zip(&factors).map(|(w, f)| dot(w, x) * f).collect()
        };
        let expected: Vec<f32> = x.chunks(w.columns).flat_map(along).collect();
        let scaled = |u: &[f32]| -> Vec<f32> { u.iter().zip(&factors).map(|(u, f)| u * f).collect() };
        let transposed: Vec<f32> = u.chunks(w.rows).flat_map(|u| adjoint(&weights, w.columns, &scaled(u))).collect();
        for kernel in Isa::all() {
            let mut y = vec![f32::NAN; n * w.rows];
            w.product(kernel, &x, &mut y);
            prop_assert_eq!(bits(&y), bits(&expected), "{} product", kernel.name());
            for (x, y) in x.chunks(w.columns).zip(y.chunks_mut(w.rows)) {
                y.fill(f32::NAN);
                w.product(kernel, x, y);
            }
            prop_assert_eq!(bits(&y), bits(&expected), "{} product by rows", kernel.name());
            let mut y = vec![f32::NAN; n * w.columns];
            w.adjoint(kernel, &u, &mut y);
            prop_assert_eq!(bits(&y), bits(&transposed), "{} adjoint", kernel.name());
            for (u, y) in u.chunks(w.rows).zip(y.chunks_mut(w.columns)) {
                y.fill(f32::NAN);
                w.adjoint(kernel, u, y);
            }
            prop_assert_eq!(bits(&y), bits(&transposed), "{} adjoint by rows", kernel.name());
        }
    }

    #[test]
    fn products_agree_with_double_precision(stored in stored(), seed in 0u64..1 << 40) {
        let (w, decoded) = (stored.matrix(), stored.decoded());
        let x = normals(seed, w.columns);
        let mut y = vec![0.0; w.rows];
        w.product(Isa::detect(), &x, &mut y);
        for (y, row) in y.iter().zip(decoded.chunks(w.columns)) {
            let terms = row.iter().zip(&x).map(|(&w, &x)| f64::from(w) * f64::from(x));
            let (exact, size) = terms.fold((0.0, 0.0), |(sum, size), t| (sum + t, size + t.abs()));
            let bound = size * f64::from(f32::EPSILON) * (w.columns as f64 / 8.0 + 8.0);
            prop_assert!((f64::from(*y) - exact).abs() <= bound, "{y} {exact}");
        }
    }

    #[test]
    fn slices_of_rows_are_the_rows(stored in stored(), start in 0usize..90, len in 0usize..90) {
        let (w, decoded) = (stored.matrix(), stored.decoded());
        let slice = w.slice_rows(start, len);
        if start + len > w.rows {
            prop_assert_eq!((slice.rows, slice.columns, slice.bytes()), (0, 0, 0));
        } else {
            let mut y = vec![0.0; w.columns];
            for row in 0..len {
                prop_assert!(slice.row_into(row, &mut y));
                prop_assert_eq!(&y[..], &decoded[(start + row) * w.columns..][..w.columns]);
            }
            prop_assert!(!slice.row_into(len, &mut y));
        }
    }

    #[test]
    fn lengths_that_do_not_fit_give_nan_and_no_panic(stored in stored(), n in 0usize..700, m in 0usize..700) {
        let w = stored.matrix();
        let (x, mut y) = (vec![1.0; n], vec![1.0; m]);
        let fits = |from, to| n % from == 0 && m % to == 0 && n / from == m / to;
        for kernel in Isa::all() {
            w.product(kernel, &x, &mut y);
            prop_assert!(fits(w.columns, w.rows) || y.iter().all(|y| y.is_nan()));
            w.adjoint(kernel, &x, &mut y);
            prop_assert!(fits(w.rows, w.columns) || y.iter().all(|y| y.is_nan()));
        }
    }
}

#[test]
fn kernels_go_by_their_names() {
    for kernel in Isa::all() {
        assert_eq!(Isa::named(kernel.name()), Some(kernel));
    }
    assert_eq!(Isa::named("AVX2"), None);
}
