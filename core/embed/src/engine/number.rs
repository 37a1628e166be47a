//! One code for values and for values with tangents: the energy's gradient and its Hessian-vector product are the same
//! passes, run on `f32` and on [`Dual`] (forward mode, as [`crate::dual`] does it for whole tensors).
//!
//! An array of `n` rows is stored as its values, then, for [`Dual`], as its tangents: `[values (n,w) | tangents (n,w)]`.
//! A linear operation with constant weights is thus the same product on twice as many rows.

use core::ops::{Add, Mul, Neg, Sub};

use super::math;

/// `sum a_k` in the canonical order.
fn total(a: &[f32]) -> f32 {
    math::sum1(a, |a| a)
}

/// A value, with or without a tangent.
pub trait Number: Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Neg<Output = Self> {
    /// Arrays stored one behind the other: 1 for values, 2 with tangents.
    const PARTS: usize;
    /// A row that is read.
    type Row<'a>: Copy;
    /// A row that is written.
    type RowMut<'a>;

    /// The number `x`; its tangent, where it has one, is 0.
    fn constant(x: f32) -> Self;
    /// The value alone.
    fn value(self) -> f32;
    /// `e^x`, by [`math::exp`]; the tangent is multiplied by it.
    fn exp(self) -> Self;
    /// `1 / x`.
    fn recip(self) -> Self;
    /// `1 / sqrt(x)`.
    fn rsqrt(self) -> Self;

    /// The rows of an array `(n, width)`; `width` is at least 1.
    fn rows(array: &[f32], n: usize, width: usize) -> impl Iterator<Item = Self::Row<'_>>;
    /// The rows of an array `(n, width)` to write to.
    fn rows_mut(array: &mut [f32], n: usize, width: usize) -> impl Iterator<Item = Self::RowMut<'_>>;
    /// Numbers `start .. start + len` of a row; fewer where it ends before.
    fn part<'a>(row: &Self::Row<'a>, start: usize, len: usize) -> Self::Row<'a>;
    /// Numbers `start .. start + len` of a row that is written.
    fn part_mut<'a>(row: &'a mut Self::RowMut<'_>, start: usize, len: usize) -> Self::RowMut<'a>;
    /// A row that is written, read.
    fn read<'a>(row: &'a Self::RowMut<'_>) -> Self::Row<'a>;
    /// The numbers of a row.
    fn numbers(row: Self::Row<'_>) -> impl Iterator<Item = Self>;
    /// `y_i = f(y_i, x_i)` where both have numbers.
    fn update(y: &mut Self::RowMut<'_>, x: Self::Row<'_>, f: impl Fn(Self, Self) -> Self);
    /// `y_i = f(y_i, x_i)` for numbers that come one by one.
    fn update_with(y: &mut Self::RowMut<'_>, x: impl Iterator<Item = Self>, f: impl Fn(Self, Self) -> Self);
    /// `y_i = f(y_i)`.
    fn map(y: &mut Self::RowMut<'_>, f: impl Fn(Self) -> Self);
    /// The largest value of a row; `-inf` of none.
    fn largest(a: Self::Row<'_>) -> f32;
    /// The sum of a row in the canonical order.
    fn total(a: Self::Row<'_>) -> Self;
    /// `<a, b>` in the canonical order of sums.
    fn dot(a: Self::Row<'_>, b: Self::Row<'_>) -> Self;
}

impl Number for f32 {
    const PARTS: usize = 1;
    type Row<'a> = &'a [f32];
    type RowMut<'a> = &'a mut [f32];

    fn constant(x: f32) -> Self {
        x
    }
    fn value(self) -> f32 {
        self
    }
    #[inline]
    fn exp(self) -> Self {
        math::exp(self)
    }
    #[inline]
    fn recip(self) -> Self {
        1.0 / self
    }
    #[inline]
    fn rsqrt(self) -> Self {
        1.0 / math::sqrt(self)
    }

    fn rows(array: &[f32], n: usize, width: usize) -> impl Iterator<Item = Self::Row<'_>> {
        array.chunks_exact(width.max(1)).take(n)
    }
    fn rows_mut(array: &mut [f32], n: usize, width: usize) -> impl Iterator<Item = Self::RowMut<'_>> {
        array.chunks_exact_mut(width.max(1)).take(n)
    }
    #[inline]
    fn part<'a>(row: &Self::Row<'a>, start: usize, len: usize) -> Self::Row<'a> {
        let rest = row.get(start..).unwrap_or(&[]);
        rest.get(..len).unwrap_or(rest)
    }
    #[inline]
    fn part_mut<'a>(row: &'a mut &mut [f32], start: usize, len: usize) -> &'a mut [f32] {
        row.get_mut(start..start.saturating_add(len)).unwrap_or(&mut [])
    }
    #[inline]
    fn read<'a>(row: &'a &mut [f32]) -> &'a [f32] {
        row
    }
    #[inline]
    fn numbers(row: Self::Row<'_>) -> impl Iterator<Item = f32> {
        row.iter().copied()
    }
    #[inline]
    fn update(y: &mut &mut [f32], x: &[f32], f: impl Fn(f32, f32) -> f32) {
        y.iter_mut().zip(x).for_each(|(y, &x)| *y = f(*y, x));
    }
    #[inline]
    fn update_with(y: &mut &mut [f32], x: impl Iterator<Item = f32>, f: impl Fn(f32, f32) -> f32) {
        y.iter_mut().zip(x).for_each(|(y, x)| *y = f(*y, x));
    }
    #[inline]
    fn map(y: &mut &mut [f32], f: impl Fn(f32) -> f32) {
        y.iter_mut().for_each(|y| *y = f(*y));
    }
    #[inline]
    fn largest(a: &[f32]) -> f32 {
        math::maximum(a)
    }
    #[inline]
    fn total(a: &[f32]) -> f32 {
        total(a)
    }
    #[inline]
    fn dot(a: &[f32], b: &[f32]) -> f32 {
        math::dot(a, b)
    }
}

