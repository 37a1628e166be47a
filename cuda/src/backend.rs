//! The backend trait on the device.

use ebt_core::compute::{AdamW, Backend, Modulated, Modulation, Parameters, SoftmaxRows};
use ebt_core::error::Result;
use ebt_core::random::Stream;

use crate::{Cuda, Index, Matrix, Precision};

/// `fn name(args) -> Out;` for every method that is the method of the same name of [`Cuda`].
macro_rules! operations {
    ($(fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $out:ty)?;)*) => {
        $(fn $name(&self, $($arg: $type),*) $(-> $out)? {
            Cuda::$name(self, $($arg),*)
        })*
    };
}

#[deny(unconditional_recursion)]
impl Backend for Cuda {
    type Array = Matrix;

    operations! {
        fn upload(rows: usize, columns: usize, data: &[f32]) -> Matrix;
        fn upload_f64(rows: usize, columns: usize, data: &[f64]) -> Matrix;
        fn download(a: &Matrix, out: &mut [f32]);
        fn download_f64(a: &Matrix, out: &mut [f64]);
        fn index(data: &[u32]) -> Index;
        fn download_index(a: &Index, out: &mut [u32]);
        fn normal(rows: usize, columns: usize, stream: Stream, first: u64, sigma: f64) -> Matrix;
        fn uniform(
            rows: usize, columns: usize, stream: Stream, first: u64, low: f64, high: f64,
        ) -> Matrix;

        fn axpy(acc: Matrix, factor: &Matrix, x: &Matrix) -> Matrix;
        fn clear(a: &mut Matrix);
        fn write_index(a: &mut Index, data: &[u32]);

        fn log_sum_exp(y: &Matrix) -> Matrix;
        fn rows_matmul(rows: SoftmaxRows<'_, Matrix, Index>, w: &Matrix) -> Matrix;
        fn accumulate_rows(slot: &mut Matrix, rows: SoftmaxRows<'_, Matrix, Index>, x: &Matrix);
        fn cross_entropy_rows(rows: SoftmaxRows<'_, Matrix, Index>) -> Matrix;
        fn descend(y: Matrix, lse: Option<&Matrix>, alpha: &Matrix, dp: &Matrix, w: &Matrix) -> Matrix;

        fn clear_all(list: &mut [Matrix]);
        fn zeros(shapes: &[(usize, usize)]) -> Vec<Matrix>;
        fn modulation(weights: &[Matrix], map: Modulation<'_>, c: &Matrix) -> Modulated<Matrix>;
        fn modulation_backward(
            weights: &[Matrix], map: Modulation<'_>, at: (&Matrix, &Modulated<Matrix>), d: &[Option<&Matrix>],
            grads: &mut [Matrix], dc: &mut Matrix,
        );

        fn sum_squares(list: &[Matrix]) -> Matrix;
        fn update(p: Parameters<'_, Matrix>, constants: AdamW, step: &Matrix);

        fn sum_ranks(list: &mut [&mut Matrix]);
        fn sum_count(count: u64) -> u64;

        fn set_noise_step(step: u32);
        fn run_captured(key: &[u64], work: &mut dyn FnMut() -> Result<()>) -> Result<()>;
        fn status() -> Result<()>;
        fn name() -> &str;
    }

    fn write(&self, a: &mut Matrix, data: &[f64]) {
        let narrow: Vec<f32> = data.iter().map(|&x| x as f32).collect();
        self.write_f32(a, &narrow);
    }

    fn streams_vocabulary(&self) -> bool {
        true
    }
    fn needs_loss_scale(&self) -> bool {
        self.precision == Precision::F16
    }
    fn address(&self, a: &Matrix) -> u64 {
        a.address()
    }
    fn address_of_index(&self, a: &Index) -> u64 {
        a.address()
    }
}
