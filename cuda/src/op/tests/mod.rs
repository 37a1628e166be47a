//! Operations on a device, or on a stand-in for one (`EBT_CUDA_LIBS=... cargo test -p ebt-cuda -- --ignored`), against
//! the reference backend in double precision on the very numbers that the device holds.

mod joint;
mod primitives;
mod streams;
mod training;

use std::cell::Cell;

use crate::{Cuda, Index, Kind, Matrix, Options, Precision};
use ebt_core::compute::Backend;
use ebt_core::random::{Purpose, Stream};
use ebt_core::reference::{Arena, Reference};

type Yardstick<'a> = Reference<'a, f64>;
type Exact<'a> = <Yardstick<'a> as Backend>::Array;

/// The same numbers on the device and on the yardstick.
#[derive(Clone)]
struct Twin<'a> {
    device: Matrix,
    exact: Exact<'a>,
}

struct Bench<'a, 'r> {
    cuda: Cuda,
    reference: &'r Yardstick<'a>,
    drawn: Cell<u64>,
    /// Rounding of activations, relative to the largest element.
    rounding: f64,
}

/// Runs `body` in every precision.
fn in_all_precisions(body: impl Fn(&Bench<'_, '_>)) {
    for (precision, rounding) in
        [(Precision::F32, 4e-6), (Precision::Bf16, 1.0 / 200.0), (Precision::F16, 1.0 / 1500.0)]
    {
        let arena = Arena::new(1 << 22, 1 << 17);
        let reference = Reference::new(&arena);
        let cuda = Cuda::new(&Options { precision, poison: true, ..Options::default() }).expect("a device");
        body(&Bench { cuda, reference: &reference, drawn: Cell::new(0), rounding });
    }
}

impl<'a> Bench<'a, '_> {
    fn uniform(&self, low: f64, high: f64) -> f64 {
        self.drawn.set(self.drawn.get() + 1);
        low + (high - low) * Stream::new(5, 1, Purpose::Test).uniform(self.drawn.get())
    }

    fn below(&self, bound: usize) -> usize {
        self.uniform(0.0, bound as f64) as usize
    }

    /// Sizes at which kernels change their path.
    fn size(&self) -> usize {
        [1, 2, 3, 5, 8, 16, 17, 32, 33, 40][self.below(10)]
    }

    fn values(&self, m: &Matrix) -> Vec<f64> {
        let mut narrow = vec![0.0; m.len()];
        self.cuda.download(m, &mut narrow);
        narrow.into_iter().map(f64::from).collect()
    }

    /// Numbers in `low .. high`, in a storage type; half of them are views that begin inside a block.
    fn draw(&self, rows: usize, columns: usize, kind: Kind, [low, high]: [f64; 2]) -> Twin<'a> {
        let skip = if self.below(2) == 0 { 0 } else { 1 + self.below(9) };
        let numbers: Vec<f32> = (0..skip + rows * columns).map(|_| self.uniform(low, high) as f32).collect();
        let whole = self.cuda.as_kind(&self.cuda.upload(1, numbers.len(), &numbers), kind);
        self.twin(whole.shaped(skip, rows, columns))
    }

    /// The device's numbers on both sides.
    fn twin(&self, device: Matrix) -> Twin<'a> {
        let exact = self.reference.upload_f64(device.rows, device.columns, &self.values(&device));
        Twin { device, exact }
    }

    fn stream(&self, rows: usize, columns: usize) -> Twin<'a> {
        self.draw(rows, columns, self.cuda.stream_kind(), [-1.0, 1.0])
    }

    fn float(&self, rows: usize, columns: usize) -> Twin<'a> {
        self.draw(rows, columns, Kind::F32, [-1.0, 1.0])
    }

    /// Ids below `bound`, some absent.
    fn targets(&self, count: usize, bound: usize) -> Vec<u32> {
        (0..count).map(|_| if self.below(5) == 0 { u32::MAX } else { self.below(bound) as u32 }).collect()
    }

    fn index(&self, data: &[u32]) -> Index {
        self.cuda.index(data)
    }

    /// Fails where an element is further than `tolerance` times the largest element (or 0.1) from what it should be.
    fn near(&self, what: &str, found: &Matrix, expected: &[f64], tolerance: f64) {
        let found_values = self.values(found);
        assert_eq!(self.cuda.status(), Ok(()), "{what}");
        assert_eq!(found_values.len(), expected.len(), "{what}");
        let largest = expected.iter().fold(0.1, |top: f64, x| top.max(x.abs()));
        for (i, (x, y)) in found_values.iter().zip(expected).enumerate() {
            let error = (x - y).abs();
            assert!(
                error <= tolerance * largest,
                "{what} {} in {}: element {i} is {x} and not {y}",
                shape(found),
                self.cuda.name
            );
        }
    }

    fn same(&self, what: &str, found: &Matrix, expected: &Exact<'a>, tolerance: f64) {
        let mut values = vec![0.0; found.len()];
        self.reference.download_f64(expected, &mut values);
        assert_eq!(self.reference.status(), Ok(()), "{what}");
        self.near(what, found, &values, tolerance);
    }

    /// An activation: in stream type.
    fn activation(&self, what: &str, found: &Matrix, expected: &Exact<'a>) {
        assert_eq!(found.kind, self.cuda.stream_kind(), "{what}");
        self.same(what, found, expected, self.rounding);
    }

    /// A statistic or a sum: in single precision.
    fn statistic(&self, what: &str, found: &Matrix, expected: &Exact<'a>) {
        assert_eq!(found.kind, Kind::F32, "{what}");
        self.same(what, found, expected, 4e-6);
    }
}

fn shape(m: &Matrix) -> String {
    format!("({} x {}, {})", m.rows, m.columns, m.kind.name())
}
