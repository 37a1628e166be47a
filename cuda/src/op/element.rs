//! Element-wise primitives with broadcasting, casts, accumulation in place.

use super::support::{THREADS, aligned, blocks, kernel, wide};
use crate::launch::{Arg, args};
use crate::{Cuda, Kind, Matrix};

/// Matrices of one launch that clears a list, and bytes of one of its blocks; the kernel has the same numbers.
const CLEARED: usize = 48;
const CLEARED_A_BLOCK: usize = 1 << 16;

/// Functions of one element, as the kernel numbers them.
#[derive(Clone, Copy)]
enum Unary {
    Scale,
    Offset,
    Exp,
    Ln,
    Recip,
    Rsqrt,
    Sigmoid,
    Heaviside,
}

/// Functions of two elements, as the kernel numbers them.
#[derive(Clone, Copy)]
enum Binary {
    Add,
    Mul,
}

/// How a right operand meets an `(n,m)` left one, as the kernels number it.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Full,
    Row,
    Column,
    Scalar,
}

impl Shape {
    fn of(b: &Matrix, rows: usize, columns: usize) -> Option<Self> {
        let fits = |mine: usize, other: usize| mine == other || mine == 1;
        if !fits(b.rows, rows) || !fits(b.columns, columns) {
            return None;
        }
        Some(match (b.rows == rows, b.columns == columns) {
            (true, true) => Self::Full,
            (false, true) => Self::Row,
            (true, false) => Self::Column,
            (false, false) => Self::Scalar,
        })
    }

    /// Whether runs of 8 elements of `(n, columns)` matrices never straddle what the operand distinguishes.
    fn by_runs(self, columns: usize) -> bool {
        matches!(self, Self::Full | Self::Scalar) || columns.is_multiple_of(8)
    }
}

impl Cuda {
    /// A copy in another storage type.
    pub(crate) fn cast(&self, m: &Matrix, kind: Kind) -> Matrix {
        let out = self.take(m.rows, m.columns, kind);
        let wide = aligned(&[m, &out]);
        let args = args![&out, m, m.kind as u32, m.len() as u64, u32::from(wide)];
        self.launch(kernel("element", "cast", kind), blocks(m.len()), THREADS, 0, args);
        out
    }

    fn unary(&self, a: &Matrix, op: Unary, constant: f64) -> Matrix {
        let out = self.take(a.rows, a.columns, a.kind);
        let wide = aligned(&[a, &out]);
        let args = args![&out, a, a.len() as u64, op as u32, constant as f32, u32::from(wide)];
        self.launch(kernel("element", "unary", a.kind), blocks(a.len()), THREADS, 0, args);
        out
    }

    fn binary(&self, what: &str, out: Matrix, a: &Matrix, b: &Matrix, op: Binary) -> Matrix {
        let Some(shape) = Shape::of(b, a.rows, a.columns) else {
            self.differ(what, a, b);
            return out;
        };
        let wide = shape.by_runs(a.columns) && aligned(&[a, b, &out]);
        let (columns, count) = (self.size(a.columns), a.len() as u64);
        let args = args![&out, a, b, b.kind as u32, shape as u32, columns, count, op as u32, u32::from(wide)];
        self.launch(kernel("element", "binary", a.kind), blocks(a.len()), THREADS, 0, args);
        out
    }

    fn fresh(&self, a: &Matrix) -> Matrix {
        self.take(a.rows, a.columns, a.kind)
    }

    pub(crate) fn add(&self, a: &Matrix, b: &Matrix) -> Matrix {
        self.binary("a sum", self.fresh(a), a, b, Binary::Add)
    }
    pub(crate) fn mul(&self, a: &Matrix, b: &Matrix) -> Matrix {
        self.binary("a product by elements", self.fresh(a), a, b, Binary::Mul)
    }
    pub(crate) fn scale(&self, a: &Matrix, factor: f64) -> Matrix {
        self.unary(a, Unary::Scale, factor)
    }
    pub(crate) fn offset(&self, a: &Matrix, constant: f64) -> Matrix {
        self.unary(a, Unary::Offset, constant)
    }
    pub(crate) fn exp(&self, a: &Matrix) -> Matrix {
        self.unary(a, Unary::Exp, 0.0)
    }
    pub(crate) fn ln(&self, a: &Matrix) -> Matrix {
        self.unary(a, Unary::Ln, 0.0)
    }
    pub(crate) fn recip(&self, a: &Matrix) -> Matrix {
        self.unary(a, Unary::Recip, 0.0)
    }
    pub(crate) fn rsqrt(&self, a: &Matrix) -> Matrix {
        self.unary(a, Unary::Rsqrt, 0.0)
    }
    pub(crate) fn sigmoid(&self, a: &Matrix) -> Matrix {
        self.unary(a, Unary::Sigmoid, 0.0)
    }
    pub(crate) fn heaviside(&self, a: &Matrix) -> Matrix {
        self.unary(a, Unary::Heaviside, 0.0)
    }

