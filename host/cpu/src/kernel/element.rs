//! The scalar types the kernels work on: `f32`, `f64`, and `f32` with products of brain floats.

use super::math::Real;
use super::scratch::{Scratch, aligned};
use ebt_ranks::{Collective, Lost};
use pulp::Simd;
use std::cell::{Cell, RefCell};

/// A kernel scalar with its SIMD vector operations and its per-thread
/// packing buffers.
///
/// Implemented for `f32`, `f64` and [`Mixed`](super::mixed::Mixed). The vector operations are used by the
/// matrix product; the other kernels are scalar loops which the compiler
/// vectorises.
pub trait Element: Real {
    /// The vector of `S::…_LANES` elements of the instruction set `S`.
    type V<S: Simd>: Copy;
    /// The precision, as configurations name it.
    const NAME: &'static str;
    /// Whether products round their factors to bf16.
    const NARROW: bool;
    /// Greatest depth (`k`) of one packed block of the matrix product.
    const DEPTH: usize;

    /// The same numbers as singles, where that is what they are.
    fn singles(x: &[Self]) -> Option<&[f32]>;

    /// The number as products of this crate's loops take it.
    #[inline(always)]
    fn factor(self) -> Self {
        self
    }

    /// Number of elements of one vector.
    fn lanes<S: Simd>() -> usize;
    /// Vector with every element equal to `x`.
    fn splat<S: Simd>(s: S, x: Self) -> Self::V<S>;
    /// `a * b + c`, fused where the instruction set offers it.
    fn fma<S: Simd>(s: S, a: Self::V<S>, b: Self::V<S>, c: Self::V<S>) -> Self::V<S>;
    /// `a * b`.
    fn times<S: Simd>(s: S, a: Self::V<S>, b: Self::V<S>) -> Self::V<S>;
    /// The whole vectors of `x`; a remainder shorter than a vector is left out.
    fn vectors<S: Simd>(x: &[Self]) -> &[Self::V<S>];
    /// The whole vectors of `x`; a remainder shorter than a vector is left out.
    fn vectors_mut<S: Simd>(x: &mut [Self]) -> &mut [Self::V<S>];
    /// `C = alpha A B + beta C` by the crate `matrixmultiply`: `a` is `(m, k)`, `b` is `(k, n)`, `c` is `(m, n)` with unit
    /// column stride and row stride `sc`. `c` is not read where `beta` is zero.
    ///
    /// # Safety
    /// `a` and `b` must be valid for reads of every element that their shapes and strides reach, `c` for reads and writes
    /// of `n` elements at each `c + i * sc`, `i < m`, and nothing else may access those meanwhile.
    unsafe fn library_product(
        shape: (usize, usize, usize),
        alpha: Self,
        a: (*const Self, Strides),
        b: (*const Self, Strides),
        beta: Self,
        c: (*mut Self, usize),
    );
    /// Replaces lists by their sums over ranks, see [`Collective::sum`]; in single precision and where `fast` is asked for by
    /// [`Collective::all_reduce`].
    fn sum_ranks(ranks: &dyn Collective, lists: &mut [&mut [Self]], fast: bool) -> Result<(), Lost>;
    /// Runs `f` with this thread's packing buffers.
    ///
    /// `f` must not call `with_scratch` again (the buffers are borrowed).
    fn with_scratch<R>(f: impl FnOnce(&mut Scratch<Self>) -> R) -> R;
    /// Runs `f` with a line-aligned buffer of `len` elements of unspecified
    /// content, which the thread keeps for the next call.
    fn with_workspace<R>(len: usize, f: impl FnOnce(&mut [Self]) -> R) -> R;
}

/// Row and column stride of a matrix in a slice, in elements.
pub type Strides = (usize, usize);

fn signed((rows, columns): Strides) -> (isize, isize) {
    (rows as isize, columns as isize)
}

