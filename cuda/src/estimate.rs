//! What a step asks of a device, counted without one, and a lower bound of the time that it takes there.
//!
//! The backend without a device ([`crate::Cuda::dry`]) writes down every kernel, product, copy and fill with the bytes
//! that must be moved for it (every matrix that it names once) and the operations of products. A device with given
//! [`Rates`] needs at least the longer of the two times for each, and a moment to start it. Attention is counted by its
//! bytes alone. **This is an estimate from shapes and is no measurement**: it says where time must go, not where it goes.

use ebt_core::compute::Scope;

/// One thing that a device was asked to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    /// Part of the step.
    pub scope: Scope,
    /// Kernel as `family/name`, or `product`, its layout and `m x n x k` (and `+` if it adds to its result), `copy`,
    /// `fill`.
    pub name: String,
    /// Operations of a product; 0 for everything else.
    pub operations: f64,
    /// Bytes read and written.
    pub bytes: usize,
}

/// What a device can do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Operations of a product in a second.
    pub operations: f64,
    /// Bytes read and written in a second.
    pub bytes: f64,
    /// Seconds from one kernel's end to the next one's start.
    pub start: f64,
}

impl Rates {
    /// An H200: products in bf16 and copies as fast as they were measured there, kernels of a recorded step.
    pub const H200_BF16: Self = Self { operations: 780e12, bytes: 4.3e12, start: 2e-6 };

    /// Seconds that the work takes at least.
    pub fn seconds(&self, work: &Work) -> f64 {
        (work.operations / self.operations).max(work.bytes as f64 / self.bytes) + self.start
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cuda, Kind, Precision};
    use ebt_core::error::Error;

    fn names(cuda: &Cuda) -> Vec<(String, usize)> {
        cuda.work().into_iter().map(|w| (w.name, w.bytes)).collect()
    }

    #[test]
    fn a_product_is_bound_by_operations_or_by_bytes() {
        let rates = Rates { operations: 100.0, bytes: 10.0, start: 1.0 };
        let work = |operations, bytes| Work { scope: Scope::Other, name: String::new(), operations, bytes };
        assert_eq!(rates.seconds(&work(500.0, 20)), 6.0);
        assert_eq!(rates.seconds(&work(100.0, 20)), 3.0);
    }

    #[test]
    fn every_matrix_counts_once_and_sums_in_place_twice() {
        let cuda = Cuda::dry(Precision::Bf16);
        let (x, w) = (cuda.take(16, 8, Kind::Bf16), cuda.take(24, 8, Kind::Bf16));
        let mut slot = cuda.take(24, 8, Kind::F32);
        cuda.work();
        let y = cuda.op_linear(&x, &w);
        cuda.op_accumulate_product(&mut slot, 0, &y, &x);
        cuda.op_add(&x, &x);
        let expected = [
            ("product NT 16 x 24 x 8", 2 * (16 * 8 + 24 * 8 + 16 * 24)),
            ("product TN 24 x 8 x 16 +", 2 * (16 * 8 + 16 * 24) + 2 * 4 * 24 * 8),
            ("element/binary", 3 * 2 * 16 * 8),
        ];
        assert_eq!(names(&cuda), expected.map(|(name, bytes)| (name.to_owned(), bytes)));
        assert_eq!(names(&cuda), []);
    }

    #[test]
    fn a_replay_counts_what_was_recorded() {
        let cuda = Cuda::dry(Precision::F32);
        let x = cuda.take(3, 5, Kind::F32);
        let mut counts = Vec::new();
        for _ in 0..4 {
            cuda.work();
            let work = &mut || {
                cuda.op_scale(&x, 2.0);
                Ok::<(), Error>(())
            };
            assert_eq!(cuda.run_captured(&[1], work), Ok(()));
            counts.push(names(&cuda));
        }
        assert!(cuda.steps()[0].recorded);
        assert!(counts.iter().all(|c| *c == [("element/unary".to_owned(), 120)]), "{counts:?}");
    }
}
