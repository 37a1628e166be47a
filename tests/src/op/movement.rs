//! Movement: reshape, slices, padding, gather, scatter, one-hot, rotary.

use ebt_core::compute::{Compute, Rotary};

use crate::Draw;
use crate::case::{Args, Case, Operation};

/// Operations that move elements, with their sizes and starts in rows or columns.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "named after the methods of Compute")]
pub enum Movement {
    Reshape(usize, usize),
    SliceColumns(usize, usize),
    PadColumns(usize, usize),
    SliceRows(usize, usize),
    GatherRows,
    ScatterRows(usize),
    OneHot(usize),
    Turn(Rotary, bool),
    /// A product with a slice of a leaf's rows: the slice may be a view.
    ViewThenSquare(usize, usize),
}

impl Operation for Movement {
    fn run<C: Compute>(&self, c: &C, x: &mut Args<C>) -> Vec<C::Tensor> {
        let t = &x.t;
        vec![match self {
            &Self::Reshape(rows, columns) => c.reshape(&t[0], rows, columns),
            &Self::SliceColumns(start, len) => c.slice_columns(&t[0], start, len),
            &Self::PadColumns(start, total) => c.pad_columns(&t[0], start, total),
            &Self::SliceRows(start, len) => c.lift(&c.slice_rows(&x.l[0], start, len)),
            Self::GatherRows => c.gather_rows(&t[0], &x.i[0]),
            &Self::ScatterRows(rows) => c.scatter_rows(&t[0], &x.i[0], rows),
            &Self::OneHot(columns) => c.one_hot(&x.i[0], columns),
            Self::Turn(rotary, inverse) => c.rotary(&t[0], rotary, *inverse),
            &Self::ViewThenSquare(start, len) => {
                let part = c.lift(&c.slice_rows(&x.l[0], start, len));
                c.mul(&part, &part)
            }
        }]
    }
}

/// All operations of the family on `(rows, columns)` operands.
pub fn cases(draw: &Draw, rows: usize, columns: usize) -> Vec<Case<Movement>> {
    use Movement::*;
    let one = |op: Movement| Case::new(op, vec![draw.matrix(rows, columns)]);
    let of_leaf = |op: Movement| Case::new(op, vec![]).leaves(vec![draw.matrix(rows, columns)]);
    let start = draw.below(columns);
    let len = 1 + draw.below(columns - start);
    let first = draw.below(rows);
    let count = 1 + draw.below(rows - first);
    let total = start + columns + draw.below(3);
    let target = 1 + draw.below(2 * rows);
    let picks = draw.indices(1 + draw.below(7), rows);
    let mut hot = draw.indices(rows, columns);
    hot[draw.below(rows)] = u32::MAX;
    let mut all = vec![
        one(Reshape(columns, rows)),
        one(Reshape(1, rows * columns)),
        one(Reshape(rows * columns, 1)),
        one(SliceColumns(start, len)),
        one(PadColumns(start, total)),
        of_leaf(SliceRows(first, count)),
        of_leaf(ViewThenSquare(first, count)),
        one(GatherRows).indices(vec![picks]),
        one(ScatterRows(target)).indices(vec![draw.indices(rows, target)]),
        Case::new(OneHot(columns), vec![]).indices(vec![hot]),
    ];
    // heads of even width first, then columns that are not turned
    let (heads, head_dim, rest) = (1 + draw.below(3), 2 * (1 + draw.below(3)), draw.below(4));
    for (offset, inverse) in [(0, false), (1, false), (1, true)] {
        let context = 1 + draw.below(rows);
        let batch = 1 + draw.below(3);
        let rotary = Rotary { context, heads, head_dim, theta: 10_000.0, offset };
        let x = draw.matrix(batch * context, heads * head_dim + rest);
        all.push(Case::new(Turn(rotary, inverse), vec![x]));
    }
    all
}
