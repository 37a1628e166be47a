//! What the families share: failures, storage types, memory that may be written, sizes of launches.

use crate::launch::Kernel;
use crate::{Cuda, Kind, Matrix};
use ebt_core::error::Error;

/// Threads of a block, unless a kernel says otherwise.
pub(super) const THREADS: u32 = 256;

/// Kernel `name` of `family` for storage type `kind`.
pub(super) const fn kernel(family: &'static str, name: &'static str, kind: Kind) -> Kernel {
    Kernel { family, name, kind }
}

/// Blocks for `count` elements, 8 a thread.
pub(super) fn blocks(count: usize) -> usize {
    count.div_ceil(8 * THREADS as usize).clamp(1, 1 << 20)
}

/// Whether all addresses allow accesses of 16 bytes.
pub(super) fn aligned(all: &[&Matrix]) -> bool {
    all.iter().all(|m| m.address().is_multiple_of(16))
}

/// Whether rows of `columns` elements of all of `all` can be read by runs of 8.
pub(super) fn wide(columns: usize, all: &[&Matrix]) -> bool {
    columns.is_multiple_of(8) && aligned(all)
}

/// How the threads of blocks are shared out to rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lanes {
    /// Threads a row, a power of two.
    pub(super) group: u32,
    pub(super) threads: u32,
    pub(super) blocks: usize,
}

/// About 16 elements a thread, at least a warp and at most `most` threads a row.
pub(super) fn lanes(rows: usize, columns: usize, most: u32) -> Lanes {
    let mut group = 32;
    while group < most && 16 * (group as usize) < columns {
        group *= 2;
    }
    let threads = group.max(THREADS);
    Lanes { group, threads, blocks: rows.div_ceil((threads / group) as usize) }
}

impl Cuda {
    /// Keeps the failure that two shapes do not fit together.
    pub(super) fn differ(&self, what: &str, a: &Matrix, b: &Matrix) {
        let message = format!("{} x {} against {} x {}", a.rows, a.columns, b.rows, b.columns);
        self.fail(Error::Shape { what: what.to_owned(), message });
    }

    /// Whether all shapes are that of `a`; otherwise the failure is kept.
    pub(super) fn agree(&self, what: &str, a: &Matrix, others: &[&Matrix]) -> bool {
        let odd = others.iter().find(|b| (b.rows, b.columns) != (a.rows, a.columns));
        if let Some(b) = odd {
            self.differ(what, a, b);
        }
        odd.is_none()
    }

    /// Whether `a` is `(rows, columns)`; otherwise the failure is kept.
    pub(super) fn require_shape(&self, what: &str, a: &Matrix, rows: usize, columns: usize) -> bool {
        let fits = (a.rows, a.columns) == (rows, columns);
        if !fits {
            let message = format!("{} x {} instead of {rows} x {columns}", a.rows, a.columns);
            self.fail(Error::Shape { what: what.to_owned(), message });
        }
        fits
    }

    /// A size as kernels take it; one that is too large is kept as a failure.
    pub(super) fn size(&self, x: usize) -> u32 {
        u32::try_from(x).unwrap_or_else(|_| {
            self.fail(Error::Shape {
                what: "a matrix".to_owned(),
                message: format!("{x} rows or columns are too many"),
            });
            u32::MAX
        })
    }

    /// Both in one storage type without loss: their own where it is the same, else single precision.
    pub(super) fn common(&self, a: &Matrix, b: &Matrix) -> (Matrix, Matrix) {
        if a.kind == b.kind { (a.clone(), b.clone()) } else { (self.float(a), self.float(b)) }
    }

    /// Copies all elements of `from` to `to`, which has the same storage type and size.
    pub(super) fn copy_to(&self, from: &Matrix, to: &Matrix) {
        if self.is_sound() {
            self.check(self.driver.copy(from.address(), to.address(), from.bytes()));
        }
    }

    /// A copy in memory of its own.
    pub(crate) fn copy(&self, m: &Matrix) -> Matrix {
        let out = self.take(m.rows, m.columns, m.kind);
        self.copy_to(m, &out);
        out
    }

    /// Makes `m` single precision in memory that no other handle reads: it is about to be written.
    pub(super) fn writable(&self, m: &mut Matrix) {
        if m.kind != Kind::F32 {
            *m = self.cast(m, Kind::F32);
        } else if m.is_alone() {
            self.invalidate(m);
        } else {
            *m = self.copy(m);
        }
    }

    /// Where an operation on owned `m` writes: `m` itself where no other handle reads it.
    pub(super) fn in_place(&self, m: &Matrix) -> Matrix {
        if m.is_alone() {
            self.invalidate(m);
            m.clone()
        } else {
            self.take(m.rows, m.columns, m.kind)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_shared_out_by_whole_groups() {
        for rows in [1, 7, 300] {
            for columns in [1, 31, 512, 513, 4096, 100_000] {
                for most in [32, 256, 512] {
                    let l = lanes(rows, columns, most);
                    assert!(l.group.is_power_of_two() && (32..=most).contains(&l.group));
                    assert!(l.threads.is_multiple_of(l.group));
                    let each = (l.threads / l.group) as usize;
                    assert!(l.blocks * each >= rows && (l.blocks - 1) * each < rows);
                    assert!(l.group == most || 16 * l.group as usize >= columns);
                }
            }
        }
    }
}
