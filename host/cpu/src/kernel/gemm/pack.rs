//! Copies blocks of a strided matrix into the panels the tile loop reads.
//!
//! A block is a set of lines (rows of `A`, columns of `B`) of `depth` elements.
//! A panel holds `full` neighbouring lines, element `p` of line `i` at
//! `p * full + i`; the lines missing from the last panel are zero.

use super::super::element::{Element, Strides};
use pulp::Simd;

/// Lines of the next panel when `left` lines remain: `NV` units of `lanes`,
/// except that the last few units are shared out evenly.
#[inline(always)]
pub(super) fn panel_units<const NV: usize>(left: usize, lanes: usize) -> usize {
    let left = left.div_ceil(lanes);
    if NV == 3 && left == 4 { 2 } else { left.min(NV) }
}

/// Packs `lines` lines, line `i` at `src[i * across]` and `along` between its
/// elements, into panels of at most `NV` units of `lanes` lines.
#[inline(always)]
pub(super) fn block<E: Element, S: Simd, const NV: usize>(
    src: &[E],
    (across, along): Strides,
    (lines, lanes): (usize, usize),
    depth: usize,
    dst: &mut [E],
) {
    if across == 1 {
        for p in 0..depth {
            let line = &src[p * along..p * along + lines];
            let (mut at, mut i) = (0, 0);
            while i < lines {
                let full = panel_units::<NV>(lines - i, lanes) * lanes;
                let out = &mut dst[at + p * full..at + (p + 1) * full];
                let rest = &line[i..];
                if rest.len() >= full {
                    copy::<E, S>(&rest[..full], out);
                } else {
                    out.fill(E::ZERO);
                    out[..rest.len()].copy_from_slice(rest);
                }
                at += full * depth;
                i += full;
            }
        }
        return;
    }
    let (mut at, mut i) = (0, 0);
    while i < lines {
        let full = panel_units::<NV>(lines - i, lanes) * lanes;
        let width = full.min(lines - i);
        let (src, out) = (&src[i * across..], &mut dst[at..at + full * depth]);
        if width < full {
            out.fill(E::ZERO);
        }
        if along == 1 {
            transpose(src, across, (width, full), depth, out);
        } else {
            for (p, out) in out.chunks_exact_mut(full).enumerate() {
                for (i, o) in out[..width].iter_mut().enumerate() {
                    *o = src[i * across + p * along];
                }
            }
        }
        at += full * depth;
        i += full;
    }
}

/// Rounds what was packed to the factors of its type.
#[inline(always)]
pub(super) fn round<E: Element>(packed: &mut [E]) {
    if E::NARROW {
        packed.iter_mut().for_each(|x| *x = x.factor());
    }
}

/// Copies a short slice by vectors; much cheaper than a call of `memcpy`.
#[inline(always)]
fn copy<E: Element, S: Simd>(src: &[E], dst: &mut [E]) {
    let lanes = E::lanes::<S>();
    if dst.len().is_multiple_of(lanes) {
        for (d, s) in E::vectors_mut::<S>(dst).iter_mut().zip(E::vectors::<S>(src)) {
            *d = *s;
        }
    } else {
        let (d, dr) = dst.as_chunks_mut::<2>();
        let (s, sr) = src.as_chunks::<2>();
        for (d, s) in d.iter_mut().zip(s) {
            *d = *s;
        }
        for (d, s) in dr.iter_mut().zip(sr) {
            *d = *s;
        }
    }
}

/// Side of the square which [`transpose`] moves at a time.
const T: usize = 8;

/// Packs lines which are contiguous in `src`, eight by eight.
#[inline(always)]
fn transpose<E: Element>(src: &[E], across: usize, (width, full): (usize, usize), depth: usize, dst: &mut [E]) {
    let whole = depth / T * T;
    let mut i = 0;
    while i + T <= width {
        for p in (0..whole).step_by(T) {
            let mut square = [[E::ZERO; T]; T];
            for (r, line) in square.iter_mut().enumerate() {
                let at = (i + r) * across + p;
                line.copy_from_slice(&src[at..at + T]);
            }
            for q in 0..T {
                let at = (p + q) * full + i;
                for (o, line) in dst[at..at + T].iter_mut().zip(&square) {
                    *o = line[q];
                }
            }
        }
        for p in whole..depth {
            for r in 0..T {
                dst[p * full + i + r] = src[(i + r) * across + p];
            }
        }
        i += T;
    }
    for i in i..width {
        for (p, &x) in src[i * across..i * across + depth].iter().enumerate() {
            dst[p * full + i] = x;
        }
    }
}
