//! Every fused operation equals its composition of primitives on the same backend, its tangents too.

use ebt_core::compute::Backend;

use super::families::{self, Visit};
use crate::case::{Case, Operation};
use crate::composed::Composed;
use crate::factory::Tolerance;
use crate::level::{Directions, first, plain, second};
use crate::{Check, Factory};

struct Equal<'a, B> {
    b: &'a B,
    tolerance: Tolerance,
}

impl<B: Backend> Visit for Equal<'_, B> {
    fn case<O: Operation>(&self, case: &Case<O>, along: &Directions) -> Check {
        let (b, t) = (self.b, self.tolerance);
        let composed = Composed::new(b);
        plain(b, b, case).close_to(&plain(b, &composed, case), t.value)?;
        let compare = first(b, b, case, &along.u).close_to(&first(b, &composed, case, &along.u), t.first);
        compare.map_err(|e| format!("under Dual: {e}"))?;
        let compare = second(b, b, case, along).close_to(&second(b, &composed, case, along), t.second);
        compare.map_err(|e| format!("under Dual<Dual>: {e}"))?;
        b.status().map_err(|e| e.to_string())
    }
    fn largest(&self) -> usize {
        20
    }
    fn draws(&self) -> u32 {
        12
    }
}

/// Overrides and compositions agree at every level of differentiation.
pub fn fused_operations_equal_their_compositions<F: Factory>() {
    F::with(|b| {
        let equal = Equal { b, tolerance: F::TOLERANCE };
        families::norms(&equal);
        families::pointwise(&equal);
        families::cross_entropies(&equal);
        families::attentions(&equal);
        families::products(&equal);
        families::sinks(&equal);
    });
}
