//! Dense matrix products on strided slices.
//!
//! Every product of the backend comes through here. Behind this door stand
//! two routines, and [`Routine::chosen`] says which one serves: blocked loops
//! of this crate, for AVX-512 and for AVX2 with FMA, and the crate
//! `matrixmultiply` for all else.
//!
//! The loops of this crate pack a block of `B` (at most [`Element::DEPTH`]
//! rows) into column panels and a block of `A` into row panels, and accumulate
//! a register tile of `C` over the depth of the block by fused multiply-adds.
//! Every element of `C` sums its products in the order of the depth index, and
//! the depth blocks depend on `k` only. `matrixmultiply` does the same with
//! blocks and tiles of other sizes, on the calling thread; division among
//! threads happens here, at whole tiles. So with either routine a result does
//! not depend on the number of threads or on how `C` is divided among them.
//!
//! Packing buffers are thread-local and grow to the largest block seen (about
//! 1 MiB a thread); after that a product of this crate's routine allocates
//! nothing.

#[cfg(target_arch = "x86_64")]
mod blocks;
#[cfg(target_arch = "x86_64")]
mod narrow;
#[cfg(target_arch = "x86_64")]
mod pack;
mod routine;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod tile;

use super::element::{Element, Strides};
use super::par;
use super::shared::SharedMut;
#[cfg(target_arch = "x86_64")]
use blocks::Block;
pub use routine::Routine;

/// Products of at most this many multiply-adds run on the calling thread.
const SERIAL: usize = 1 << 18;

/// `C = alpha * A * B + beta * C`, on the current rayon pool.
///
/// * `a` is `(m, k)` with strides `sa`, `b` is `(k, n)` with strides `sb`
///   (each may be a transposed view: strides `(1, ld)`), `c` is `(m, n)` with
///   row stride `sc >= n` and unit column stride. All three start at element 0.
/// * When `beta` is zero `c` is only written, so it may hold anything.
/// * Products of fewer than about 2^18 multiply-adds stay on the calling
///   thread; the result is bitwise the same for every pool size.
///
/// # Panics
/// If a slice is too short for its shape and strides, or `sc < n`.
pub fn gemm<E: Element>(
    shape: (usize, usize, usize),
    alpha: E,
    a: &[E],
    sa: Strides,
    b: &[E],
    sb: Strides,
    beta: E,
    c: &mut [E],
    sc: usize,
) {
    gemm_by(Routine::of::<E>(), shape, alpha, a, sa, b, sb, beta, c, sc);
}

/// [`gemm()`] by a routine of the caller's choice, for comparisons.
///
/// # Panics
/// As [`gemm()`].
pub fn gemm_by<E: Element>(
    routine: Routine,
    (m, k, n): (usize, usize, usize),
    alpha: E,
    a: &[E],
    sa: Strides,
    b: &[E],
    sb: Strides,
    beta: E,
    c: &mut [E],
    sc: usize,
) {
    let threads = rayon::current_num_threads();
    let c = SharedMut::new(c);
    if threads == 1 || k == 0 || m.saturating_mul(n).saturating_mul(k) <= SERIAL {
        // SAFETY: `c` is borrowed mutably by this function.
        return unsafe { block(routine, (m, k, n), alpha, a, sa, b, sb, beta, (&c, 0, sc), n) };
    }
    let grain = routine.grain();
    let (rows, cols) = grid(m, n, threads, grain);
    par::tasks(rows * cols, &|i| {
        let (r0, r1) = part(m, rows, i / cols, grain.0);
        let (c0, c1) = part(n, cols, i % cols, grain.1);
        if r0 < r1 && c0 < c1 {
            let (a, b) = (&a[r0 * sa.0..], &b[c0 * sb.1..]);
            let shape = (r1 - r0, k, c1 - c0);
            // SAFETY: the blocks of different tasks are disjoint, and `c` is
            // borrowed mutably by this function.
            unsafe { block(routine, shape, alpha, a, sa, b, sb, beta, (&c, r0 * sc + c0, sc), shape.2) };
        }
    });
}

/// [`gemm()`] on the calling thread, for use inside tasks.
///
/// # Panics
/// As [`gemm()`].
pub fn gemm_serial<E: Element>(
    shape: (usize, usize, usize),
    alpha: E,
    a: &[E],
    sa: Strides,
    b: &[E],
    sb: Strides,
    beta: E,
    c: &mut [E],
    sc: usize,
) {
    // SAFETY: `c` is borrowed mutably, so nothing else accesses it.
    unsafe { gemm_shared(shape, alpha, a, sa, b, sb, beta, &SharedMut::new(c), 0, sc) };
}

/// Multiple of columns up to which [`gemm_padded()`] writes: the widest vector.
pub(super) const PADDED: usize = 16;

/// [`gemm_serial()`] with zeros after the columns of `C`, up to a multiple of
/// [`PADDED`] (`sc` at least): so all of a row can be computed with by vectors.
/// Where `beta` is not zero they must be zeros before.
///
/// # Panics
/// As [`gemm()`].
pub(super) fn gemm_padded<E: Element>(
    shape: (usize, usize, usize),
    alpha: E,
    a: &[E],
    sa: Strides,
    b: &[E],
    sb: Strides,
    beta: E,
    c: &mut [E],
    sc: usize,
) {
    padded_by(Routine::of::<E>(), shape, alpha, a, sa, b, sb, beta, c, sc);
}

