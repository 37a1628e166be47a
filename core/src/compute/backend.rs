//! `Backend`: storage and state of a real device, and what is never differentiated: noise, vocabulary rows, updates.

use alloc::vec::Vec;

use super::Compute;
use crate::error::Result;
use crate::fused::{modulation, vocabulary};
use crate::random::Stream;

/// The constants of AdamW (Loshchilov and Hutter, arXiv 1711.05101).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// Share of the first moment kept at an update, in `[0, 1)`.
    pub beta1: f64,
    /// Share of the second moment kept at an update, in `[0, 1)`.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
}

/// How the optimiser treats one parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParamGroup {
    /// Multiple of the step's learning rate; 0: the optimiser leaves the parameter alone.
    pub rate: f64,
    /// Decoupled weight decay (times the rate).
    pub decay: f64,
    /// What it moves along.
    pub rule: Rule,
}

/// What a parameter moves along.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Its first moment over the root of its second one.
    AdamW,
    /// A direction that was found before ([`crate::muon`]) and lies in the place of its second moment.
    Direction {
        /// Share of the first moment kept at an update, in `[0, 1)`.
        momentum: f64,
    },
}

/// Everything that an update of all parameters reads and writes; all lists are in layout order.
#[derive(Debug)]
pub struct Parameters<'a, A> {
    /// The weights that are updated, each `(rows, columns)` of its parameter.
    pub weights: &'a mut [A],
    /// Running means of the gradients, in the shapes of the weights.
    pub first: &'a mut [A],
    /// Running means of the squared gradients, in the shapes of the weights; directions where [`Rule::Direction`] says so.
    pub second: &'a mut [A],
    /// Running means of the weights, in their shapes; an empty list where none are kept.
    pub average: &'a mut [A],
    /// Gradients in the shapes of the weights; read only.
    pub gradients: &'a [A],
    /// Rates and decays.
    pub param_groups: &'a [ParamGroup],
}

/// The part of an update that one parameter has, see [`Parameters::one_by_one`].
#[derive(Debug)]
pub struct ParameterUpdate<'a, A> {
    /// Its weights.
    pub weight: &'a mut A,
    /// First and second moment.
    pub moments: [&'a mut A; 2],
    /// Its average, where one is kept: `average += (1 - keep) (weight - average)`, with the weights just updated.
    pub average: Option<&'a mut A>,
    /// Its gradient.
    pub gradient: &'a A,
    /// The step; none where the optimiser leaves weights and moments alone.
    pub step: Option<ParameterStep>,
    /// Share of the old average that is kept.
    pub keep: f64,
}

/// One step of one parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ParameterStep {
    /// Along its moments.
    AdamW(AdamWStep),
    /// Along the direction in the place of its second moment.
    Direction(DirectionStep),
}

/// One step along a direction `d`: `w = (1 - rate decay) w - rate d`, and `m += (1 - momentum) (factor g - m)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DirectionStep {
    /// Share of the first moment that is kept.
    pub momentum: f64,
    /// Learning rate of this parameter; it scales the move and the decay alike.
    pub rate: f64,
    /// Decoupled weight decay; 0 for none.
    pub decay: f64,
    /// Factor on the gradient.
    pub factor: f64,
}

/// One AdamW step of one parameter at update `t >= 1`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWStep {
    /// The constants.
    pub constants: AdamW,
    /// Learning rate of this parameter; it scales the move and the decay alike.
    pub rate: f64,
    /// Decoupled weight decay; 0 for none.
    pub decay: f64,
    /// `1 - beta1^t`.
    pub correction1: f64,
    /// `1 - beta2^t`.
    pub correction2: f64,
    /// Factor on the gradient.
    pub factor: f64,
}

impl<'a, A> Parameters<'a, A> {
    /// The update of every parameter in turn, for backends that have no operation for all of them; `step` are the numbers
    /// of [`Backend::update`]. Nothing where the step is skipped.
    pub fn one_by_one(self, constants: AdamW, step: [f64; 5]) -> impl Iterator<Item = ParameterUpdate<'a, A>> {
        let [rate, correction1, correction2, factor, keep] = step;
        let count = if factor.is_finite() { self.weights.len() } else { 0 };
        let averages = self.average.iter_mut().map(Some).chain(core::iter::repeat_with(|| None));
        let moments = self.first.iter_mut().zip(self.second);
        let read = self.gradients.iter().zip(self.param_groups);
        let all = self.weights.iter_mut().zip(moments).zip(averages).zip(read).take(count);
        all.map(move |(((weight, (first, second)), average), (gradient, group))| {
            let (rate, decay) = (rate * group.rate, group.decay);
            let step = match group.rule {
                Rule::AdamW => {
                    ParameterStep::AdamW(AdamWStep { constants, rate, decay, correction1, correction2, factor })
                }
                Rule::Direction { momentum } => {
                    ParameterStep::Direction(DirectionStep { momentum, rate, decay, factor })
                }
            };
            let step = Some(step).filter(|_| group.rate != 0.0);
            ParameterUpdate { weight, moments: [first, second], average, gradient, step, keep }
        })
    }
}

