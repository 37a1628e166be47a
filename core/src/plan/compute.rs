//! Shapes and costs of the primitives and fused operations.

use super::kernels::Kernels;
use super::{FlopKind, Plan, Planned};
use crate::compute::{Band, Classes, Compute, Layout, Relations, Rotary, Route, RouteSpec, Scope};
use crate::{for_each_fused, fused};

/// Primitives that do one operation for each element of `a`.
macro_rules! elementwise {
    ($($name:ident($($x:ident: $type:ty),*);)*) => {
        $(fn $name(&self, a: &Planned, $($x: $type),*) -> Planned {
            self.elementwise(a.rows, a.columns, 1)
        })*
    };
}

macro_rules! counted {
    ($(
        $(#[$doc:meta])*
        $runs:ident $kind:ident $name:ident($self:ident, $($x:ident: $type:ty),*) -> $out:ty $default:block
    )*) => {
        $(counted! { @$runs $name($self, $($x: $type),*) -> $out $default })*
    };
    (@composed $($rest:tt)*) => {};
    (@kernel $name:ident($self:ident, $($x:ident: $type:ty),*) -> $out:ty $default:block) => {
        fn $name(&$self, $($x: $type),*) -> $out {
            if $self.fused { Kernels($self).$name($($x),*) } else $default
        }
    };
}

impl Compute for Plan {
    type Leaf = Planned;
    type Tensor = Planned;
    /// Number of indices.
    type Index = usize;

    fn lift(&self, leaf: &Planned) -> Planned {
        leaf.clone()
    }
    fn shape(&self, a: &Planned) -> (usize, usize) {
        (a.rows, a.columns)
    }
    fn enter(&self, scope: Scope) -> Scope {
        self.state.scope.replace(scope)
    }

    fn fill(&self, rows: usize, columns: usize, _value: f64) -> Planned {
        self.elementwise(rows, columns, 0)
    }
    elementwise! {
        add(_b: &Planned);
        mul(_b: &Planned);
        scale(_factor: f64);
        offset(_constant: f64);
        exp();
        ln();
        recip();
        rsqrt();
        sigmoid();
        heaviside();
    }

    fn sum_columns(&self, a: &Planned) -> Planned {
        self.work(FlopKind::Elementwise, a.len());
        self.take(a.rows, 1)
    }
    fn sum_rows(&self, a: &Planned) -> Planned {
        self.work(FlopKind::Elementwise, a.len());
        self.take(1, a.columns)
    }
    fn max_columns(&self, a: &Planned) -> Planned {
        self.work(FlopKind::Elementwise, a.len());
        self.take(a.rows, 1)
    }

    fn matmul(&self, a: &Planned, b: &Planned, layout: Layout) -> Planned {
        let (m, k, n) = match layout {
            Layout::NN => (a.rows, a.columns, b.columns),
            Layout::NT => (a.rows, a.columns, b.rows),
            Layout::TN => (a.columns, a.rows, b.columns),
        };
        self.work(FlopKind::Product, 2 * m * k * n);
        self.take(m, n)
    }
    fn grouped(&self, x: &Planned, w: &Planned, route: &Route<usize>, layout: Layout) -> Planned {
        let (rows, columns, inner) = match layout {
            Layout::NT => (x.rows, w.rows / route.experts, x.columns),
            Layout::NN => (x.rows, w.columns, x.columns),
            Layout::TN => (route.experts * x.columns, w.columns, 0),
        };
        let flops = if layout == Layout::TN { 2 * x.rows * x.columns * w.columns } else { 2 * rows * columns * inner };
        self.work(FlopKind::Product, flops);
        self.take(rows, columns)
    }
    fn window_scores(&self, q: &Planned, _k: &Planned, band: Band) -> Planned {
        self.work(FlopKind::Attention, 2 * q.rows * band.heads * band.slots * band.head_dim);
        self.take(q.rows, band.heads * band.slots)
    }
    fn window_mix(&self, s: &Planned, _v: &Planned, band: Band) -> Planned {
        self.work(FlopKind::Attention, 2 * s.len() * band.head_dim);
        self.take(s.rows, band.heads * band.head_dim)
    }
    fn window_scatter(&self, s: &Planned, _q: &Planned, band: Band) -> Planned {
        self.work(FlopKind::Attention, 2 * s.len() * band.head_dim);
        self.take(s.rows, band.kv_heads * band.head_dim)
    }
    fn window_mask(&self, band: Band, _starts: Option<&usize>) -> Planned {
        self.elementwise(band.batch * band.context, band.heads * band.slots, 0)
    }
    fn relation_bias(&self, band: Band, _relations: Relations<'_, Planned, usize>) -> Planned {
        self.elementwise(band.batch * band.context, band.heads * band.slots, 0)
    }

    fn reshape(&self, a: &Planned, rows: usize, columns: usize) -> Planned {
        Planned { rows, columns, block: a.block.clone() }
    }
    fn slice_columns(&self, a: &Planned, _start: usize, len: usize) -> Planned {
        self.elementwise(a.rows, len, 0)
    }
    fn pad_columns(&self, a: &Planned, _start: usize, total: usize) -> Planned {
        self.elementwise(a.rows, total, 0)
    }
    fn slice_rows(&self, a: &Planned, _start: usize, len: usize) -> Planned {
        Planned { rows: len, columns: a.columns, block: a.block.clone() }
    }
    fn gather_rows(&self, a: &Planned, index: &usize) -> Planned {
        self.elementwise(*index, a.columns, 0)
    }
    fn scatter_rows(&self, a: &Planned, _index: &usize, rows: usize) -> Planned {
        self.work(FlopKind::Elementwise, a.len());
        self.take(rows, a.columns)
    }
    fn one_hot(&self, index: &usize, columns: usize) -> Planned {
        self.elementwise(*index, columns, 0)
    }
    fn rotary(&self, a: &Planned, _rotary: &Rotary, _inverse: bool) -> Planned {
        self.elementwise(a.rows, a.columns, 3)
    }
    fn route(&self, gate: &Planned, _bias: Option<&Planned>, spec: &RouteSpec) -> Route<usize> {
        self.work(FlopKind::Elementwise, gate.len());
        let slots = gate.rows * spec.top_k;
        Route { tokens: slots, gates: slots, offsets: spec.experts + 1, slots, experts: spec.experts }
    }

    fn accumulate(&self, _slot: &mut Planned, a: &Planned) {
        self.work(FlopKind::Elementwise, a.len());
    }
    fn accumulate_product(&self, _slot: &mut Planned, _start: usize, dy: &Planned, x: &Planned) {
        self.work(FlopKind::Product, 2 * dy.rows * dy.columns * x.columns);
        if !self.fused {
            drop(self.take(dy.columns, x.columns));
        }
    }
    fn accumulate_grouped(&self, slot: &mut Planned, dy: &Planned, x: &Planned, _route: &Route<usize>) {
        self.work(FlopKind::Product, 2 * dy.rows * dy.columns * x.columns);
        if !self.fused {
            drop(self.take(slot.rows, slot.columns));
        }
    }
    fn accumulate_dot(&self, _slot: &mut Planned, x: &Planned, y: &Planned) {
        self.work(FlopKind::Elementwise, 2 * x.len());
        if !self.fused {
            drop(self.sum_rows(&self.mul(x, y)));
        }
    }
    fn accumulate_scatter(&self, _slot: &mut Planned, _index: &usize, a: &Planned) {
        self.work(FlopKind::Elementwise, a.len());
    }
    fn accumulate_relations(&self, _slot: &mut Planned, s: &Planned, _band: Band, _classes: Classes<'_, usize>) {
        self.work(FlopKind::Elementwise, s.len());
    }
    fn accumulate_norm(&self, dw: &mut Planned, db: Option<&mut Planned>, x: &Planned, r: &Planned, dy: &Planned) {
        if self.fused {
            self.work(FlopKind::Elementwise, 4 * x.len());
            return;
        }
        let unit = self.mul(x, r);
        self.accumulate_dot(dw, &unit, dy);
        if db.is_some() {
            drop(self.sum_rows(dy));
        }
    }
    fn add_outer_cotangent(&self, a: &Planned, _leaf: &Planned) -> Planned {
        self.elementwise(a.rows, a.columns, 1)
    }

    for_each_fused!(counted);
}
