//! Relations of queries to keys as kernels see them.

use ebt_core::compute::Classes;
use ebt_core::error::Error;

use crate::{Cuda, Index, Matrix};

/// Classes that a block sums by at most: each takes a number of shared memory a thread.
pub(super) const CLASSES: usize = 64;

impl Cuda {
    /// The kernels' `struct Relations`: the classes of sequences of `context` positions, `count` of them, and the biases
    /// (single precision), where they are read, for scores of heads `width` wide.
    pub(super) fn relation_words(
        &self,
        classes: Classes<'_, Index>,
        bias: Option<&Matrix>,
        count: usize,
        [context, width]: [usize; 2],
    ) -> [u64; 4] {
        let size = |x: usize| u64::from(self.size(x));
        let (origin, step) = if classes.by_distance {
            (size(context.saturating_sub(1)), u64::from((-1i32).cast_unsigned()))
        } else {
            (0, size(context))
        };
        let unscale = (width as f64).sqrt() as f32;
        [
            classes.table.address(),
            bias.map_or(0, Matrix::address),
            origin | step << 32,
            size(count) | u64::from(unscale.to_bits()) << 32,
        ]
    }

    /// Whether there is a class for every relation of `context` positions; otherwise the failure is kept.
    pub(super) fn classes_fit(&self, classes: Classes<'_, Index>, context: usize) -> bool {
        let fits = context > 0 && classes.table.len == classes.entries(context);
        if !fits {
            let message = format!("{} entries for {context} positions", classes.table.len);
            self.fail(Error::Shape { what: "the classes of relations".into(), message });
        }
        fits
    }

    /// Adds sums by class and head, rows of `partial (chunks, classes H)`, to `slot (classes, H)`.
    pub(super) fn collect_classes(&self, slot: &mut Matrix, partial: &Matrix) {
        self.writable(slot);
        self.by_columns(slot, None, (partial, None, None), true);
    }
}
