//! Every operation of `Compute` as data, one file a family; each file ends with the cases of its family.

pub mod accumulate;
pub mod attention;
pub mod band;
pub mod cross_entropy;
pub mod elementwise;
pub mod linear;
pub mod movement;
pub mod norm;
pub mod pointwise;
pub mod product;
