//! Products of training by the routine of `ebt-cpu` and by the crate `matrixmultiply`, timed in turns.

use std::io::{self, Write};
use std::time::Instant;

use anyhow::{Result, bail};
use ebt_cpu::kernel::element::{Element, Strides};
use ebt_cpu::kernel::gemm::{Routine, gemm_by};
use rayon::ThreadPool;

/// Least seconds of a turn: small products are repeated.
const TURN: f64 = 5e-3;

/// A product `C = A B`, or `C += A B`, of a training step.
struct Product {
    name: String,
    /// `(m, k, n)`: `A` is `(m, k)`, `B` is `(k, n)`.
    shape: (usize, usize, usize),
    strides: [Strides; 2],
    beta: f64,
}

/// What every weight asks of a batch of `rows`, in a model of this width: its output, the gradient of its input, and
/// its own gradient, which is added up.
fn products(width: usize, rows: usize) -> Vec<Product> {
    let weights = [
        ("query, key, value", 3 * width, width),
        ("attention output", width, width),
        ("gate and up", 8 * width, width),
        ("down", width, 4 * width),
        ("vocabulary", 32 * width, width),
    ];
    let of = |(name, outputs, inputs)| {
        let product = |kind, shape, strides, beta| Product { name: format!("{name}, {kind}"), shape, strides, beta };
        [
            product("output", (rows, inputs, outputs), [(inputs, 1), (1, inputs)], 0.0),
            product("input gradient", (rows, outputs, inputs), [(outputs, 1), (inputs, 1)], 0.0),
            product("gradient", (outputs, rows, inputs), [(1, outputs), (inputs, 1)], 1.0),
        ]
    };
    weights.into_iter().flat_map(of).collect()
}

/// Seconds of one call of each routine, turn by turn.
struct Times([Vec<f64>; 2]);

impl Times {
    /// Median seconds of both.
    fn medians(&self) -> [f64; 2] {
        self.0.each_ref().map(|times| quantile(times.clone(), 0.5))
    }

    /// How many times faster ours is: quartiles and median over neighbouring turns.
    fn ratios(&self) -> [f64; 3] {
        let ratios: Vec<f64> = self.0[0].iter().zip(&self.0[1]).map(|(ours, theirs)| theirs / ours).collect();
        [0.25, 0.5, 0.75].map(|at| quantile(ratios.clone(), at))
    }
}

/// The value below which the share `at` of the others lies.
fn quantile(mut values: Vec<f64>, at: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((at * last as f64).round() as usize).copied().unwrap_or(f64::NAN)
}

/// Times `turns` turns of each routine, one after the other.
fn time<E: Element>(product: &Product, routines: [Routine; 2], turns: usize) -> Times {
    let Product { shape, strides: [sa, sb], beta, .. } = *product;
    let (m, k, n) = shape;
    let fill = |len: usize| -> Vec<E> { (0..len).map(|i| E::from_f64((i * 7 % 13) as f64 / 13.0 - 0.5)).collect() };
    let (a, b, mut c) = (fill(m * k), fill(k * n), fill(m * n));
    let mut run = |routine, calls: usize| {
        let start = Instant::now();
        for _ in 0..calls {
            gemm_by(routine, shape, E::ONE, &a, sa, &b, sb, E::from_f64(beta), &mut c, n);
        }
        start.elapsed().as_secs_f64() / calls as f64
    };
    // the first calls fetch memory and grow buffers
    let [_, once] = routines.map(|routine| run(routine, 1).min(run(routine, 1)));
    let calls = (TURN / once).clamp(1.0, 1e4) as usize;
    let mut times = Times([Vec::new(), Vec::new()]);
    for _ in 0..turns {
        for (routine, times) in routines.into_iter().zip(&mut times.0) {
            times.push(run(routine, calls));
        }
    }
    times
}

/// Writes a table of all products in numbers of one type, on the current rayon pool.
fn table<E: Element>(out: &mut impl Write, width: usize, turns: usize, ours: Routine) -> io::Result<()> {
    let numbers = format!("f{}, threads {}", 8 * size_of::<E>(), rayon::current_num_threads());
    writeln!(out, "\n{numbers:<36}{:>18}{:>9}{:>9}{:>8}  quartiles", "m, k, n", "Gflop/s", "theirs", "ratio")?;
    let mut sums = [0.0; 2];
    for product in [2 * width, 4 * width].into_iter().flat_map(|rows| products(width, rows)) {
        let times = time::<E>(&product, [ours, Routine::Library], turns);
        let ((m, k, n), seconds, [low, ratio, high]) = (product.shape, times.medians(), times.ratios());
        let [ours, theirs] = seconds.map(|seconds| 2e-9 * (m * k * n) as f64 / seconds);
        let (name, shape) = (product.name, format!("{m}, {k}, {n}"));
        writeln!(out, "{name:<36}{shape:>18}{ours:>9.1}{theirs:>9.1}{ratio:>8.2}  {low:.2} to {high:.2}")?;
        sums = [sums[0] + seconds[0], sums[1] + seconds[1]];
    }
    writeln!(out, "{:<72}{:>8.2}", "all, one after the other", sums[1] / sums[0])
}

/// Compares in both precisions, on each of these pools of threads, in a model of this width, and writes tables to `out`.
///
/// # Errors
///
/// An instruction set that only `matrixmultiply` has code for, a stream that cannot be written.
pub fn against_matrixmultiply(
    width: usize,
    turns: usize,
    pools: &[ThreadPool],
    out: &mut (impl Write + Send),
) -> Result<()> {
    let Some(ours) = Routine::comparable() else {
        bail!("--against: products are those of matrixmultiply here, there is nothing to compare");
    };
    writeln!(out, "ours: {}; ratio: how many times faster than matrixmultiply, median of {turns}", ours.name())?;
    for pool in pools {
        pool.install(|| {
            table::<f32>(out, width, turns, ours)?;
            table::<f64>(out, width, turns, ours)
        })?;
    }
    Ok(out.flush()?)
}
