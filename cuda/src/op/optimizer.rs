//! Steps of the optimiser and averages of weights for all parameters of a model in a few launches.

use ebt_core::compute::{AdamW, Parameters, Rule};
use ebt_core::error::Error;

use super::support::{THREADS, kernel};
use crate::launch::{Arg, args};
use crate::{Cuda, Kind, Matrix};

/// Parameters of one launch, and elements of one of its blocks; the kernel has the same numbers.
const MEMBERS: usize = 14;
const SHARE: usize = 8192;
/// Lists of 64-bit words a parameter has, before its lists of 32-bit words.
const WORDS: usize = 7;
/// These lists.
const HALVES: usize = 4;
/// Words of the table.
const LENGTH: usize = (2 * WORDS + HALVES) * MEMBERS / 2;

/// The kernel's table of parameters, filled one by one.
#[derive(Debug)]
struct Table {
    words: [u64; LENGTH],
    members: usize,
    blocks: usize,
}

impl Table {
    const fn new() -> Self {
        Self { words: [0; LENGTH], members: 0, blocks: 0 }
    }

    /// Adds a parameter: its 64-bit words in the kernel's order (the number of elements last); rate, decay and share of the first
    /// moment that is taken anew along a direction; the first block that serves it.
    fn push(&mut self, words: [u64; WORDS], numbers: [f32; HALVES - 1], first: u32) {
        let i = self.members;
        for (list, word) in words.into_iter().enumerate() {
            self.words[list * MEMBERS + i] = word;
        }
        for (list, word) in numbers.map(f32::to_bits).into_iter().chain([first]).enumerate() {
            let at = list * MEMBERS + i;
            self.words[WORDS * MEMBERS + at / 2] |= u64::from(word) << (32 * (at % 2));
        }
        self.members += 1;
        self.blocks += (words[WORDS - 1] as usize).div_ceil(SHARE);
    }
}

impl Cuda {
    /// A step of all parameters; `step (1,5)`: rate, `1 - beta1^t`, `1 - beta2^t`, factor on the gradient, share of the
    /// old average that is kept. A factor that is negative or not finite changes nothing. Parameters whose multiple of
    /// the rate is 0 keep weight and moments; averages always move. Copies of the weights for products that were up to
    /// date stay so.
    pub(crate) fn update(&self, p: Parameters<'_, Matrix>, constants: AdamW, step: &Matrix) {
        let n = p.weights.len();
        let lists = [p.first.len(), p.second.len(), p.gradients.len(), p.param_groups.len()];
        if lists.iter().any(|&len| len != n) || !(p.average.is_empty() || p.average.len() == n) {
            let message = format!("{n} weights, {} averages and {lists:?}", p.average.len());
            return self.fail(Error::Shape { what: "the lists of an optimiser".to_owned(), message });
        }
        if !self.require_shape("the numbers of a step", step, 1, 5) {
            return;
        }
        let step = self.float(step);
        // gradients in another type are converted for the time of their launch
        let mut held = Vec::new();
        let mut table = Table::new();
        for i in 0..n {
            let (weight, group) = (&mut p.weights[i], p.param_groups[i]);
            let (first, second) = (&mut p.first[i], &mut p.second[i]);
            let moves = group.rate != 0.0;
            let mut average = p.average.get_mut(i);
            if !self.agree("the state of an optimiser", weight, &[first, second, &p.gradients[i]])
                || !average.as_ref().is_none_or(|a| self.agree("an average", weight, &[a]))
            {
                return;
            }
            let mut narrow_copy = None;
            if moves {
                narrow_copy = self.writable_with_copy(weight);
                self.writable(first);
                if group.rule == Rule::AdamW {
                    self.writable(second);
                }
            }
            if let Some(average) = average.as_mut() {
                self.writable(average);
            }
            let gradient = self.float(&p.gradients[i]);
            let weight = self.float(weight);
            let address = |m: Option<&Matrix>| m.map_or(0, Matrix::address);
            let words = [
                weight.address(),
                first.address(),
                second.address(),
                gradient.address(),
                address(average.as_deref()),
                address(narrow_copy.as_ref()),
                weight.len() as u64,
            ];
            if moves || average.is_some() {
                let first_block = self.size(table.blocks);
                let take = match group.rule {
                    Rule::AdamW => 0.0,
                    Rule::Direction { momentum } => 1.0 - momentum,
                };
                table.push(words, [group.rate, group.decay, take].map(|x| x as f32), first_block);
                held.extend([gradient, weight]);
            }
            if table.members == MEMBERS || i + 1 == n {
                self.launch_update(&table, constants, &step);
                table = Table::new();
                held.clear();
            }
        }
    }

    fn launch_update(&self, table: &Table, constants: AdamW, step: &Matrix) {
        if table.blocks > 0 {
            let args = args![
                Arg::Words(&table.words),
                self.size(table.members),
                step,
                (1.0 - constants.beta1) as f32,
                (1.0 - constants.beta2) as f32,
                constants.eps as f32
            ];
            let kernel = kernel("optimizer", "update", self.stream_kind());
            self.launch(kernel, table.blocks, THREADS, 0, args);
        }
    }

    /// As [`Cuda::writable`], but the copy for products, where there is an up-to-date one, is
    /// returned to be written too.
    fn writable_with_copy(&self, weight: &mut Matrix) -> Option<Matrix> {
        if weight.kind == Kind::F32 && weight.is_alone() {
            let narrow_copy = self.fresh_copy(weight);
            if narrow_copy.is_none() {
                self.invalidate(weight);
            }
            narrow_copy
        } else {
            self.writable(weight);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lies_in_memory_as_the_kernel_reads_it() {
        let mut table = Table::new();
        for i in 0..MEMBERS as u64 {
            let words = std::array::from_fn(|list| 100 * list as u64 + i);
            table.push(words, [i as f32, 0.5 * i as f32, -(i as f32)], i as u32);
        }
        assert_eq!(table.words[6 * MEMBERS + 3], 603);
        let halves: Vec<u32> =
            table.words[WORDS * MEMBERS..].iter().flat_map(|&w| [w as u32, (w >> 32) as u32]).collect();
        assert_eq!(halves[5], 5f32.to_bits());
        assert_eq!(halves[MEMBERS + 13], 6.5f32.to_bits());
        assert_eq!(halves[2 * MEMBERS + 5], (-5f32).to_bits());
        assert_eq!(halves[3 * MEMBERS + 9], 9);
        assert_eq!(size_of_val(&table.words), 1008);
    }
}
