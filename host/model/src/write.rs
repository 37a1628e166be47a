//! Writing safetensors. The bytes depend on what is written alone: names in alphabetical order, no time stamps.
//!
//! Values are written block by block as they lie in memory; nothing is copied whole.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::{Context, Result};
use ebt_data::digest::hexadecimal;
use hmac_sha256::Hash;
use safetensors::tensor::TensorInfo;
use serde::Serialize;

use crate::digest;
use crate::dtype::Dtype;

/// A tensor to be written.
#[derive(Clone, Debug)]
pub struct Tensor<'a> {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// As many values as the shape has.
    pub values: Values<'a>,
}

/// Values of a tensor.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// Numbers, stored as `dtype`.
    Floats {
        /// Row-major.
        values: &'a [f32],
        /// The number of columns of `values`, if the transpose is written.
        transposed: Option<usize>,
        /// How they are stored.
        dtype: Dtype,
    },
    /// Token ids and the like.
    Words(&'a [u32]),
    /// Anything else.
    Bytes(&'a [u8]),
}

/// Bytes that are written at once.
const BLOCK: usize = 1 << 16;

impl Values<'_> {
    fn len(&self) -> usize {
        match self {
            Values::Floats { values, .. } => values.len(),
            Values::Words(words) => words.len(),
            Values::Bytes(bytes) => bytes.len(),
        }
    }

    fn dtype(&self) -> safetensors::Dtype {
        match self {
            Values::Floats { dtype, .. } => (*dtype).into(),
            Values::Words(_) => safetensors::Dtype::U32,
            Values::Bytes(_) => safetensors::Dtype::U8,
        }
    }

    fn bytes(&self) -> usize {
        self.len() * self.dtype().bitsize() / 8
    }

    /// The bytes of the tensor, block by block.
    fn each_block(&self, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut block = Vec::with_capacity(BLOCK);
        for first in (0..self.len()).step_by(BLOCK / 4) {
            block.clear();
            let range = first..self.len().min(first + BLOCK / 4);
            match *self {
                Values::Words(words) => {
                    words[range].iter().for_each(|word| block.extend_from_slice(&word.to_le_bytes()))
                }
                Values::Bytes(bytes) => block.extend_from_slice(&bytes[range]),
                Values::Floats { values, transposed: None, dtype } => {
                    values[range].iter().for_each(|&x| dtype.encode(x, &mut block));
                }
                Values::Floats { values, transposed: Some(columns), dtype } => {
                    let rows = values.len() / columns;
                    range.for_each(|i| dtype.encode(values[i % rows * columns + i / rows], &mut block));
                }
            }
            sink(&block)?;
        }
        Ok(())
    }
}

/// A header: metadata, then tensors by name.
#[derive(Serialize)]
struct Header<'a> {
    __metadata__: &'a BTreeMap<&'a str, String>,
    #[serde(flatten)]
    tensors: BTreeMap<&'a str, TensorInfo>,
}

/// Writes a file with these strings and tensors, and its digest.
///
/// # Errors
///
/// What `out` refuses.
pub fn write(out: &mut dyn Write, mut metadata: BTreeMap<&str, String>, mut tensors: Vec<Tensor<'_>>) -> Result<()> {
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    metadata.insert(digest::KEY, digest::blank());
    let mut at = 0;
    let mut entry = |tensor: &Tensor<'_>| {
        let start = at;
        at += tensor.values.bytes();
        TensorInfo { dtype: tensor.values.dtype(), shape: tensor.shape.clone(), data_offsets: (start, at) }
    };
    let entries = tensors.iter().map(|tensor| (tensor.name.as_str(), entry(tensor))).collect();
    let mut header = serde_json::to_vec(&Header { __metadata__: &metadata, tensors: entries })?;
    header.resize(header.len().next_multiple_of(8), b' ');
    let length = (header.len() as u64).to_le_bytes();

    let mut sum = Hash::new();
    sum.update(length);
    sum.update(&header);
    for tensor in &tensors {
        tensor.values.each_block(&mut |block| {
            sum.update(block);
            Ok(())
        })?;
    }
    let place = digest::place(&header).context("the header lost its digest")?;
    header[place].copy_from_slice(hexadecimal(sum.finalize()).as_bytes());

    out.write_all(&length)?;
    out.write_all(&header)?;
    for tensor in &tensors {
        tensor.values.each_block(&mut |block| Ok(out.write_all(block)?))?;
    }
    Ok(())
}
