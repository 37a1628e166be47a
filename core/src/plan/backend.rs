//! Storage and optimiser on shapes: memory and work are counted, values are zero.

use super::{FlopKind, Plan, Planned};
use crate::compute::{AdamW, Backend, Compute, ParameterStep, Parameters};
use crate::error::Error;
use crate::random::Stream;

impl Plan {
    /// An in-place result: the same block if it has one handle, else a new one.
    fn reuse(&self, a: Planned) -> Planned {
        let alone = a.block.as_ref().is_some_and(|b| alloc::rc::Rc::strong_count(b) == 1);
        if alone { a } else { self.take(a.rows, a.columns) }
    }
}

impl Backend for Plan {
    type Array = Planned;

    fn upload(&self, rows: usize, columns: usize, _data: &[f32]) -> Planned {
        self.take(rows, columns)
    }
    fn upload_f64(&self, rows: usize, columns: usize, _data: &[f64]) -> Planned {
        self.take(rows, columns)
    }
    fn download(&self, _a: &Planned, out: &mut [f32]) {
        out.fill(0.0);
    }
    fn download_f64(&self, _a: &Planned, out: &mut [f64]) {
        out.fill(0.0);
    }
    fn index(&self, data: &[u32]) -> usize {
        data.len()
    }
    fn download_index(&self, _a: &usize, out: &mut [u32]) {
        out.fill(0);
    }
    fn normal(&self, rows: usize, columns: usize, _stream: Stream, _first: u64, _sigma: f64) -> Planned {
        self.elementwise(rows, columns, 1)
    }

    fn axpy(&self, acc: Planned, _factor: &Planned, x: &Planned) -> Planned {
        self.work(FlopKind::Elementwise, 2 * x.len());
        // the reference backend makes the product first and holds it while it adds
        let _product = (!self.fused).then(|| self.take(x.rows, x.columns));
        self.reuse(acc)
    }
    fn clear(&self, _a: &mut Planned) {}
    fn sum_squares(&self, list: &[Planned]) -> Planned {
        self.work(FlopKind::Elementwise, list.iter().map(|a| 2 * a.len()).sum());
        self.take(1, 1)
    }
    fn update(&self, p: Parameters<'_, Planned>, constants: AdamW, _step: &Planned) {
        for p in p.one_by_one(constants, [0.0; 5]) {
            match p.step {
                Some(ParameterStep::AdamW(_)) => self.work(FlopKind::Elementwise, 12 * p.weight.len()),
                Some(ParameterStep::Direction(_)) => self.work(FlopKind::Elementwise, 6 * p.weight.len()),
                None => {}
            }
            if let Some(average) = p.average {
                self.work(FlopKind::Elementwise, 2 * average.len());
            }
        }
    }

    fn status(&self) -> Result<(), Error> {
        self.state.failure.borrow().clone().map_or(Ok(()), Err)
    }
    fn name(&self) -> &str {
        "plan"
    }
}

impl Plan {
    /// Planned weights for a layout, without drawing values.
    pub fn weights(&self, layout: &crate::parameters::ParameterLayout) -> alloc::vec::Vec<Planned> {
        layout.entries.iter().map(|e| self.fill(e.rows, e.columns, 0.0)).collect()
    }
}
