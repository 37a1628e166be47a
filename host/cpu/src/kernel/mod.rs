//! CPU kernels on plain slices, generic over `f32`, `f64` and `f32` with products of brain floats ([`mixed`]).
//!
//! All matrices are row-major. Every kernel picks the instruction set at run
//! time, runs on the current rayon pool when the work is large enough, and
//! gives the same result for every number of threads. Shapes are checked:
//! a kernel panics when a slice does not fit them.

pub mod attention;
pub mod element;
pub mod elementwise;
pub mod gate;
pub mod gemm;
mod lanes;
pub mod math;
pub mod mixed;
pub mod noise;
pub mod norm;
pub mod optim;
mod par;
pub mod reduce;
pub mod rotary;
pub mod scratch;
mod shared;
pub mod softmax;
pub mod swiglu;

#[cfg(test)]
mod tests;
