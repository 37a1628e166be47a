//! What a joint energy adds to its candidates: a flag that says whether a position is given, and the vectors of its place.

use alloc::vec;
use alloc::vec::Vec;

use super::Observed;
use crate::compute::{Backend, Scope};
use crate::layer::Model;

/// The matrix `(n,D)` that is added: rows of the flags by `flags (n)`, and rows of the table of positions by each of `places`.
pub fn observe<B: Backend>(
    b: &B,
    model: Model<'_, B::Array>,
    flags: &B::Index,
    places: &[B::Index],
) -> Observed<B::Array, B::Index> {
    let left = b.enter(Scope::Observed);
    let memory = match model.layout.joint {
        Some(ids) => {
            let flagged = b.gather_rows(&model.weights[ids.flags], flags);
            let table = ids.positions.map(|id| &model.weights[id]);
            let rows = places.iter().zip(table.into_iter().cycle());
            vec![rows.fold(flagged, |sum, (place, table)| b.add(&sum, &b.gather_rows(table, place)))]
        }
        None => Vec::new(),
    };
    b.enter(left);
    Observed { memory, blocks: Vec::new(), last: None }
}

/// Backward pass of [`observe`] from the gradient `d (n,D)`: weight gradients are added to `grads` (layout order).
pub fn observe_backward<B: Backend>(
    b: &B,
    model: Model<'_, B::Array>,
    (flags, places): (&B::Index, &[B::Index]),
    d: &B::Array,
    grads: &mut [B::Array],
) {
    let Some(ids) = model.layout.joint else { return };
    let left = b.enter(Scope::Observed);
    b.accumulate_scatter(&mut grads[ids.flags], flags, d);
    if let Some(positions) = ids.positions {
        for place in places {
            b.accumulate_scatter(&mut grads[positions], place, d);
        }
    }
    b.enter(left);
}
