//! The layers of one pass over rows, forward and backward, on values or on values with tangents.

pub mod attention;
pub mod norm;
pub mod rotary;
pub mod softmax;
pub mod swiglu;
