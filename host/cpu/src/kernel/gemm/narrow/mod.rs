//! Products of brain floats: factors are rounded to bf16, sums are single.
//!
//! Both factors are packed into tiles of a kibibyte, as AMX reads them. A tile of `A` has 16 rows of 32 numbers along the depth; one of
//! `B` has 16 rows, each of a pair of depths for 16 columns: `b[2 r][j], b[2 r + 1][j]`. A block of 32 x 32 of `C` is summed at a time,
//! by AMX ([`amx`]) or by the dot products of AVX-512 ([`dot`]). Depths are taken in order and cut by `k` alone, so results depend
//! neither on the number of threads nor on how `C` is divided among them.

mod amx;
mod dot;
mod pack;
mod tiles;

use std::arch::x86_64::__cpuid;
use std::cell::RefCell;
use std::sync::OnceLock;

use super::super::element::Strides;
use amx::Amx;
use tiles::{BLOCK, DEEP, Line, SIDE, Sums, Tile};

/// Greatest depth of a packed block.
const MOST_DEPTH: usize = 1024;
/// Rows of a packed block of `A`.
const A_ROWS: usize = 4 * BLOCK;
/// Bytes of a packed block of `B`.
const B_BYTES: usize = 512 << 10;

/// First row and number of rows, first column and number of columns of `C`.
type Place = ((usize, usize), (usize, usize));

/// One product `C = alpha A B + beta C` for one thread, with sizes and strides as in [`super::gemm()`].
#[derive(Debug)]
pub(super) struct Product<'a> {
    pub m: usize,
    pub k: usize,
    pub n: usize,
    pub alpha: f32,
    pub a: &'a [f32],
    pub sa: Strides,
    pub b: &'a [f32],
    pub sb: Strides,
    pub beta: f32,
    pub sc: usize,
}

/// Instructions for brain floats, which this processor was found to have.
#[derive(Clone, Copy, Debug)]
pub struct Narrow {
    /// None: the dot products of AVX-512.
    amx: Option<Amx>,
}

/// Packed blocks of a thread.
struct Packed {
    a: Vec<Tile>,
    b: Vec<Tile>,
}

thread_local! {
    static PACKED: RefCell<Packed> = const { RefCell::new(Packed { a: Vec::new(), b: Vec::new() }) };
}

impl Narrow {
    /// The instructions of this processor, if it has them and they are faster than products of singles.
    ///
    /// The dot products of AVX-512 are not on Intel's: one does the work of two multiply-adds and takes, on a Xeon (Emerald Rapids), as long
    /// as 4.4 of them, 0.76 ns against 0.17.
    pub fn detect() -> Option<Self> {
        static FOUND: OnceLock<Option<Narrow>> = OnceLock::new();
        *FOUND.get_or_init(|| {
            let leaf = __cpuid(0);
            let intel = [leaf.ebx, leaf.edx, leaf.ecx].map(u32::to_le_bytes).as_flattened() == b"GenuineIntel";
            Self::of_vectors().map(|_| Narrow { amx: Amx::detect() }).filter(|found| found.amx.is_some() || !intel)
        })
    }

