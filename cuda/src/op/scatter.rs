//! Rows added up by index, in a fixed order.

use super::shape::{THREADS, blocks, clear_bytes, in_quads, own, quad, require_fit, word};
use super::sort::{Sorted, sort};
use crate::launch::{Kernel, args};
use crate::{Cuda, Index, Kind, Matrix};

/// Sorted rows of a piece, as in the kernels.
const PIECE: usize = 64;
/// With more rows a target than this on average, rows are sorted instead of being put on lists.
const LISTED: usize = 16;
/// Widest rows that are added by one thread an element.
const NARROW: usize = 8;

const fn kernel(name: &'static str, kind: Kind) -> Kernel {
    Kernel { family: "scatter", name, kind }
}

impl Cuda {
    /// See [`ebt_core::compute::Compute::scatter_rows`]; entries that are no row of the result are left out.
    pub(crate) fn scatter_rows(&self, a: &Matrix, index: &Index, rows: usize) -> Matrix {
        let a = if a.columns == 1 { self.float(a) } else { a.clone() };
        let out = self.take(rows, a.columns, a.kind);
        if !require_fit(self, "scattered rows", a.rows == index.len, &[(a.rows, a.columns), (index.len, 1)]) {
            return out;
        }
        if index.len > PIECE && index.len > LISTED * rows {
            clear_bytes(self, out.address(), out.bytes());
            self.add_sorted(&out, &a, index, false);
        } else {
            self.add_listed(&out, &a, index);
        }
        out
    }

    /// See [`ebt_core::compute::Compute::accumulate_scatter`]; entries that are no row of the slot are left out.
    pub(crate) fn accumulate_scatter(&self, slot: &mut Matrix, index: &Index, a: &Matrix) {
        let fits = a.rows == index.len && slot.columns == a.columns;
        if require_fit(self, "collected rows", fits, &[(slot.rows, slot.columns), (a.rows, a.columns), (index.len, 1)])
        {
            own(self, slot);
            self.add_sorted(slot, a, index, true);
        }
    }

    fn add_listed(&self, out: &Matrix, a: &Matrix, index: &Index) {
        let (head, next) = (self.take_index(out.rows), self.take_index(index.len));
        clear_bytes(self, head.address(), out.rows * size_of::<u32>());
        let [n, rows, columns] = [index.len, out.rows, a.columns].map(|x| word(self, "scattered rows", x));
        let link = args![&head, &next, index, n, rows];
        self.launch(kernel("scatter_link", Kind::F32), blocks(index.len), THREADS, 0, link);
        let args = args![out, a, &head, &next, rows, columns];
        if a.columns <= NARROW {
            self.launch(kernel("scatter_narrow", a.kind), blocks(out.len()), THREADS, 0, args);
        } else {
            let name = if in_quads(&[a, out]) { "scatter_rows_wide" } else { "scatter_rows" };
            self.launch(kernel(name, a.kind), out.rows.div_ceil(4), 128, 0, args);
        }
    }

    /// Adds to (or, where rows go, replaces) rows of `out`.
    fn add_sorted(&self, out: &Matrix, a: &Matrix, index: &Index, collect: bool) {
        let Sorted { keys, order } = sort(self, index, out.rows);
        let count = index.len.div_ceil(PIECE);
        let partial = self.take(if count > 1 { 2 * count } else { 1 }, a.columns, Kind::F32);
        let [n, rows, columns] = [index.len, out.rows, a.columns].map(|x| word(self, "scattered rows", x));
        let collect = u32::from(collect);
        let (name, unit) =
            if in_quads(&[a, out]) { ("scatter_pieces_wide", quad(a.kind)) } else { ("scatter_pieces", 1) };
        let threads = |width: usize| width.next_multiple_of(32).clamp(32, 128);
        let width = a.columns.div_ceil(unit);
        let grid = [count, width.div_ceil(threads(width))];
        let args = args![out, &partial, a, &keys, &order, n, rows, columns, collect];
        self.launch(kernel(name, a.kind), grid, threads(width) as u32, 0, args);
        if count > 1 {
            let width = a.columns;
            let grid = [count - 1, width.div_ceil(threads(width))];
            let args = args![out, &partial, &keys, n, rows, columns, collect];
            self.launch(kernel("scatter_join", a.kind), grid, threads(width) as u32, 0, args);
        }
    }
}