/// A value and its tangent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dual {
    /// The number itself, by the same operations as on `f32`.
    pub value: f32,
    /// Derivative along the direction that is pushed through.
    pub tangent: f32,
}

/// A row of values and one of their tangents.
#[derive(Clone, Copy, Debug)]
pub struct DualRow<'a> {
    values: &'a [f32],
    tangents: &'a [f32],
}

/// A row of values and one of their tangents, to be written.
#[derive(Debug)]
pub struct DualRowMut<'a> {
    values: &'a mut [f32],
    tangents: &'a mut [f32],
}

impl Add for Dual {
    type Output = Self;
    #[inline]
    fn add(self, x: Self) -> Self {
        Self { value: self.value + x.value, tangent: self.tangent + x.tangent }
    }
}

impl Sub for Dual {
    type Output = Self;
    #[inline]
    fn sub(self, x: Self) -> Self {
        Self { value: self.value - x.value, tangent: self.tangent - x.tangent }
    }
}

impl Mul for Dual {
    type Output = Self;
    #[inline]
    fn mul(self, x: Self) -> Self {
        Self { value: self.value * x.value, tangent: self.tangent * x.value + self.value * x.tangent }
    }
}

impl Neg for Dual {
    type Output = Self;
    #[inline]
    fn neg(self) -> Self {
        Self { value: -self.value, tangent: -self.tangent }
    }
}

/// Splits an array into its values and its tangents, `len` numbers each.
fn halves(array: &[f32], len: usize) -> (&[f32], &[f32]) {
    array.split_at_checked(len).unwrap_or((&[], &[]))
}

impl Number for Dual {
    const PARTS: usize = 2;
    type Row<'a> = DualRow<'a>;
    type RowMut<'a> = DualRowMut<'a>;

