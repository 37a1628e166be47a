//! A backend reduced to its primitives: every fused operation falls back to its composition.

use ebt_core::compute::{Band, Compute, Layout, Rotary, Route, RouteSpec, Scope};

/// Forwards primitives, hides every override of a fused operation. `planted` swaps one scale factor for another, which
/// makes a derivative rule that uses it wrong and leaves the value right: what a derivative check must catch.
#[derive(Debug)]
pub struct Composed<'a, C> {
    inner: &'a C,
    planted: Option<(f64, f64)>,
}

impl<'a, C: Compute> Composed<'a, C> {
    /// The primitives of `inner`.
    pub fn new(inner: &'a C) -> Self {
        Self { inner, planted: None }
    }
    /// With a wrong factor.
    pub fn with_planted(inner: &'a C, right: f64, wrong: f64) -> Self {
        Self { inner, planted: Some((right, wrong)) }
    }
}

macro_rules! forward {
    ($($name:ident($($arg:ident: $type:ty),*) -> $result:ty;)*) => {
        $(fn $name(&self, $($arg: $type),*) -> $result {
            self.inner.$name($($arg),*)
        })*
    };
}

impl<C: Compute> Compute for Composed<'_, C> {
    type Leaf = C::Leaf;
    type Tensor = C::Tensor;
    type Index = C::Index;

    fn scale(&self, a: &Self::Tensor, factor: f64) -> Self::Tensor {
        match self.planted {
            Some((right, wrong)) if factor == right => self.inner.scale(a, wrong),
            _ => self.inner.scale(a, factor),
        }
    }

    forward! {
        lift(leaf: &Self::Leaf) -> Self::Tensor;
        shape(a: &Self::Tensor) -> (usize, usize);
        enter(scope: Scope) -> Scope;
        fill(rows: usize, columns: usize, value: f64) -> Self::Tensor;
        add(a: &Self::Tensor, b: &Self::Tensor) -> Self::Tensor;
        mul(a: &Self::Tensor, b: &Self::Tensor) -> Self::Tensor;
        offset(a: &Self::Tensor, constant: f64) -> Self::Tensor;
        exp(a: &Self::Tensor) -> Self::Tensor;
        ln(a: &Self::Tensor) -> Self::Tensor;
        recip(a: &Self::Tensor) -> Self::Tensor;
        rsqrt(a: &Self::Tensor) -> Self::Tensor;
        sigmoid(a: &Self::Tensor) -> Self::Tensor;
        step(a: &Self::Tensor) -> Self::Tensor;
        sum_columns(a: &Self::Tensor) -> Self::Tensor;
        sum_rows(a: &Self::Tensor) -> Self::Tensor;
        max_columns(a: &Self::Tensor) -> Self::Tensor;
        matmul(a: &Self::Tensor, b: &Self::Tensor, layout: Layout) -> Self::Tensor;
        grouped(x: &Self::Tensor, w: &Self::Tensor, route: &Route<Self::Index>, layout: Layout) -> Self::Tensor;
        band(q: &Self::Tensor, k: &Self::Tensor, band: Band) -> Self::Tensor;
        band_mix(s: &Self::Tensor, v: &Self::Tensor, band: Band) -> Self::Tensor;
        band_scatter(s: &Self::Tensor, q: &Self::Tensor, band: Band) -> Self::Tensor;
        band_mask(band: Band, starts: Option<&Self::Index>) -> Self::Tensor;
        reshape(a: &Self::Tensor, rows: usize, columns: usize) -> Self::Tensor;
        slice_columns(a: &Self::Tensor, start: usize, len: usize) -> Self::Tensor;
        pad_columns(a: &Self::Tensor, start: usize, total: usize) -> Self::Tensor;
        slice_rows(leaf: &Self::Leaf, start: usize, len: usize) -> Self::Leaf;
        gather_rows(a: &Self::Tensor, index: &Self::Index) -> Self::Tensor;
        scatter_rows(a: &Self::Tensor, index: &Self::Index, rows: usize) -> Self::Tensor;
        one_hot(index: &Self::Index, columns: usize) -> Self::Tensor;
        rotary(a: &Self::Tensor, rotary: &Rotary, inverse: bool) -> Self::Tensor;
        route(gate: &Self::Tensor, bias: Option<&Self::Leaf>, spec: &RouteSpec) -> Route<Self::Index>;
        collect(slot: &mut Self::Leaf, a: &Self::Tensor) -> ();
        collect_product(slot: &mut Self::Leaf, start: usize, dy: &Self::Tensor, x: &Self::Tensor) -> ();
        collect_grouped(slot: &mut Self::Leaf, dy: &Self::Tensor, x: &Self::Tensor, route: &Route<Self::Index>) -> ();
        collect_dot(slot: &mut Self::Leaf, x: &Self::Tensor, y: &Self::Tensor) -> ();
        collect_scatter(slot: &mut Self::Leaf, index: &Self::Index, a: &Self::Tensor) -> ();
        inject(a: &Self::Tensor, leaf: &Self::Leaf) -> Self::Tensor;
    }

    /// `dw += sum x r dy`, `db += sum dy`, from the primitive sinks.
    fn collect_norm(
        &self,
        dw: &mut Self::Leaf,
        db: Option<&mut Self::Leaf>,
        x: &Self::Tensor,
        r: &Self::Tensor,
        dy: &Self::Tensor,
    ) {
        self.collect_dot(dw, &self.mul(x, r), dy);
        if let Some(db) = db {
            self.collect(db, &self.sum_rows(dy));
        }
    }
}
