//! The shape of an attention layer, and the checks of slices against it.

/// Queries of one block, at most.
pub(super) const BLOCK: usize = 128;
/// Keys of one block, at most.
pub(super) const STRETCH: usize = 256;

/// Shape of an attention layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Query heads `H`, a multiple of `kv_heads`.
    pub heads: usize,
    /// Key and value heads `K`.
    pub kv_heads: usize,
    /// Columns of a head `d`.
    pub width: usize,
    /// Rows of a sequence.
    pub context: usize,
    /// Visible positions, the own one included; at least one.
    pub window: usize,
}

impl Layout {
    /// Columns of a projection: `(H + 2K) d`.
    pub fn columns(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.width
    }

    /// Columns of a memory: `2K d`.
    pub fn memory_columns(&self) -> usize {
        2 * self.kv_heads * self.width
    }

    /// Query heads of one key head.
    pub(super) fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// Number of rows of a projection, after checks of the shapes: the
    /// lengths of further projections, of `(n, H d)` and of `(n, H)` slices.
    pub(super) fn rows(
        &self,
        qkv: usize,
        starts: Option<&[u32]>,
        projections: &[usize],
        outs: &[usize],
        sums: &[usize],
    ) -> usize {
        let Layout { heads, kv_heads, width, context, window } = *self;
        assert!(heads > 0 && kv_heads > 0 && width > 0, "attention: empty heads");
        assert!(heads.is_multiple_of(kv_heads), "attention: heads do not divide");
        assert!(context > 0 && window > 0, "attention: empty window");
        let n = qkv / self.columns();
        assert!(n * self.columns() == qkv && n.is_multiple_of(context), "attention: rows");
        assert!(starts.is_none_or(|s| s.len() == n), "attention: starts");
        assert!(projections.iter().all(|&len| len == qkv), "attention: projection shape");
        assert!(outs.iter().all(|&len| len == n * heads * width), "attention: output shape");
        assert!(sums.iter().all(|&len| len == n * heads), "attention: sums shape");
        n
    }
}
