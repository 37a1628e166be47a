//! Mixed precision: single-precision numbers whose matrix products are taken of brain floats.

use super::element::{Element, Strides};
use super::math::Real;
use super::scratch::Scratch;
use ebt_ranks::{Collective, Lost};
use pulp::Simd;
use std::fmt::{self, Debug, Display, Formatter};
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

/// A single-precision number. Matrix products round their factors to bf16 (to nearest, ties to even; subnormal ones to zero) and add up
/// in single precision, unless `matrixmultiply` computes them; all else is single.
#[derive(Clone, Copy, Default, PartialEq, PartialOrd)]
#[repr(transparent)]
pub struct Mixed(pub f32);

impl Debug for Mixed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.0, f)
    }
}

impl Display for Mixed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

macro_rules! operators {
    ($($of:ident $name:ident, $assign:ident $name_assign:ident;)*) => {$(
        impl $of for Mixed {
            type Output = Self;
            #[inline(always)]
            fn $name(self, other: Self) -> Self {
                Self(self.0.$name(other.0))
            }
        }
        impl $assign for Mixed {
            #[inline(always)]
            fn $name_assign(&mut self, other: Self) {
                self.0.$name_assign(other.0);
            }
        }
    )*};
}
operators! {
    Add add, AddAssign add_assign;
    Sub sub, SubAssign sub_assign;
    Mul mul, MulAssign mul_assign;
    Div div, DivAssign div_assign;
}

impl Neg for Mixed {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Real for Mixed {
    const ZERO: Self = Self(0.0);
    const ONE: Self = Self(1.0);
    const NEG_INFINITY: Self = Self(f32::NEG_INFINITY);

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        Self(x as f32)
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self.0)
    }
    #[inline(always)]
    fn from_u32(x: u32) -> Self {
        Self(x as f32)
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        Self(f32::mul_add(self.0, a.0, b.0))
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(f32::sqrt(self.0))
    }
    #[inline(always)]
    fn abs(self) -> Self {
        Self(f32::abs(self.0))
    }
    #[inline(always)]
    fn exp(self) -> Self {
        Self(Real::exp(self.0))
    }
    #[inline(always)]
    fn ln(self) -> Self {
        Self(Real::ln(self.0))
    }
    #[inline(always)]
    fn sin_cos_turn(self) -> (Self, Self) {
        let (sin, cos) = self.0.sin_cos_turn();
        (Self(sin), Self(cos))
    }
}

/// The same numbers as singles.
fn singles(x: &[Mixed]) -> &[f32] {
    // SAFETY: `Mixed` has the memory layout of `f32`.
    unsafe { std::slice::from_raw_parts(x.as_ptr().cast(), x.len()) }
}

/// The same, to be written.
fn singles_mut(x: &mut [Mixed]) -> &mut [f32] {
    // SAFETY: as above, and the borrow is exclusive.
    unsafe { std::slice::from_raw_parts_mut(x.as_mut_ptr().cast(), x.len()) }
}

/// Singles as numbers of this type.
fn mixed_mut(x: &mut [f32]) -> &mut [Mixed] {
    // SAFETY: as above.
    unsafe { std::slice::from_raw_parts_mut(x.as_mut_ptr().cast(), x.len()) }
}

impl Element for Mixed {
    type V<S: Simd> = S::f32s;
    const NAME: &'static str = "bf16";
    const NARROW: bool = true;
    const DEPTH: usize = <f32 as Element>::DEPTH;

    fn singles(x: &[Self]) -> Option<&[f32]> {
        Some(singles(x))
    }
    #[inline(always)]
    fn factor(self) -> Self {
        let bits = self.0.to_bits();
        let rounded = f32::from_bits(bits.wrapping_add(0x7fff + (bits >> 16 & 1)) & 0xffff_0000);
        // what is not a number stays so whatever the sum of its bits is
        let rounded = if self.0.is_nan() { self.0 } else { rounded };
        Self(if self.0.abs() < f32::MIN_POSITIVE { 0.0 } else { rounded })
    }
    #[inline(always)]
    fn lanes<S: Simd>() -> usize {
        f32::lanes::<S>()
    }
    #[inline(always)]
    fn splat<S: Simd>(s: S, x: Self) -> Self::V<S> {
        f32::splat(s, x.0)
    }
    #[inline(always)]
    fn fma<S: Simd>(s: S, a: Self::V<S>, b: Self::V<S>, c: Self::V<S>) -> Self::V<S> {
        f32::fma(s, a, b, c)
    }
    #[inline(always)]
    fn times<S: Simd>(s: S, a: Self::V<S>, b: Self::V<S>) -> Self::V<S> {
        f32::times(s, a, b)
    }
    #[inline(always)]
    fn vectors<S: Simd>(x: &[Self]) -> &[Self::V<S>] {
        f32::vectors::<S>(singles(x))
    }
    #[inline(always)]
    fn vectors_mut<S: Simd>(x: &mut [Self]) -> &mut [Self::V<S>] {
        f32::vectors_mut::<S>(singles_mut(x))
    }
    unsafe fn library_product(
        shape: (usize, usize, usize),
        alpha: Self,
        (a, sa): (*const Self, Strides),
        (b, sb): (*const Self, Strides),
        beta: Self,
        (c, sc): (*mut Self, usize),
    ) {
        // SAFETY: by the contract of this function; the layouts are the same.
        unsafe { f32::library_product(shape, alpha.0, (a.cast(), sa), (b.cast(), sb), beta.0, (c.cast(), sc)) };
    }
    fn sum_ranks(ranks: &dyn Collective, lists: &mut [&mut [Self]], fast: bool) -> Result<(), Lost> {
        let mut lists: Vec<&mut [f32]> = lists.iter_mut().map(|list| singles_mut(list)).collect();
        f32::sum_ranks(ranks, &mut lists, fast)
    }
    fn with_scratch<R>(f: impl FnOnce(&mut Scratch<Self>) -> R) -> R {
        thread_local! {
            static SCRATCH: std::cell::RefCell<Scratch<Mixed>> = const { std::cell::RefCell::new(Scratch::new()) };
        }
        SCRATCH.with(|scratch| f(&mut scratch.borrow_mut()))
    }
    fn with_workspace<R>(len: usize, f: impl FnOnce(&mut [Self]) -> R) -> R {
        f32::with_workspace(len, |space| f(mixed_mut(space)))
    }
}
