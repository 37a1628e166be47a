//! Products of each expert's rows with its own matrix.

use ebt_core::compute::{Layout, Route};

use super::shape::{THREADS, blocks, in_quads, own, require_fit, word};
use crate::launch::{Arg, Kernel, args};
use crate::{Cuda, Index, Kind, Matrix};

/// Most parts that the sum over an expert's slots is cut into, and the least slots of a part on average.
const MOST_PARTS: usize = 8;
const PART_SLOTS: usize = 256;

/// Tiles of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tiles {
    /// 128 x 128, rows of the operands aligned to 16 bytes.
    Wide,
    /// 64 x 64, aligned.
    Small,
    /// 64 x 64, any shape.
    Any,
}

impl Tiles {
    fn size(self) -> usize {
        match self {
            Self::Wide => 128,
            Self::Small | Self::Any => 64,
        }
    }
    /// Threads of a block and its shared memory in bytes, as the kernels use them.
    fn block(self, layout: Layout, kind: Kind) -> (u32, usize) {
        let tile = self.size();
        if kind == Kind::F32 {
            return (256, 2 * 2 * 16 * (tile + 4) * kind.bytes());
        }
        let (step, stages, pad) = (32, 3, 8);
        let along = tile * (step + pad);
        let deep = step * (tile + pad);
        let stage = match layout {
            Layout::NT => along + along,
            Layout::NN => along + deep,
            Layout::TN => deep + deep,
        };
        (128, stages * stage * kind.bytes())
    }
    fn kernel(self, layout: Layout, kind: Kind) -> Kernel {
        let name = match (layout, self) {
            (Layout::NT, Self::Wide) => "grouped_nt_wide",
            (Layout::NT, Self::Small) => "grouped_nt_small",
            (Layout::NT, Self::Any) => "grouped_nt_any",
            (Layout::NN, Self::Wide) => "grouped_nn_wide",
            (Layout::NN, Self::Small) => "grouped_nn_small",
            (Layout::NN, Self::Any) => "grouped_nn_any",
            (Layout::TN, Self::Wide) => "grouped_tn_wide",
            (Layout::TN, Self::Small) => "grouped_tn_small",
            (Layout::TN, Self::Any) => "grouped_tn_any",
        };
        Kernel { family: "grouped", name, kind }
    }
}

/// The structure of the same name in the kernels.
#[derive(Clone, Copy, Debug)]
struct Grouped {
    out: u64,
    x: u64,
    w: u64,
    offsets: u64,
    part: u64,
    experts: u32,
    height: u32,
    columns: u32,
    depth: u32,
    accumulate: u32,
    parts: u32,
}

impl Grouped {
    fn words(&self) -> [u64; 8] {
        let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        let &Self { out, x, w, offsets, part, experts, height, columns, depth, accumulate, parts } = self;
        [out, x, w, offsets, part, pair(experts, height), pair(columns, depth), pair(accumulate, parts)]
    }
}

impl Cuda {
    /// See [`ebt_core::compute::Compute::grouped`]; `TN` results are in single precision.
    pub(crate) fn grouped(&self, x: &Matrix, w: &Matrix, route: &Route<Index>, layout: Layout) -> Matrix {
        match layout {
            Layout::TN => {
                let out = self.take(route.experts * x.columns, w.columns, Kind::F32);
                self.grouped_weights(&out, x, w, route, false);
                out
            }
            Layout::NT | Layout::NN => self.grouped_rows(x, &self.narrow_copy(w), route, layout),
        }
    }

    /// Each expert's rows of `x (slots, in)` times the transpose of its own part of `w (E out, in)`.
    pub(crate) fn grouped_linear(&self, x: &Matrix, w: &Matrix, route: &Route<Index>) -> Matrix {
        self.grouped_rows(x, &self.narrow_copy(w), route, Layout::NT)
    }

    /// Each expert's rows of `dy (slots, out)` times its own part of `w (E out, in)`.
    pub(crate) fn grouped_linear_adjoint(&self, dy: &Matrix, w: &Matrix, route: &Route<Index>) -> Matrix {
        self.grouped_rows(dy, &self.narrow_copy(w), route, Layout::NN)
    }

    /// Adds `dy^T x` of each expert's rows to its own part of `slot (E out, in)`, which becomes single precision.
    pub(crate) fn accumulate_grouped(&self, slot: &mut Matrix, dy: &Matrix, x: &Matrix, route: &Route<Index>) {
        let fits = slot.len() == route.experts * dy.columns * x.columns;
        let shapes = [(slot.rows, slot.columns), (dy.rows, dy.columns), (x.rows, x.columns)];
        if require_fit(self, "a collected product by expert", fits, &shapes) {
            own(self, slot);
            self.grouped_weights(slot, dy, x, route, true);
        }
    }

