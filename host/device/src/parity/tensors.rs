//! Tensors of a golden case, of the shapes that its configuration says.

use anyhow::{Result, bail};
use ebt_model::TensorFile;

/// A tensor of floating-point numbers that must have `shape`.
pub(super) fn tensor(file: &TensorFile, name: &str, shape: &[usize]) -> Result<Vec<f64>> {
    let path = file.path().display();
    match file.shape(name) {
        None => bail!("{path} is not a complete golden case: it holds no tensor {name}"),
        Some(found) if found != shape => bail!("tensor {name} of {path} is {found:?} instead of {shape:?}"),
        Some(_) => file.values(name),
    }
}

/// A tensor of one floating-point number.
pub(super) fn scalar(file: &TensorFile, name: &str) -> Result<Vec<f64>> {
    let shape: &[usize] = if file.shape(name) == Some(&[1]) { &[1] } else { &[] };
    tensor(file, name, shape)
}
