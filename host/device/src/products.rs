//! The rate of matrix products alone.

use std::hint::black_box;
use std::time::Instant;

use anyhow::Result;
use ebt_core::compute::{Backend, Compute, Layout};
use ebt_core::random::{Purpose, Stream};
use ebt_cpu::Cpu;
use serde::Serialize;

use crate::device::{BackendTask, Device};

/// The rate of square products.
#[derive(Clone, Debug, Serialize)]
pub struct Rate {
    /// Operations a second, the median of seven groups.
    pub flops_per_second: f64,
    /// Rows and columns of both factors.
    pub size: usize,
    /// Name of the backend.
    pub name: String,
}

/// Groups of repetitions.
const GROUPS: usize = 7;

impl Device {
    /// Times groups of `repeat` products of two `size x size` matrices.
    ///
    /// # Errors
    ///
    /// A device that cannot be opened, and its failures.
    pub fn square_products(&self, size: usize, repeat: usize) -> Result<Rate> {
        self.with_backend(Squares { size, repeat })
    }
}

struct Squares {
    size: usize,
    repeat: usize,
}

impl BackendTask for Squares {
    type Output = Rate;

    fn run<B: Backend>(self, b: &B) -> Result<Rate> {
        let Self { size, repeat } = self;
        let draw = |detail| b.normal(size, size, Stream::new(0, 0, Purpose::Test).detail(detail), 0, 1.0);
        // a product brings both factors to the storage type of activations, so that later ones are products alone
        let (x, y) = (draw(0), draw(1));
        let (x, y) = (b.matmul(&x, &y, Layout::NT), b.matmul(&y, &x, Layout::NT));
        let one = |out: &mut [f32]| {
            // copying one number back waits for the device
            let product = b.matmul(&x, &y, Layout::NT);
            b.download(&b.slice_columns(&b.slice_rows(&product, 0, 1), 0, 1), out);
        };
        one(&mut [0.0]);
        let mut rates = Vec::new();
        for _ in 0..GROUPS {
            let start = Instant::now();
            for _ in 1..repeat {
                b.matmul(&x, &y, Layout::NT);
            }
            one(&mut [0.0]);
            rates.push(2.0 * (size as f64).powi(3) * repeat as f64 / start.elapsed().as_secs_f64());
        }
        b.status()?;
        rates.sort_by(f64::total_cmp);
        Ok(Rate { flops_per_second: rates[GROUPS / 2].round(), size, name: b.name().to_owned() })
    }
}

/// Operations a second of the processor's products of `rows` rows with matrices of these shapes `(n, k)`, one after the
/// other, on one thread: the median of nine passes.
pub fn products_on_one_thread(shapes: &[(usize, usize)], rows: usize) -> f64 {
    let b = Cpu::<f32>::new(1);
    let draw = |n, m, detail| b.normal(n, m, Stream::new(0, 0, Purpose::Test).detail(detail), 0, 1.0);
    let factors: Vec<_> = shapes.iter().map(|&(n, k)| (draw(rows, k, 0), draw(n, k, 1))).collect();
    let operations: f64 = shapes.iter().map(|&(n, k)| 2.0 * (rows * n * k) as f64).sum();
    let pass = || {
        let start = Instant::now();
        for (x, w) in &factors {
            black_box(b.matmul(x, w, Layout::NT));
        }
        start.elapsed().as_secs_f64()
    };
    pass();
    let mut seconds: Vec<f64> = (0..9).map(|_| pass()).collect();
    seconds.sort_by(f64::total_cmp);
    operations / seconds[seconds.len() / 2]
}
