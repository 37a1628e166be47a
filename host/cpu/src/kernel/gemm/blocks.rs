//! The blocked loops of the matrix product.

use super::super::element::{Element, Strides};
use super::super::scratch::Scratch;
use super::pack;
use pulp::{Simd, WithSimd};

/// Bytes of a packed block of `B`: half of a 1 MiB second-level cache.
const B_BYTES: usize = 512 << 10;
/// Rows of a packed block of `A`: a multiple of every tile height.
const A_ROWS: usize = 144;

/// One product `C = alpha * A * B + beta * C` for one thread.
pub(super) struct Block<'a, E> {
    pub m: usize,
    pub k: usize,
    pub n: usize,
    pub alpha: E,
    pub a: &'a [E],
    pub sa: Strides,
    pub b: &'a [E],
    pub sb: Strides,
    pub beta: E,
    pub c: *mut E,
    pub sc: usize,
    /// Whether the columns of `C` after the last, up to a whole vector, are its own: products with columns of zeros go there.
    pub spill: bool,
}

/// First row and number of rows, first column and number of columns of `C`.
pub(super) type Place = ((usize, usize), (usize, usize));

/// A [`Block`] whose pointer has been vouched for, with packing buffers.
struct Checked<'a, E>(Block<'a, E>, &'a mut Scratch<E>);

impl<E: Element> Block<'_, E> {
    /// Computes the product with the instruction set `s`.
    ///
    /// # Safety
    /// `c` must be valid for reads and writes of `n` elements (where they
    /// `spill`, up to a whole vector more) at each `c + i * sc`, `i < m`, and
    /// nothing else may access them meanwhile.
    pub(super) unsafe fn run<S: Simd>(self, s: S) {
        E::with_scratch(|scratch| s.vectorize(Checked(self, scratch)));
    }
}

impl<E: Element> WithSimd for Checked<'_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        if S::REGISTER_COUNT >= 32 {
            self.0.blocks::<S, 8, 3>(s, self.1);
        } else {
            self.0.blocks::<S, 6, 2>(s, self.1);
        }
    }
}

impl<E: Element> Block<'_, E> {
    /// Loops over the blocks; the tile has `MR` rows and `NV` vectors.
    #[inline(always)]
    fn blocks<S: Simd, const MR: usize, const NV: usize>(&self, s: S, scratch: &mut Scratch<E>) {
        let &Block { m, k, n, beta, sa, sb, .. } = self;
        let lanes = E::lanes::<S>();
        let depth = k.div_ceil(k.div_ceil(E::DEPTH).max(1));
        let unit = NV * lanes;
        let widest = (B_BYTES / size_of::<E>() / depth.max(1)).max(unit) / unit * unit;
        let wide = n.div_ceil(n.div_ceil(widest)).next_multiple_of(lanes);
        let tall = A_ROWS.min(m.next_multiple_of(MR));
        let (pa, pb) = scratch.buffers(tall * depth, wide * depth);
        for j0 in (0..n).step_by(wide) {
            let nc = wide.min(n - j0);
            let mut p0 = 0;
            loop {
                let kc = depth.min(k - p0);
                let beta = if p0 == 0 { beta } else { E::ONE };
                if kc > 0 {
                    let src = &self.b[p0 * sb.0 + j0 * sb.1..];
                    pack::block::<E, S, NV>(src, (sb.1, sb.0), (nc, lanes), kc, pb);
                    pack::round(pb);
                }
                for i0 in (0..m).step_by(A_ROWS) {
                    let mc = A_ROWS.min(m - i0);
                    let place = ((i0, mc), (j0, nc));
                    let src = self.a.get(i0 * sa.0 + p0 * sa.1..).unwrap_or(&[]);
                    if sa.1 == 1 && !E::NARROW {
                        // Rows are read in place: an element is broadcast
                        // whatever its address, and a row is contiguous.
                        self.panels::<S, MR, NV, true>(s, place, (src, pb, kc), beta);
                    } else {
                        pack::block::<E, S, 1>(src, sa, (mc, MR), kc, pa);
                        pack::round(pa);
                        self.panels::<S, MR, NV, false>(s, place, (pa, pb, kc), beta);
                    }
                }
                p0 += kc;
                if p0 >= k {
                    break;
                }
            }
        }
    }

    /// Multiplies a block of `A`, packed or (`ROWS`) in place as contiguous
    /// rows, by a packed block of `B`.
    #[inline(always)]
    fn panels<S: Simd, const MR: usize, const NV: usize, const ROWS: bool>(
        &self,
        s: S,
        ((i0, mc), (j0, nc)): Place,
        (pa, pb, kc): (&[E], &[E], usize),
        beta: E,
    ) {
        let lanes = E::lanes::<S>();
        for i in (0..mc).step_by(MR) {
            let rows = MR.min(mc - i);
            let a = if ROWS { pa.get(i * self.sa.0..).unwrap_or(&[]) } else { &pa[i * kc..] };
            let (mut at, mut j) = (0, 0);
            while j < nc {
                let nv = pack::panel_units::<NV>(nc - j, lanes);
                let b = &pb[at..at + nv * lanes * kc];
                let cols = if self.spill { nv * lanes } else { (nv * lanes).min(nc - j) };
                let place = ((i0 + i, rows), (j0 + j, cols));
                match nv {
                    1 => self.tile::<S, MR, 1, ROWS>(s, place, (a, b, kc), beta),
                    2 => self.tile::<S, MR, 2, ROWS>(s, place, (a, b, kc), beta),
                    _ => self.tile::<S, MR, NV, ROWS>(s, place, (a, b, kc), beta),
                }
                at += b.len();
                j += nv * lanes;
            }
        }
    }
}