    /// `acc + factor x`, factor `(n,1)` or `(1,1)`.
    pub(crate) fn axpy(&self, acc: Matrix, factor: &Matrix, x: &Matrix) -> Matrix {
        if !self.agree("axpy", &acc, &[x]) {
            return acc;
        }
        let factor = self.float(factor);
        let shape = match (factor.rows, factor.columns) {
            (1, 1) => Shape::Scalar,
            (rows, 1) if rows == acc.rows => Shape::Column,
            _ => {
                self.differ("the factor of axpy", &acc, &factor);
                return acc;
            }
        };
        let out = self.in_place(&acc);
        let wide = shape.by_runs(acc.columns) && aligned(&[&acc, &out, x]);
        let (columns, count) = (self.size(acc.columns), acc.len() as u64);
        let args = args![&out, &acc, &factor, shape as u32, x, x.kind as u32, columns, count, u32::from(wide)];
        self.launch(kernel("element", "axpy", acc.kind), blocks(acc.len()), THREADS, 0, args);
        out
    }

    /// `h + a y`, where `h` and `a (1,m)` may be absent.
    fn modulated(&self, h: Option<&Matrix>, a: Option<&Matrix>, y: &Matrix) -> Matrix {
        let (y, h, a) = (self.stream(y), h.map(|h| self.stream(h)), a.map(|a| self.float(a)));
        let out = self.take(y.rows, y.columns, y.kind);
        let fits = h.as_ref().is_none_or(|h| self.agree("a residual", h, &[&y]));
        if !fits || !a.as_ref().is_none_or(|a| self.require_shape("a modulation", a, 1, y.columns)) {
            return out;
        }
        let others: Vec<&Matrix> = [Some(&y), Some(&out), h.as_ref(), a.as_ref()].into_iter().flatten().collect();
        let runs = if a.is_some() { wide(y.columns, &others) } else { aligned(&others) };
        let (columns, count) = (self.size(y.columns), y.len() as u64);
        let args = args![&out, h.as_ref(), a.as_ref(), &y, columns, count, u32::from(runs)];
        self.launch(kernel("element", "modulate", y.kind), blocks(y.len()), THREADS, 0, args);
        out
    }

    pub(crate) fn modulate(&self, x: &Matrix, a: &Matrix) -> Matrix {
        self.modulated(None, Some(a), x)
    }
    pub(crate) fn gate_residual(&self, h: &Matrix, a: Option<&Matrix>, y: &Matrix) -> Matrix {
        self.modulated(Some(h), a, y)
    }

    pub(crate) fn accumulate(&self, slot: &mut Matrix, a: &Matrix) {
        if !self.agree("a collected gradient", slot, &[a]) {
            return;
        }
        self.writable(slot);
        let args = args![&*slot, a, a.len() as u64, u32::from(aligned(&[slot, a]))];
        self.launch(kernel("element", "collect", a.kind), blocks(a.len()), THREADS, 0, args);
    }

    /// Zeros of many shapes, written in a few launches.
    pub(crate) fn zeros(&self, shapes: &[(usize, usize)]) -> Vec<Matrix> {
        let zeros: Vec<Matrix> = shapes.iter().map(|&(rows, columns)| self.take(rows, columns, Kind::F32)).collect();
        self.clear_list(&zeros);
        zeros
    }

    /// [`Cuda::clear`] of a list in a few launches.
    pub(crate) fn clear_all(&self, list: &mut [Matrix]) {
        for m in &mut *list {
            *m = self.in_place(m);
        }
        self.clear_list(list);
    }

    /// Zeros in all matrices; their memory begins at multiples of four bytes.
    fn clear_list(&self, list: &[Matrix]) {
        for members in list.chunks(CLEARED) {
            let mut words = [0; 2 * CLEARED + CLEARED / 2];
            let mut blocks = 0;
            for (i, m) in members.iter().enumerate() {
                (words[i], words[CLEARED + i]) = (m.address(), m.bytes() as u64);
                words[2 * CLEARED + i / 2] |= u64::from(self.size(blocks)) << (32 * (i % 2));
                blocks += m.bytes().div_ceil(CLEARED_A_BLOCK);
            }
            if blocks > 0 {
                let table = Arg::Words(&words);
                let args = args![table, self.size(members.len())];
                self.launch(kernel("element", "clear_list", Kind::F32), blocks, THREADS, 0, args);
            }
        }
    }

    pub(crate) fn clear(&self, a: &mut Matrix) {
        *a = self.in_place(a);
        if self.is_sound() {
            self.check(self.driver.fill(a.address(), a.bytes(), 0));
        }
    }
}