    fn constant(x: f32) -> Self {
        Self { value: x, tangent: 0.0 }
    }
    fn value(self) -> f32 {
        self.value
    }
    #[inline]
    fn exp(self) -> Self {
        let e = math::exp(self.value);
        Self { value: e, tangent: e * self.tangent }
    }
    #[inline]
    fn recip(self) -> Self {
        let r = 1.0 / self.value;
        Self { value: r, tangent: -(r * r) * self.tangent }
    }
    #[inline]
    fn rsqrt(self) -> Self {
        // d x^(-1/2) = -1/2 x^(-3/2) dx
        let r = 1.0 / math::sqrt(self.value);
        Self { value: r, tangent: -0.5 * (r * r * r) * self.tangent }
    }

    fn rows(array: &[f32], n: usize, width: usize) -> impl Iterator<Item = Self::Row<'_>> {
        let (values, tangents) = halves(array, n.saturating_mul(width));
        let pairs = values.chunks_exact(width.max(1)).zip(tangents.chunks_exact(width.max(1)));
        pairs.map(|(values, tangents)| DualRow { values, tangents })
    }
    fn rows_mut(array: &mut [f32], n: usize, width: usize) -> impl Iterator<Item = Self::RowMut<'_>> {
        let (values, tangents) = array.split_at_mut_checked(n.saturating_mul(width)).unwrap_or((&mut [], &mut []));
        let pairs = values.chunks_exact_mut(width.max(1)).zip(tangents.chunks_exact_mut(width.max(1)));
        pairs.map(|(values, tangents)| DualRowMut { values, tangents })
    }
    #[inline]
    fn part<'a>(row: &Self::Row<'a>, start: usize, len: usize) -> Self::Row<'a> {
        DualRow { values: f32::part(&row.values, start, len), tangents: f32::part(&row.tangents, start, len) }
    }
    #[inline]
    fn part_mut<'a>(row: &'a mut DualRowMut<'_>, start: usize, len: usize) -> DualRowMut<'a> {
        DualRowMut {
            values: f32::part_mut(&mut row.values, start, len),
            tangents: f32::part_mut(&mut row.tangents, start, len),
        }
    }
    #[inline]
    fn read<'a>(row: &'a DualRowMut<'_>) -> DualRow<'a> {
        DualRow { values: row.values, tangents: row.tangents }
    }
    #[inline]
    fn numbers(row: Self::Row<'_>) -> impl Iterator<Item = Self> {
        row.values.iter().zip(row.tangents).map(|(&value, &tangent)| Self { value, tangent })
    }
    #[inline]
    fn update(y: &mut DualRowMut<'_>, x: DualRow<'_>, f: impl Fn(Self, Self) -> Self) {
        Self::update_with(y, Self::numbers(x), f);
    }
    #[inline]
    fn update_with(y: &mut DualRowMut<'_>, x: impl Iterator<Item = Self>, f: impl Fn(Self, Self) -> Self) {
        for ((value, tangent), x) in y.values.iter_mut().zip(y.tangents.iter_mut()).zip(x) {
            let new = f(Self { value: *value, tangent: *tangent }, x);
            (*value, *tangent) = (new.value, new.tangent);
        }
    }
    #[inline]
    fn map(y: &mut DualRowMut<'_>, f: impl Fn(Self) -> Self) {
        for (value, tangent) in y.values.iter_mut().zip(y.tangents.iter_mut()) {
            let new = f(Self { value: *value, tangent: *tangent });
            (*value, *tangent) = (new.value, new.tangent);
        }
    }
    #[inline]
    fn largest(a: DualRow<'_>) -> f32 {
        math::maximum(a.values)
    }
    #[inline]
    fn total(a: DualRow<'_>) -> Self {
        Self { value: total(a.values), tangent: total(a.tangents) }
    }
    #[inline]
    fn dot(a: DualRow<'_>, b: DualRow<'_>) -> Self {
        let tangent = math::dot(a.tangents, b.values) + math::dot(a.values, b.tangents);
        Self { value: math::dot(a.values, b.values), tangent }
    }
}