    /// `NT` and `NN`; `w` is in the storage type of activations.
    fn grouped_rows(&self, x: &Matrix, w: &Matrix, route: &Route<Index>, layout: Layout) -> Matrix {
        let &Route { ref offsets, slots, experts, .. } = route;
        let x = self.stream(x);
        let own_rows = w.rows / experts.max(1);
        let (columns, depth) = if layout == Layout::NT { (own_rows, w.columns) } else { (w.columns, own_rows) };
        let out = self.take(slots, columns, self.stream_kind());
        let whole = own_rows > 0 && own_rows * experts == w.rows && offsets.len == experts + 1;
        let fits = whole && x.rows == slots && x.columns == depth;
        if !require_fit(
            self,
            "a product by expert",
            fits,
            &[(x.rows, x.columns), (w.rows, w.columns), (slots, experts)],
        ) {
            return out;
        }
        // wide tiles where experts fill them and there is a tile for every processor
        let wide = Tiles::Wide.size();
        let filled = 4 * slots >= 3 * wide * experts && columns > wide / 2;
        let enough = slots / wide * columns.div_ceil(wide) >= self.driver.processors();
        let tiles = match in_quads(&[&x, w, &out]) {
            true if filled && enough => Tiles::Wide,
            true => Tiles::Small,
            false => Tiles::Any,
        };
        let down = slots / tiles.size() + experts.min(slots);
        let grid = down * columns.div_ceil(tiles.size());
        let [experts, columns, depth] = [experts, columns, depth].map(|x| word(self, "a product by expert", x));
        let problem = Grouped {
            out: out.address(),
            x: x.address(),
            w: w.address(),
            offsets: offsets.address(),
            part: 0,
            experts,
            height: 0,
            columns,
            depth,
            accumulate: 0,
            parts: 1,
        };
        self.start(&problem, tiles, layout, [grid, 1]);
        out
    }

    /// `out = x^T w` of every expert, or `+=`.
    fn grouped_weights(&self, out: &Matrix, x: &Matrix, w: &Matrix, route: &Route<Index>, accumulate: bool) {
        let &Route { ref offsets, slots, experts, .. } = route;
        let (x, w) = (self.stream(x), self.narrow_copy(w));
        let (height, columns) = (x.columns, w.columns);
        let fits = x.rows == slots && w.rows == slots && offsets.len == experts + 1;
        if !require_fit(self, "a gradient by expert", fits, &[(x.rows, height), (w.rows, columns), (slots, experts)]) {
            return;
        }
        let own = out.shaped(0, experts * height, columns);
        let wide = Tiles::Wide.size() / 2;
        let tiles = match in_quads(&[&x, &w, &own]) {
            true if height > wide && columns > wide => Tiles::Wide,
            true => Tiles::Small,
            false => Tiles::Any,
        };
        let count = experts * height.div_ceil(tiles.size()) * columns.div_ceil(tiles.size());
        // two blocks for every processor, if slots are many
        let wanted = (2 * self.driver.processors() / count.max(1)).min(MOST_PARTS);
        let parts = (slots / experts.max(1) / PART_SLOTS).min(wanted).max(1);
        let length = own.len();
        let partial = (parts > 1).then(|| self.take(parts * experts * height, columns, Kind::F32));
        let [e, h, c, p] = [experts, height, columns, parts].map(|x| word(self, "a gradient by expert", x));
        let problem = Grouped {
            out: partial.as_ref().unwrap_or(&own).address(),
            x: x.address(),
            w: w.address(),
            offsets: offsets.address(),
            part: length as u64,
            experts: e,
            height: h,
            columns: c,
            depth: 0,
            accumulate: u32::from(accumulate && partial.is_none()),
            parts: p,
        };
        self.start(&problem, tiles, Layout::TN, [count, parts]);
        if let Some(partial) = partial {
            let join = Kernel { family: "grouped", name: "grouped_join", kind: Kind::F32 };
            let args = args![out, &partial, length as u64, p, u32::from(accumulate)];
            self.launch(join, blocks(length), THREADS, 0, args);
        }
    }

    fn start(&self, problem: &Grouped, tiles: Tiles, layout: Layout, grid: [usize; 2]) {
        let kind = self.stream_kind();
        let (threads, shared) = tiles.block(layout, kind);
        self.launch(tiles.kernel(layout, kind), grid, threads, shared, args![Arg::Words(&problem.words())]);
    }
}
