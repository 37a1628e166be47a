//! Condition vectors: a linear map of one row whose parts shift, scale and gate, in one launch, and its backward pass.

use ebt_core::compute::{Modulated, Modulation};
use ebt_core::error::Error;

use super::support::{THREADS, kernel, lanes, wide};
use crate::launch::{Arg, args};
use crate::{Cuda, Kind, Matrix};

/// Gains and parts of one map, as the kernels have them.
const GAINS: usize = 2;
const PARTS: usize = 8;
/// The number of no part.
const NONE: u64 = 0xFFFF_FFFF;

/// Two 32-bit words in one, the first in the low half.
fn halves([low, high]: [u64; GAINS]) -> u64 {
    low | high << 32
}

impl Cuda {
    /// Number of parts, if the map fits its parameters and the kernels.
    fn modulates(&self, weights: &[Matrix], map: Modulation<'_>, c: &Matrix) -> Option<usize> {
        let dim = c.columns;
        let (w, bias) = (&weights[map.weight], &weights[map.bias]);
        let parts = w.rows / dim.max(1);
        let fits = self.require_shape("a condition", c, 1, dim)
            && self.require_shape("a modulation", w, parts * dim, dim)
            && self.require_shape("the bias of a modulation", bias, 1, parts * dim)
            && map.gains.iter().all(|&(_, gain)| self.require_shape("a scaled gain", &weights[gain], 1, dim));
        if fits && (parts > PARTS || map.gains.len() > GAINS || map.gains.iter().any(|&(part, _)| part >= parts)) {
            let message = format!("{parts} parts of which {} scale gains", map.gains.len());
            self.fail(Error::Shape { what: "a modulation".to_owned(), message });
            return None;
        }
        fits.then_some(parts)
    }

    /// Numbers of the parts that scale gains.
    fn scaling(map: Modulation<'_>) -> u64 {
        halves(std::array::from_fn(|k| map.gains.get(k).map_or(NONE, |&(part, _)| part as u64)))
    }

    pub(crate) fn modulation(&self, weights: &[Matrix], map: Modulation<'_>, c: &Matrix) -> Modulated<Matrix> {
        let dim = c.columns;
        let parts = self.modulates(weights, map, c);
        // a map that does not fit still has as many results, unwritten
        let count = parts.unwrap_or_else(|| weights[map.weight].rows.div_ceil(dim.max(1)));
        let out = self.take(count + map.gains.len(), dim, Kind::F32);
        let row = |i: usize| out.shaped(i * dim, 1, dim);
        if parts.is_some() {
            let (w, bias, c) = (self.float(&weights[map.weight]), self.float(&weights[map.bias]), self.float(c));
            let gains: Vec<Matrix> = map.gains.iter().map(|&(_, gain)| self.float(&weights[gain])).collect();
            let mut words = [0; GAINS + 1];
            words.iter_mut().zip(&gains).for_each(|(word, gain)| *word = gain.address());
            words[GAINS] = Self::scaling(map);
            let l = lanes(w.rows, dim, THREADS);
            let runs = u32::from(wide(dim, &[&w, &c]));
            let (rows, columns) = (self.size(w.rows), self.size(dim));
            let args = args![&out, &w, &bias, &c, Arg::Words(&words), rows, columns, l.group, runs];
            self.launch(kernel("modulation", "modulation", Kind::F32), l.blocks, l.threads, 0, args);
        }
        Modulated { parts: (0..count).map(row).collect(), scaled: (count..out.rows).map(row).collect() }
    }

    pub(crate) fn modulation_backward(
        &self,
        weights: &[Matrix],
        map: Modulation<'_>,
        (c, at): (&Matrix, &Modulated<Matrix>),
        d: &[Option<&Matrix>],
        grads: &mut [Matrix],
        dc: &mut Matrix,
    ) {
        let dim = c.columns;
        let Some(parts) = self.modulates(weights, map, c) else { return };
        let fits = self.require_shape("the gradient of a condition", dc, 1, dim)
            && self.require_shape("the gradient of a modulation's bias", &grads[map.bias], 1, parts * dim)
            && d.iter().flatten().all(|d| self.require_shape("the gradient of a modulation", d, 1, dim))
            && at.parts.iter().all(|g| self.require_shape("the part of a modulation", g, 1, dim))
            && map.gains.iter().all(|&(_, gain)| self.require_shape("the gradient of a gain", &grads[gain], 1, dim));
        if !fits || d.len() != parts || at.parts.len() != parts {
            let message = format!("{} gradients and {} of {parts} parts", d.len(), at.parts.len());
            return self.fail(Error::Shape { what: "a modulation".to_owned(), message });
        }
        let mut words = [0; PARTS + 3 * GAINS + 1];
        // what is converted lives until the kernel is launched
        let mut held = Vec::new();
        let mut address = |m: &Matrix| {
            let m = self.float(m);
            let address = m.address();
            held.push(m);
            address
        };
        for (word, d) in words.iter_mut().zip(d) {
            *word = d.map_or(0, &mut address);
        }
        for (k, &(part, gain)) in map.gains.iter().enumerate() {
            words[PARTS + k] = address(&weights[gain]);
            words[PARTS + GAINS + k] = address(&at.parts[part]);
            self.writable(&mut grads[gain]);
            words[PARTS + 2 * GAINS + k] = grads[gain].address();
        }
        words[PARTS + 3 * GAINS] = Self::scaling(map);
        self.writable(&mut grads[map.bias]);
        let dm = self.take(1, parts * dim, Kind::F32);
        let args = args![&dm, &grads[map.bias], Arg::Words(&words), self.size(dm.len()), self.size(dim)];
        let blocks = dm.len().div_ceil(THREADS as usize);
        self.launch(kernel("modulation", "modulation_gradient", Kind::F32), blocks, THREADS, 0, args);
        self.accumulate_product(&mut grads[map.weight], 0, &dm, c);
        self.writable(dc);
        self.weighted_rows(dc, &self.float(&weights[map.weight]), &dm, true);
    }
}
