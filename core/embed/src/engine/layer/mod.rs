//! The layers of one pass over rows, forward and backward, on values or on values with tangents.

pub mod attention;
pub mod buffers;
pub mod columns;
pub mod feed_forward;
pub mod joint_attention;
pub mod mixture;
pub mod norm;
pub mod rotary;
pub mod swiglu;
