//! The backend trait on the device.

use ebt_core::compute::{AdamW, Backend, Modulated, Modulation, Parameters, SoftmaxRows};
use ebt_core::error::{Error, Result};
use ebt_core::random::Stream;

use crate::compute::operations;
use crate::{Cuda, Index, Matrix, Precision};

impl Backend for Cuda {
    type Array = Matrix;

    operations! {
        fn upload(rows: usize, columns: usize, data: &[f32]) -> Matrix => op_upload;
        fn upload_f64(rows: usize, columns: usize, data: &[f64]) -> Matrix => op_upload_f64;
        fn download(a: &Matrix, out: &mut [f32]) => op_download;
        fn download_f64(a: &Matrix, out: &mut [f64]) => op_download_f64;
        fn index(data: &[u32]) -> Index => op_index;
        fn download_index(a: &Index, out: &mut [u32]) => op_download_index;
        fn normal(rows: usize, columns: usize, stream: Stream, first: u64, sigma: f64) -> Matrix => op_normal;
        fn uniform(
            rows: usize, columns: usize, stream: Stream, first: u64, low: f64, high: f64,
        ) -> Matrix => op_uniform;

        fn axpy(acc: Matrix, factor: &Matrix, x: &Matrix) -> Matrix => op_axpy;
        fn clear(a: &mut Matrix) => op_clear;
        fn write_index(a: &mut Index, data: &[u32]) => op_write_index;

        fn log_sum_exp(y: &Matrix) -> Matrix => op_log_sum_exp;
        fn descend(y: Matrix, lse: Option<&Matrix>, alpha: &Matrix, dp: &Matrix, w: &Matrix) -> Matrix => op_descend;

        fn clear_all(list: &mut [Matrix]) => op_clear_all;
        fn zeros(shapes: &[(usize, usize)]) -> Vec<Matrix> => op_zeros;
        fn modulation(weights: &[Matrix], map: Modulation<'_>, c: &Matrix) -> Modulated<Matrix> => op_modulation;
        fn modulation_backward(
            weights: &[Matrix], map: Modulation<'_>, at: (&Matrix, &Modulated<Matrix>), d: &[Option<&Matrix>],
            grads: &mut [Matrix], dc: &mut Matrix,
        ) => op_modulation_backward;

        fn sum_squares(list: &[Matrix]) -> Matrix => op_sum_squares;
        fn update(p: Parameters<'_, Matrix>, constants: AdamW, step: &Matrix) => op_update;
    }

    fn write(&self, a: &mut Matrix, data: &[f64]) {
        let narrow: Vec<f32> = data.iter().map(|&x| x as f32).collect();
        self.op_write(a, &narrow);
    }

    fn streams_vocabulary(&self) -> bool {
        true
    }
    fn rows_matmul(&self, m: SoftmaxRows<'_, Matrix, Index>, w: &Matrix) -> Matrix {
        self.op_rows_matmul(&m, w)
    }
    fn accumulate_rows(&self, slot: &mut Matrix, m: SoftmaxRows<'_, Matrix, Index>, x: &Matrix) {
        self.op_accumulate_rows(slot, &m, x);
    }
    fn cross_entropy_rows(&self, m: SoftmaxRows<'_, Matrix, Index>) -> Matrix {
        self.op_cross_entropy_rows(&m)
    }

    fn needs_loss_scale(&self) -> bool {
        self.precision == Precision::F16
    }
    fn set_noise_step(&self, step: u32) {
        Cuda::set_noise_step(self, step);
    }
    fn address(&self, a: &Matrix) -> u64 {
        a.address()
    }
    fn address_of_index(&self, a: &Index) -> u64 {
        a.address()
    }
    fn run_captured(&self, key: &[u64], work: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        Cuda::run_captured(self, key, work)
    }

    fn status(&self) -> core::result::Result<(), Error> {
        self.op_status()
    }
    fn name(&self) -> &str {
        self.op_name()
    }
}
