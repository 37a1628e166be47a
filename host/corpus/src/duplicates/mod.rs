//! Finding equal and nearly equal documents on disk: memory does not grow with the corpus but for one bit a document.

pub mod bits;
pub mod exact;
pub mod minhash;
pub mod near;
pub mod spill;