/// A linear map of a condition `c (1,D)` to parts `(1,D)`, `m = W c + bias`, some of which scale gains; numbers are
/// places in the list of parameters.
#[derive(Clone, Copy, Debug)]
pub struct Modulation<'a> {
    /// `W (P D, D)`.
    pub weight: usize,
    /// `bias (1, P D)`.
    pub bias: usize,
    /// Parts `g` that scale a gain `(1,D)` to `gain (1 + g)`, ascending, with the gain.
    pub gains: &'a [(usize, usize)],
}

/// What a [`Modulation`] makes.
#[derive(Clone, Debug)]
pub struct Modulated<A> {
    /// Parts `(1,D)` in order.
    pub parts: Vec<A>,
    /// `gain (1 + g)` for every part that scales a gain.
    pub scaled: Vec<A>,
}

/// A matrix `m (n,V)` that is never stored: rows of distributions, less a target, times a number a row.
///
/// `m[i,j] = scale[i] (exp(y[i,j] - lse[i]) - q[i,j])` where `q = onehot(target)` if targets are given, else 0. Where
/// targets are given, a row without one (`u32::MAX`) is zero.
#[derive(Debug)]
pub struct SoftmaxRows<'a, A, I> {
    /// Logits `y (n,V)`.
    pub logits: &'a A,
    /// Their log-sum-exp `(n,1)`, see [`Backend::log_sum_exp`].
    pub lse: &'a A,
    /// Factor of every row `(n,1)`; 1 if absent.
    pub scale: Option<&'a A>,
    /// Token ids `(n)`.
    pub targets: Option<&'a I>,
}

impl<A, I> Clone for SoftmaxRows<'_, A, I> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<A, I> Copy for SoftmaxRows<'_, A, I> {}

/// Storage and state of a real device: what cannot be differentiated and never nests.
pub trait Backend: Compute<Leaf = <Self as Backend>::Array, Tensor = <Self as Backend>::Array> {
    /// The one kind of matrix a plain backend has.
    type Array: Clone;

    /// Copies `data` (`rows * columns` values, row-major) to the device.
    fn upload(&self, rows: usize, columns: usize, data: &[f32]) -> Self::Array;
    /// As [`Backend::upload`], from double precision.
    fn upload_f64(&self, rows: usize, columns: usize, data: &[f64]) -> Self::Array;
    /// Copies a matrix into `out`, which holds `rows * columns` values.
    fn download(&self, a: &Self::Array, out: &mut [f32]);
    /// As [`Backend::download`], to double precision.
    fn download_f64(&self, a: &Self::Array, out: &mut [f64]);
    /// Copies integers to the device.
    fn index(&self, data: &[u32]) -> Self::Index;
    /// Copies integers back; `out` has the index's length.
    fn download_index(&self, a: &Self::Index, out: &mut [u32]);
    /// Elements `first..` of a stream of `N(0, sigma^2)` draws; the same numbers on every backend up to rounding.
    fn normal(&self, rows: usize, columns: usize, stream: Stream, first: u64, sigma: f64) -> Self::Array;

    /// `acc + factor (n,1) or (1,1) broadcast * x`, in place where `acc` is the only handle.
    fn axpy(&self, acc: Self::Array, factor: &Self::Array, x: &Self::Array) -> Self::Array;
    /// Replaces every element by zero.
    fn clear(&self, a: &mut Self::Array);
    /// [`Backend::clear`] of a whole list.
    fn clear_all(&self, list: &mut [Self::Array]) {
        for a in list {
            self.clear(a);
        }
    }
    /// Zeros of many shapes.
    fn zeros(&self, shapes: &[(usize, usize)]) -> Vec<Self::Array> {
        shapes.iter().map(|&(rows, columns)| self.fill(rows, columns, 0.0)).collect()
    }
    /// `(1,1)`: sum of all squares over the list.
    fn sum_squares(&self, list: &[Self::Array]) -> Self::Array;
    /// Overwrites a matrix in place with `rows * columns` values.
    fn write(&self, a: &mut Self::Array, data: &[f64]) {
        let (rows, columns) = self.shape(a);
        *a = self.upload_f64(rows, columns, data);
    }
    /// Overwrites an index in place with as many values as it has.
    fn write_index(&self, a: &mut Self::Index, data: &[u32]) {
        *a = self.index(data);
    }
    /// Elements `first..` of a stream of uniform draws from `[low, high)`.
    fn uniform(&self, rows: usize, columns: usize, stream: Stream, first: u64, low: f64, high: f64) -> Self::Array {
        let draw = |i| low + (high - low) * stream.uniform(first + i);
        let values: Vec<f64> = (0..(rows * columns) as u64).map(draw).collect();
        self.upload_f64(rows, columns, &values)
    }

