//! Elementary functions, sums and normal numbers in `f32` that give the same bits on every target.
//!
//! Only additions, multiplications, divisions, square roots and integer operations, each rounded once as IEEE 754 says,
//! none contracted. No table, no branch that depends on the vocabulary: the slice versions vectorise.

mod elementary;
mod lanes;
mod normal;
mod softmax;

pub use elementary::{exp, ln, ln_unit, sin_cos, sin_cos_turns, sqrt};
pub use lanes::{dot, sum_of, sum1, sum2, sum3};
pub use normal::{add_normal, fill_normal, normal};
pub use softmax::{entropy, log_sum_exp, maximum, softmax};
