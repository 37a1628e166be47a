//! A safetensors file: names, shapes, values.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use half::{bf16, f16};
use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensorError, SafeTensors};

use ebt_data::file::{self, Mapped};

/// An open safetensors file.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    bytes: Mapped,
    /// First byte of the values.
    start: usize,
    metadata: Metadata,
    /// Names without the prefix `model.`, and as they are in the file.
    names: BTreeMap<String, String>,
}

impl Checkpoint {
    /// Opens a file and checks its header.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or is not a complete safetensors file; the message names it.
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = file::map(path)?;
        let (header, metadata) = SafeTensors::read_metadata(&bytes)
            .map_err(|error| anyhow!("{} is not a usable safetensors file: {}", path.display(), sentence(&error)))?;
        let mut names = BTreeMap::new();
        for name in metadata.offset_keys() {
            let short = name.strip_prefix("model.").unwrap_or(&name).to_owned();
            if let Some(other) = names.insert(short, name.clone()) {
                bail!("{} holds both {other} and {name}", path.display());
            }
        }
        Ok(Self { path: path.to_path_buf(), bytes, start: header + 8, metadata, names })
    }

    /// Path of the file as it was opened, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the file.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    /// Names of all tensors, without the prefix `model.`, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    /// A string of the file's own metadata.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.metadata.metadata().as_ref()?.get(key).map(String::as_str)
    }

    /// A metadata string as JSON; `None` if the key is missing.
    ///
    /// # Errors
    ///
    /// JSON that does not describe a `T`; the message names file, key and field.
    pub fn json<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let parse = |text| serde_json::from_str(text);
        let place = || format!("the metadata `{key}` of {}", self.path.display());
        self.text(key).map(parse).transpose().with_context(place)
    }

    /// Shape of a tensor, if there is one of this name.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.info(name).map(|info| info.shape.as_slice())
    }

    /// The values of a tensor of floating-point numbers in row-major order.
    ///
    /// # Errors
    ///
    /// A missing tensor, or one of another type; the message names file and tensor.
    pub fn values(&self, name: &str) -> Result<Vec<f64>> {
        let (dtype, bytes) = self.data(name)?;
        Ok(match dtype {
            Dtype::F64 => each(bytes, f64::from_le_bytes),
            Dtype::F32 => each(bytes, |b| f64::from(f32::from_le_bytes(b))),
            Dtype::F16 => each(bytes, |b| f16::from_le_bytes(b).to_f64()),
            Dtype::BF16 => each(bytes, |b| bf16::from_le_bytes(b).to_f64()),
            other => {
                let path = self.path.display();
                bail!("tensor {name} of {path} is stored as {other:?}; F32, F16, BF16 and F64 can be read");
            }
        })
    }

    /// The values of a tensor of integers in row-major order.
    ///
    /// # Errors
    ///
    /// As [`Checkpoint::values`].
    pub fn integers(&self, name: &str) -> Result<Vec<i64>> {
        let (dtype, bytes) = self.data(name)?;
        Ok(match dtype {
            Dtype::I64 => each(bytes, i64::from_le_bytes),
            Dtype::I32 => each(bytes, |b| i64::from(i32::from_le_bytes(b))),
            other => {
                bail!("tensor {name} of {} is stored as {other:?}; I64 or I32 is needed", self.path.display())
            }
        })
    }

    fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.metadata.info(self.names.get(name)?)
    }

    fn data(&self, name: &str) -> Result<(Dtype, &[u8])> {
        let missing = || anyhow!("{} holds no tensor {name}", self.path.display());
        let info = self.info(name).ok_or_else(missing)?;
        let range = |at: usize| self.start.checked_add(at);
        let (first, end) = info.data_offsets;
        let bytes = range(first).zip(range(end)).and_then(|(first, end)| self.bytes.get(first..end));
        bytes.map(|bytes| (info.dtype, bytes)).ok_or_else(|| anyhow!("{} is cut short at {name}", self.path.display()))
    }
}

/// Decodes values of `N` bytes each.
fn each<const N: usize, T>(bytes: &[u8], decode: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|&b| decode(b)).collect()
}

/// What is wrong, for people.
fn sentence(error: &SafeTensorError) -> String {
    match error {
        SafeTensorError::HeaderTooSmall => "it is too short to hold a header".into(),
        SafeTensorError::HeaderTooLarge | SafeTensorError::InvalidHeaderLength => {
            "it does not begin with the length of a header, or was cut short inside the header".into()
        }
        SafeTensorError::InvalidHeader(_) => format!("its header is not text ({error})"),
        SafeTensorError::InvalidHeaderDeserialization(cause) => format!("its header is not valid JSON ({cause})"),
        SafeTensorError::MetadataIncompleteBuffer => {
            "its length is not what its header says: it was cut short, or something was appended".into()
        }
        other => other.to_string(),
    }
}
