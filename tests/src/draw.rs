//! Data for a case, drawn from core's counter-based stream: dimensions and seed decide everything.

use std::cell::Cell;

use ebt_core::compute::Backend;
use ebt_core::random::{Purpose, Stream};

/// A matrix on the tests' side.
#[derive(Clone, Debug, PartialEq)]
pub struct Mat {
    /// Number of rows; `data` holds `rows * columns` elements.
    pub rows: usize,
    /// Number of columns, which is the distance of a row from the next in `data`.
    pub columns: usize,
    /// Elements in row-major order.
    pub data: Vec<f64>,
}

impl Mat {
    /// From elements in row-major order.
    pub fn new(rows: usize, columns: usize, data: Vec<f64>) -> Self {
        assert_eq!(rows * columns, data.len(), "elements of a matrix");
        Self { rows, columns, data }
    }
    /// A matrix of this shape whose elements are all zero.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Self::new(rows, columns, vec![0.0; rows * columns])
    }
    /// Numbers of rows and columns, in this order.
    pub fn shape(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }
    /// `self + factor * other`.
    pub fn plus(&self, factor: f64, other: &Self) -> Self {
        assert_eq!(self.shape(), other.shape(), "a sum of matrices");
        let data = self.data.iter().zip(&other.data).map(|(a, b)| a + factor * b).collect();
        Self::new(self.rows, self.columns, data)
    }
    /// Sum of elementwise products.
    pub fn dot(&self, other: &Self) -> f64 {
        assert_eq!(self.shape(), other.shape(), "a product of matrices");
        self.data.iter().zip(&other.data).map(|(a, b)| a * b).sum()
    }
    /// The `columns` elements of row `i`, counted from 0; panics if there is no such row.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.data[i * self.columns..(i + 1) * self.columns]
    }
    /// Uploads to a backend.
    pub fn upload<B: Backend>(&self, b: &B) -> B::Array {
        b.upload_f64(self.rows, self.columns, &self.data)
    }
    /// Downloads from a backend.
    pub fn download<B: Backend>(b: &B, a: &B::Array) -> Self {
        let (rows, columns) = b.shape(a);
        let mut data = vec![f64::NAN; rows * columns];
        b.download_f64(a, &mut data);
        Self::new(rows, columns, data)
    }
}

/// Draws in order from one seed. Real numbers are exact in single precision, so that every backend gets the same.
#[derive(Debug)]
pub struct Draw {
    stream: Stream,
    next: Cell<u64>,
}

impl Draw {
    /// The draws of a seed.
    pub fn new(seed: u64) -> Self {
        Self { stream: Stream::new(seed, 0, Purpose::Test), next: Cell::new(0) }
    }
    fn advance(&self) -> u64 {
        let i = self.next.get();
        self.next.set(i + 1);
        i
    }
    /// A standard normal.
    pub fn normal(&self) -> f64 {
        f64::from(self.stream.normal(self.advance()) as f32)
    }
    /// An integer in `0 .. bound`.
    pub fn below(&self, bound: usize) -> usize {
        self.stream.below(self.advance(), bound.max(1) as u64) as usize
    }
    /// True once in `n`.
    pub fn one_in(&self, n: usize) -> bool {
        self.below(n) == 0
    }
    /// A matrix of standard normals.
    pub fn matrix(&self, rows: usize, columns: usize) -> Mat {
        Mat::new(rows, columns, (0..rows * columns).map(|_| self.normal()).collect())
    }
    /// A matrix of numbers of at least a half.
    pub fn positive(&self, rows: usize, columns: usize) -> Mat {
        let data = (0..rows * columns).map(|_| f64::from((0.5 + self.normal().abs()) as f32)).collect();
        Mat::new(rows, columns, data)
    }
    /// A matrix of numbers of either sign, at least 1 in size: no row is close to zero.
    pub fn away_from_zero(&self, rows: usize, columns: usize) -> Mat {
        let signed = |x: f64| if self.one_in(2) { -x } else { x };
        let mut m = self.positive(rows, columns);
        m.data.iter_mut().for_each(|x| *x = signed(*x + 0.5));
        m
    }
    /// A matrix of multiples of `1 / steps` between -2 and 2: many equal values, exact sums.
    pub fn coarse(&self, rows: usize, columns: usize, steps: usize) -> Mat {
        let one = || self.below(4 * steps + 1) as f64 / steps as f64 - 2.0;
        Mat::new(rows, columns, (0..rows * columns).map(|_| one()).collect())
    }
    /// Integers below `bound`.
    pub fn indices(&self, len: usize, bound: usize) -> Vec<u32> {
        (0..len).map(|_| self.below(bound) as u32).collect()
    }
    /// A random matrix of this shape three times of four, else nothing: an exact zero.
    pub fn perhaps(&self, like: &Mat) -> Option<Mat> {
        if self.one_in(4) { None } else { Some(self.matrix(like.rows, like.columns)) }
    }
}