/// [`gemm_padded()`] by `routine`.
fn padded_by<E: Element>(
    routine: Routine,
    shape: (usize, usize, usize),
    alpha: E,
    a: &[E],
    sa: Strides,
    b: &[E],
    sb: Strides,
    beta: E,
    c: &mut [E],
    sc: usize,
) {
    let (m, _, n) = shape;
    let padded = n.next_multiple_of(PADDED);
    if beta == E::ZERO && padded > n {
        for row in c.chunks_mut(sc).take(m) {
            row[n..padded].fill(E::ZERO);
        }
    }
    let to = (&SharedMut::new(c), 0, sc);
    // SAFETY: `c` is borrowed mutably, so nothing else accesses it.
    unsafe { block(routine, shape, alpha, a, sa, b, sb, beta, to, padded) };
}

/// [`gemm_serial()`] into a block of a shared slice, which starts at element
/// `at`; tasks may write different blocks of interleaved rows at a time.
///
/// # Safety
/// While it runs nothing else may access the elements of the block.
///
/// # Panics
/// As [`gemm()`].
pub(super) unsafe fn gemm_shared<E: Element>(
    shape: (usize, usize, usize),
    alpha: E,
    a: &[E],
    sa: Strides,
    b: &[E],
    sb: Strides,
    beta: E,
    c: &SharedMut<'_, E>,
    at: usize,
    sc: usize,
) {
    // SAFETY: by the contract of this function.
    unsafe { block(Routine::of::<E>(), shape, alpha, a, sa, b, sb, beta, (c, at, sc), shape.2) };
}

/// [`gemm_shared()`] by `routine`: every product comes through here. `C` may be
/// written up to its column `width`, of `n` or the next multiple of [`PADDED`].
///
/// # Safety
/// While it runs nothing else may access the elements of the block.
///
/// # Panics
/// As [`gemm()`].
unsafe fn block<E: Element>(
    routine: Routine,
    (m, k, n): (usize, usize, usize),
    alpha: E,
    a: &[E],
    sa: Strides,
    b: &[E],
    sb: Strides,
    beta: E,
    (c, at, sc): (&SharedMut<'_, E>, usize, usize),
    width: usize,
) {
    if m == 0 || n == 0 {
        return;
    }
    let fits = |r: usize, q: usize, (sr, sq): Strides, len: usize| {
        r == 0 || q == 0 || (r - 1).saturating_mul(sr).saturating_add((q - 1).saturating_mul(sq)) < len
    };
    assert!(fits(m, k, sa, a.len()), "gemm: `a` is too short");
    assert!(fits(k, n, sb, b.len()), "gemm: `b` is too short");
    assert!(m == 1 || sc >= width, "gemm: rows of `c` overlap");
    let c = c.block(at, (m - 1).saturating_mul(sc).saturating_add(width));
    #[cfg(target_arch = "x86_64")]
    let spill = width > n;
    // SAFETY, of all calls: `a` and `b` were measured above, and `block` checked that the rows of `c` lie inside the
    // slice; the caller keeps all others away from them.
    match routine {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as said.
        Routine::Avx512(s) => unsafe { Block { m, k, n, alpha, a, sa, b, sb, beta, c, sc, spill }.run(s) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as said.
        Routine::Avx2(s) => unsafe { Block { m, k, n, alpha, a, sa, b, sb, beta, c, sc, spill }.run(s) },
        #[cfg(target_arch = "x86_64")]
        Routine::Narrow(narrow) => match (E::singles(a), E::singles(b)) {
            (Some(a), Some(b)) => {
                let (alpha, beta) = (single(alpha), single(beta));
                let product = narrow::Product { m, k, n, alpha, a, sa, b, sb, beta, sc };
                // SAFETY: as said; these elements are singles.
                unsafe { narrow.run(&product, c.cast()) };
            }
            // SAFETY: as said.
            _ => unsafe { E::library_product((m, k, n), alpha, (a.as_ptr(), sa), (b.as_ptr(), sb), beta, (c, sc)) },
        },
        // SAFETY: as said.
        Routine::Library => unsafe {
            E::library_product((m, k, n), alpha, (a.as_ptr(), sa), (b.as_ptr(), sb), beta, (c, sc));
        },
    }
}

#[cfg(target_arch = "x86_64")]
fn single<E: Element>(x: E) -> f32 {
    x.to_f64() as f32
}

/// Divides `C` into a grid of at least `threads` parts where it is large
/// enough, cutting the longer side first.
fn grid(m: usize, n: usize, threads: usize, grain: (usize, usize)) -> (usize, usize) {
    let (mut rows, mut cols) = (1, 1);
    while rows * cols < threads {
        let (h, w) = (m / (rows + 1), n / (cols + 1));
        if h >= grain.0 && (h >= w || w < grain.1) {
            rows += 1;
        } else if w >= grain.1 {
            cols += 1;
        } else {
            break;
        }
    }
    (rows, cols)
}

/// Bounds of part `i` of `len` cut into `parts` at multiples of `grain`.
fn part(len: usize, parts: usize, i: usize, grain: usize) -> (usize, usize) {
    let units = len.div_ceil(grain);
    let at = |i: usize| (units * i / parts * grain).min(len);
    (at(i), at(i + 1))
}