    // ---- condition vectors: see Modulation ----
    /// The parts of a modulation, and the gains that they scale.
    fn modulation(&self, weights: &[Self::Array], map: Modulation<'_>, c: &Self::Array) -> Modulated<Self::Array> {
        modulation::forward(self, weights, map, c)
    }
    /// Backward pass of [`Backend::modulation`]: `d` are the gradients of the parts in order, for a part that scales a
    /// gain that of `gain (1 + g)`; the gradients of parameters are added to `grads`, that of `c` to `dc`.
    fn modulation_backward(
        &self,
        weights: &[Self::Array],
        map: Modulation<'_>,
        (c, at): (&Self::Array, &Modulated<Self::Array>),
        d: &[Option<&Self::Array>],
        grads: &mut [Self::Array],
        dc: &mut Self::Array,
    ) {
        modulation::backward(self, weights, map, (c, at), d, grads, dc);
    }

    // ---- vocabulary: see SoftmaxRows ----
    /// Whether matrices `(n,V)` are better recomputed from logits than stored.
    fn streams_vocabulary(&self) -> bool {
        false
    }
    /// `ln sum_j exp(y[i,j])`, `(n,1)`.
    fn log_sum_exp(&self, y: &Self::Array) -> Self::Array {
        vocabulary::log_sum_exp(self, y)
    }
    /// `m w`, `(n,D)`, with `w (V,D)`.
    fn rows_matmul(&self, m: SoftmaxRows<'_, Self::Array, Self::Index>, w: &Self::Array) -> Self::Array {
        self.linear_adjoint(&vocabulary::dense(self, m), w)
    }
    /// `slot (V,D) += m^T x`.
    fn accumulate_rows(&self, slot: &mut Self::Array, m: SoftmaxRows<'_, Self::Array, Self::Index>, x: &Self::Array) {
        self.accumulate_product(slot, 0, &vocabulary::dense(self, m), x);
    }
    /// `scale[i] (lse[i] - <q[i], y[i]>)`, `(n,1)`: the cross entropy of rows with targets; 0 where there is none.
    fn cross_entropy_rows(&self, m: SoftmaxRows<'_, Self::Array, Self::Index>) -> Self::Array {
        vocabulary::cross_entropy(self, m)
    }
    /// `softmax(y) - alpha (dp w^T)`, or `y - alpha (dp w^T)` without `lse`; `alpha (n,1)`, `dp (n,D)`, `w (V,D)`.
    fn descend(
        &self,
        y: Self::Array,
        lse: Option<&Self::Array>,
        alpha: &Self::Array,
        dp: &Self::Array,
        w: &Self::Array,
    ) -> Self::Array {
        let from = match lse {
            Some(lse) => vocabulary::dense(self, SoftmaxRows { logits: &y, lse, scale: None, targets: None }),
            None => y,
        };
        self.axpy(from, &self.scale(alpha, -1.0), &self.linear(dp, w))
    }

    // ---- optimiser ----
    /// One step of every parameter by its rule, and of the averages. `step (1,5)`: learning rate, `1 - beta1^t`,
    /// `1 - beta2^t`, factor on the gradients, share of the old average that is kept. If the factor is not finite nothing
    /// changes: the step is skipped.
    fn update(&self, p: Parameters<'_, Self::Array>, constants: AdamW, step: &Self::Array);

    // ---- ranks: processes that train one model together ----
    /// Replaces every matrix by its sum over all ranks, in the order of the canonical tree of ranks (the one of
    /// [`Part`](crate::training::Part)); all ranks are left with the same bits. Every rank calls it with matrices of the same
    /// shapes. Nothing to do where there is one rank.
    fn sum_ranks(&self, _list: &mut [&mut Self::Array]) {}
    /// The sum of a number of every rank.
    fn sum_count(&self, count: u64) -> u64 {
        count
    }

    // ---- recorded steps ----
    /// Whether gradients need scaling to stay inside the range of the backend's numbers, see [`crate::loss_scale`].
    fn needs_loss_scale(&self) -> bool {
        false
    }
    /// The training step that random numbers drawn inside [`Backend::run_captured`] belong to.
    fn set_noise_step(&self, _step: u32) {}
    /// A number that differs for arrays that live at different places in the device's memory.
    fn address(&self, _a: &Self::Array) -> u64 {
        0
    }
    /// [`Backend::address`] of an index.
    fn address_of_index(&self, _a: &Self::Index) -> u64 {
        0
    }
    /// Does `work`. The caller promises that with an equal `key` it does the same operations on arrays at the same
    /// places, asks nothing of the device and keeps nothing that it makes; a backend may then record it and afterwards
    /// replay the recording, without calling it.
    ///
    /// # Errors
    ///
    /// Those of `work`.
    fn run_captured(&self, _key: &[u64], work: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        work()
    }

    /// The first failure since the backend was made, if any.
    fn status(&self) -> Result<()>;
    /// A name for reports: backend, precision, device.
    fn name(&self) -> &str;
}
