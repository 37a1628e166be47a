//! Reductions over slices in a fixed order which vectorises.

use super::math::Real;

/// Number of partial results: four AVX2 or two AVX-512 registers of `f32`,
/// the same for every instruction set.
pub(super) const LANES: usize = 32;

/// Folds slices of equal length: `fold!(acc, init; x in xs, y in ys => next)`.
///
/// Accumulator `i % LANES` takes element `i` by `acc = next`. Expands to the
/// array of accumulators, all starting at `init`.
macro_rules! fold {
    ($acc:ident, $init:expr; $v0:ident in $s0:expr $(, $v:ident in $s:expr)* => $next:expr) => {{
        const LANES: usize = super::lanes::LANES;
        let mut lanes = [$init; LANES];
        #[allow(clippy::redundant_locals)]
        let $v0 = $s0;
        let len = $v0.len();
        $(let $v = &$s[..len];)*
        let whole = len / LANES * LANES;
        let mut at = 0;
        while at < whole {
            let $v0 = &$v0[at..at + LANES];
            $(let $v = &$v[at..at + LANES];)*
            for lane in 0..LANES {
                let $v0 = $v0[lane];
                $(let $v = $v[lane];)*
                let $acc = lanes[lane];
                lanes[lane] = $next;
            }
            at += LANES;
        }
        for at in whole..len {
            let $v0 = $v0[at];
            $(let $v = $v[at];)*
            let $acc = lanes[at - whole];
            lanes[at - whole] = $next;
        }
        lanes
    }};
}
pub(super) use fold;

/// Combines the accumulators of a fold, of which there are a power of two, in
/// pairs at fixed distances.
#[inline(always)]
fn halve<E: Copy, const N: usize>(mut lanes: [E; N], join: impl Fn(E, E) -> E) -> E {
    let mut width = N / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = join(lanes[i], lanes[i + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// Sum of the accumulators of a fold.
#[inline(always)]
pub(super) fn total<E: Real, const N: usize>(lanes: [E; N]) -> E {
    halve(lanes, |a, b| a + b)
}

/// Greatest of the accumulators of a fold.
#[inline(always)]
pub(super) fn greatest<E: Real, const N: usize>(lanes: [E; N]) -> E {
    halve(lanes, E::larger)
}

/// Greatest element; negative infinity of an empty slice.
#[inline(always)]
pub(super) fn max<E: Real>(x: &[E]) -> E {
    greatest(fold!(acc, E::NEG_INFINITY; x in x => x.larger(acc)))
}

/// Sum of the elements.
#[inline(always)]
pub(super) fn sum<E: Real>(x: &[E]) -> E {
    total(fold!(acc, E::ZERO; x in x => acc + x))
}

/// Inner product of two slices of equal length.
#[inline(always)]
pub(super) fn dot<E: Real>(x: &[E], y: &[E]) -> E {
    total(fold!(acc, E::ZERO; x in x, y in y => x.mul_add(y, acc)))
}
