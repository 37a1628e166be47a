//! What operations on index arrays check and prepare.

use ebt_core::error::Error;

use crate::{Cuda, Kind, Matrix};

/// Threads of kernels with one thread an element.
pub(super) const THREADS: u32 = 256;

/// Whether the shapes of an operation fit; where they do not, the backend fails.
pub(super) fn require_fit(cuda: &Cuda, what: &str, fits: bool, found: &[(usize, usize)]) -> bool {
    if !fits {
        let found: Vec<_> = found.iter().map(|(rows, columns)| format!("{rows} x {columns}")).collect();
        let message = format!("operands do not fit together: {}", found.join(", "));
        cuda.fail(Error::Shape { what: what.into(), message });
    }
    fits
}

/// A size as a kernel argument; a larger one makes the backend fail, which stops the launch that would use it.
pub(super) fn word(cuda: &Cuda, what: &str, size: usize) -> u32 {
    u32::try_from(size).unwrap_or_else(|_| {
        let message = format!("{size} is more than kernels count to");
        cuda.fail(Error::Shape { what: what.into(), message });
        u32::MAX
    })
}

/// Blocks of [`THREADS`] threads for `count` elements.
pub(super) fn blocks(count: usize) -> usize {
    count.div_ceil(THREADS as usize)
}

/// Whether rows of the matrices begin at multiples of 16 bytes.
pub(super) fn in_quads(matrices: &[&Matrix]) -> bool {
    matrices.iter().all(|m| m.address().is_multiple_of(16) && m.columns.is_multiple_of(quad(m.kind)))
}

/// Elements in 16 bytes.
pub(super) const fn quad(kind: Kind) -> usize {
    16 / kind.bytes()
}

/// Zeros; the memory of a matrix is the same whatever its kind.
pub(super) fn clear_bytes(cuda: &Cuda, address: u64, bytes: usize) {
    if cuda.failure.borrow().is_none() {
        cuda.check(cuda.driver.fill(address, bytes, 0));
    }
}

/// Makes `slot` a single-precision matrix that no other handle reads, to be written in place.
pub(super) fn own(cuda: &Cuda, slot: &mut Matrix) {
    // a copy in another storage type would no longer agree
    slot.narrow_copy = None;
    if slot.kind != Kind::F32 {
        *slot = cuda.float(slot);
    } else if !slot.is_alone() {
        let copy = cuda.take(slot.rows, slot.columns, slot.kind);
        if cuda.failure.borrow().is_none() {
            cuda.check(cuda.driver.copy(slot.address(), copy.address(), slot.bytes()));
        }
        *slot = copy;
    }
}

#[cfg(test)]
mod tests {
    use ebt_core::compute::{Layout, Route, RouteSpec};

    use super::*;
    use crate::Precision;

    /// The sentence of the failure that an operation leaves.
    fn failure(operation: impl FnOnce(&Cuda)) -> Option<String> {
        let cuda = Cuda::dry(Precision::Bf16);
        operation(&cuda);
        cuda.failure.into_inner().map(|e| e.to_string())
    }

    fn route(cuda: &Cuda, slots: usize, experts: usize) -> Route<crate::Index> {
        let [tokens, gates] = [slots, slots].map(|n| cuda.take_index(n));
        Route { tokens, gates, offsets: cuda.take_index(experts + 1), slots, experts }
    }

    #[test]
    fn results_have_the_contracts_shapes_and_types() {
        let cuda = Cuda::dry(Precision::Bf16);
        let route = route(&cuda, 12, 3);
        let x = cuda.take(12, 8, Kind::Bf16);
        let w = cuda.take(15, 8, Kind::Bf16);
        let y = cuda.take(12, 5, Kind::Bf16);
        let described = |m: &Matrix| (m.rows, m.columns, m.kind);
        assert_eq!(described(&cuda.grouped_linear(&x, &w, &route)), (12, 5, Kind::Bf16));
        assert_eq!(described(&cuda.grouped_linear_adjoint(&y, &w, &route)), (12, 8, Kind::Bf16));
        assert_eq!(described(&cuda.grouped(&y, &x, &route, Layout::TN)), (15, 8, Kind::F32));
        let narrow = cuda.take(12, 1, Kind::Bf16);
        assert_eq!(described(&cuda.scatter_rows(&narrow, &route.tokens, 7)), (7, 1, Kind::F32));
        assert_eq!(described(&cuda.scatter_rows(&y, &route.tokens, 7)), (7, 5, Kind::Bf16));
        assert_eq!(described(&cuda.gather_rows(&y, &route.tokens)), (12, 5, Kind::Bf16));
        assert_eq!(described(&cuda.one_hot(&route.tokens, 4)), (12, 4, Kind::F32));
        assert!(cuda.failure.borrow().is_none());
    }

    #[test]
    fn views_share_memory_and_copies_do_not() {
        let cuda = Cuda::dry(Precision::Bf16);
        let a = cuda.take(6, 4, Kind::Bf16);
        let view = cuda.reshape(&cuda.slice_rows(&a, 2, 3), 4, 3);
        assert_eq!((view.address(), view.rows, view.columns), (a.address() + 2 * 4 * 2, 4, 3));
        let mut slot = cuda.take(2, 4, Kind::F32);
        let held = slot.clone();
        own(&cuda, &mut slot);
        assert_ne!(slot.address(), held.address());
        let before = slot.address();
        own(&cuda, &mut slot);
        assert_eq!(slot.address(), before);
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let spec = |experts, top_k, groups, top_groups| RouteSpec { experts, top_k, groups, top_groups };
        for refused in [spec(6, 3, 3, 1), spec(6, 1, 4, 1), spec(6, 0, 1, 1), spec(6, 1, 0, 1), spec(2048, 1, 1, 1)] {
            let sentence = failure(|c| {
                c.route(&c.take(3, refused.experts, Kind::F32), None, &refused);
            });
            assert!(sentence.as_ref().is_some_and(|s| s.contains("a routing")), "{refused:?}: {sentence:?}");
        }
        type Operation = fn(&Cuda);
        let operations: [(&str, Operation); 7] = [
            ("gates", |c| {
                let spec = RouteSpec { experts: 4, top_k: 1, groups: 1, top_groups: 1 };
                c.route(&c.take(3, 5, Kind::F32), None, &spec);
            }),
            ("a product by expert", |c| {
                c.grouped_linear(&c.take(4, 3, Kind::Bf16), &c.take(5, 3, Kind::Bf16), &route(c, 4, 2));
            }),
            ("a gradient by expert", |c| {
                c.grouped(&c.take(4, 3, Kind::Bf16), &c.take(5, 3, Kind::Bf16), &route(c, 4, 2), Layout::TN);
            }),
            ("a reshape", |c| {
                c.reshape(&c.take(4, 3, Kind::F32), 5, 2);
            }),
            ("a slice of rows", |c| {
                c.slice_rows(&c.take(4, 3, Kind::F32), 2, 3);
            }),
            ("padded columns", |c| {
                c.pad_columns(&c.take(4, 3, Kind::F32), 2, 4);
            }),
            ("collected rows", |c| {
                c.accumulate_scatter(&mut c.take(4, 3, Kind::F32), &c.take_index(2), &c.take(2, 4, Kind::F32));
            }),
        ];
        for (what, operation) in operations {
            let sentence = failure(operation);
            assert!(sentence.as_ref().is_some_and(|s| s.contains(what)), "{what}: {sentence:?}");
        }
    }
}
