//! What a packed model promises: nothing but its own bytes, no panic on any others, and the same bits from every kernel.

mod file;
mod matrix;
mod model;
mod support;