fn sum_f32(ranks: &dyn Collective, lists: &mut [&mut [f32]], fast: bool) -> Result<(), Lost> {
    match fast {
        true => lists.iter_mut().try_for_each(|list| ranks.all_reduce(list)),
        false => ranks.sum(lists),
    }
}

fn sum_f64(ranks: &dyn Collective, lists: &mut [&mut [f64]], _: bool) -> Result<(), Lost> {
    ranks.sum_f64(lists)
}

macro_rules! element {
    ($t:ty, $name:literal, $vec:ident, $lanes:ident, $splat:ident, $fma:ident, $mul:ident,
     $as_simd:ident, $as_mut_simd:ident, $product:ident, $depth:expr, $sum:ident, $singles:expr) => {
        impl Element for $t {
            type V<S: Simd> = S::$vec;
            const NAME: &'static str = $name;
            const NARROW: bool = false;
            const DEPTH: usize = $depth;

            fn singles(x: &[Self]) -> Option<&[f32]> {
                $singles(x)
            }
            #[inline(always)]
            fn lanes<S: Simd>() -> usize {
                S::$lanes
            }
            #[inline(always)]
            fn splat<S: Simd>(s: S, x: Self) -> Self::V<S> {
                s.$splat(x)
            }
            #[inline(always)]
            fn fma<S: Simd>(s: S, a: Self::V<S>, b: Self::V<S>, c: Self::V<S>) -> Self::V<S> {
                s.$fma(a, b, c)
            }
            #[inline(always)]
            fn times<S: Simd>(s: S, a: Self::V<S>, b: Self::V<S>) -> Self::V<S> {
                s.$mul(a, b)
            }
            #[inline(always)]
            fn vectors<S: Simd>(x: &[Self]) -> &[Self::V<S>] {
                S::$as_simd(x).0
            }
            #[inline(always)]
            fn vectors_mut<S: Simd>(x: &mut [Self]) -> &mut [Self::V<S>] {
                S::$as_mut_simd(x).0
            }
            unsafe fn library_product(
                (m, k, n): (usize, usize, usize),
                alpha: Self,
                (a, sa): (*const Self, Strides),
                (b, sb): (*const Self, Strides),
                beta: Self,
                (c, sc): (*mut Self, usize),
            ) {
                let ((ra, ca), (rb, cb)) = (signed(sa), signed(sb));
                // SAFETY: by the contract of this function; strides of slices in memory fit `isize`.
                unsafe {
                    matrixmultiply::$product(m, k, n, alpha, a, ra, ca, b, rb, cb, beta, c, sc as isize, 1);
                }
            }
            fn sum_ranks(ranks: &dyn Collective, lists: &mut [&mut [Self]], fast: bool) -> Result<(), Lost> {
                $sum(ranks, lists, fast)
            }
            fn with_scratch<R>(f: impl FnOnce(&mut Scratch<Self>) -> R) -> R {
                thread_local! {
                    static SCRATCH: RefCell<Scratch<$t>> = const { RefCell::new(Scratch::new()) };
                }
                SCRATCH.with(|s| f(&mut s.borrow_mut()))
            }
            fn with_workspace<R>(len: usize, f: impl FnOnce(&mut [Self]) -> R) -> R {
                thread_local! {
                    static SPACE: Cell<Vec<$t>> = const { Cell::new(Vec::new()) };
                }
                let mut space = SPACE.take();
                let result = f(aligned(&mut space, len));
                SPACE.set(space);
                result
            }
        }
    };
}

element!(
    f32,
    "f32",
    f32s,
    F32_LANES,
    splat_f32s,
    mul_add_e_f32s,
    mul_f32s,
    as_simd_f32s,
    as_mut_simd_f32s,
    sgemm,
    384,
    sum_f32,
    Some
);
element!(
    f64,
    "f64",
    f64s,
    F64_LANES,
    splat_f64s,
    mul_add_e_f64s,
    mul_f64s,
    as_simd_f64s,
    as_mut_simd_f64s,
    dgemm,
    192,
    sum_f64,
    |_| None
);