    /// The dot products of AVX-512, if this processor has them.
    pub fn of_vectors() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512bf16");
        found.then_some(Narrow { amx: None })
    }

    /// Name of the instruction set.
    pub fn name(self) -> &'static str {
        if self.amx.is_some() { "AMX-BF16" } else { "AVX512-BF16" }
    }

    /// Computes a product.
    ///
    /// # Safety
    /// `c` must be valid for reads and writes of `n` elements at each `c + i * sc`, `i < m`, and nothing else may access them
    /// meanwhile. `a` and `b` must have every element that sizes and strides reach.
    pub(super) unsafe fn run(self, product: &Product<'_>, c: *mut f32) {
        PACKED.with(|packed| {
            // SAFETY: by the contract of this function.
            unsafe { self.blocks(product, c, &mut packed.borrow_mut()) }
        });
    }

    /// # Safety
    /// As [`Narrow::run`].
    unsafe fn blocks(self, p: &Product<'_>, c: *mut f32, packed: &mut Packed) {
        let Product { m, k, n, beta, .. } = *p;
        let depth = k.div_ceil(k.div_ceil(MOST_DEPTH).max(1)).next_multiple_of(DEEP).max(DEEP);
        let wide = (B_BYTES / (2 * depth)) / BLOCK * BLOCK;
        let wide = n.div_ceil(n.div_ceil(wide)).next_multiple_of(BLOCK);
        let tiles = depth / DEEP;
        let unit = |lines: usize| lines.next_multiple_of(BLOCK) / SIDE * tiles;
        grow(&mut packed.a, unit(A_ROWS.min(m)));
        grow(&mut packed.b, unit(wide));
        let session = self.amx.map(Amx::begin);
        for j0 in (0..n).step_by(wide) {
            let columns = wide.min(n - j0);
            for p0 in (0..k.max(1)).step_by(depth) {
                let deep = depth.min(k - p0);
                let tiles = deep.div_ceil(DEEP);
                let beta = if p0 == 0 { beta } else { 1.0 };
                let b = &mut packed.b[..columns.next_multiple_of(BLOCK) / SIDE * tiles];
                // SAFETY: `detect` found the vectors; the elements are there by the contract of `run`.
                unsafe {
                    pack::pairs(p.b.get(p0 * p.sb.0 + j0 * p.sb.1..).unwrap_or(&[]), (p.sb.1, p.sb.0), columns, deep, b)
                };
                for i0 in (0..m).step_by(A_ROWS) {
                    let rows = A_ROWS.min(m - i0);
                    let a = &mut packed.a[..rows.next_multiple_of(BLOCK) / SIDE * tiles];
                    // SAFETY: as above.
                    unsafe { pack::lines(p.a.get(i0 * p.sa.0 + p0 * p.sa.1..).unwrap_or(&[]), p.sa, rows, deep, a) };
                    for j in (0..columns).step_by(BLOCK) {
                        let b = &b[j / SIDE * tiles..][..2 * tiles];
                        for i in (0..rows).step_by(BLOCK) {
                            let a = &a[i / SIDE * tiles..][..2 * tiles];
                            let place = ((i0 + i, BLOCK.min(rows - i)), (j0 + j, BLOCK.min(columns - j)));
                            // SAFETY: the place lies inside `C`.
                            unsafe { block(session.as_ref(), p, (a, b), beta, place, c) };
                        }
                    }
                }
            }
        }
    }
}

fn grow(tiles: &mut Vec<Tile>, len: usize) {
    if tiles.len() < len {
        tiles.resize(len, [Line([0; DEEP]); SIDE]);
    }
}

/// Adds the product of packed tiles to a block of `C`.
///
/// # Safety
/// The rows and columns of the place must lie inside `C`, which nothing else accesses meanwhile, and the processor must have the
/// instructions.
unsafe fn block(
    session: Option<&amx::Session>,
    p: &Product<'_>,
    (a, b): (&[Tile], &[Tile]),
    beta: f32,
    ((i, rows), (j, columns)): Place,
    c: *mut f32,
) {
    let whole = rows == BLOCK && columns == BLOCK;
    let to = c.wrapping_add(i * p.sc + j);
    if let Some(session) = session {
        if whole && p.alpha == 1.0 && (beta == 0.0 || beta == 1.0) {
            // SAFETY: by the contract of this function.
            return unsafe { session.sum(a, b, to, p.sc, beta == 1.0) };
        }
        let mut sums: Sums = [[0.0; BLOCK]; BLOCK];
        // SAFETY: the sums are a block of their own.
        unsafe { session.sum(a, b, sums.as_mut_ptr().cast(), BLOCK, false) };
        // SAFETY: by the contract of this function.
        return unsafe { store(&sums, (p.alpha, beta), (rows, columns), (to, p.sc)) };
    }
    // SAFETY: by the contract of this function.
    unsafe {
        let sums = dot::sum(a, b);
        store(&sums, (p.alpha, beta), (rows, columns), (to, p.sc));
    }
}

/// `C = alpha sums + beta C` for a block.
///
/// # Safety
/// As [`block`].
#[target_feature(enable = "avx512f")]
unsafe fn store(
    sums: &Sums,
    (alpha, beta): (f32, f32),
    (rows, columns): (usize, usize),
    (to, stride): (*mut f32, usize),
) {
    for (i, sums) in sums.iter().enumerate().take(rows) {
        // SAFETY: the row lies inside `C`.
        let row = unsafe { std::slice::from_raw_parts_mut(to.add(i * stride), columns) };
        if beta == 0.0 {
            row.iter_mut().zip(sums).for_each(|(c, sum)| *c = alpha * sum);
        } else {
            row.iter_mut().zip(sums).for_each(|(c, sum)| *c = alpha.mul_add(*sum, beta * *c));
        }
    }
}
