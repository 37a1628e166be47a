//! Reading a safetensors file: names, shapes, values, strings.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use half::{bf16, f16};
use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde::de::DeserializeOwned;

use ebt_data::file::{self, Mapped};

use crate::{fields, signature};

/// Metadata key of the name of the format, which files of this project have.
pub const FORMAT_KEY: &str = "ebt_format";

/// An open safetensors file.
#[derive(Debug)]
pub struct TensorFile {
    path: PathBuf,
    bytes: Bytes,
    /// First byte of the values.
    start: usize,
    metadata: Metadata,
    /// Names without the prefix `model.`, and as they are in the file.
    names: BTreeMap<String, String>,
}

#[derive(Debug)]
enum Bytes {
    Mapped(Mapped),
    Owned(Vec<u8>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Mapped(mapped) => mapped,
            Bytes::Owned(bytes) => bytes,
        }
    }
}

/// Bytes of the length of a header.
const LENGTH: usize = 8;

impl TensorFile {
    /// Opens a file and checks its header: what tensors there are, and that they cover the file without gap or overlap.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or is not a complete safetensors file; the message names it.
    pub fn open(path: &Path) -> Result<Self> {
        Self::of(path, Bytes::Mapped(file::map(path)?))
    }

    /// The same of bytes in memory; `path` names them in messages.
    ///
    /// # Errors
    ///
    /// As [`TensorFile::open`].
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self> {
        Self::of(path, Bytes::Owned(bytes))
    }

    fn of(path: &Path, bytes: Bytes) -> Result<Self> {
        if let Some(other) = signature::other(&bytes) {
            bail!("{} is {other}", path.display());
        }
        let (header, metadata) = SafeTensors::read_metadata(&bytes)
            .map_err(|error| anyhow!("{} is not a usable safetensors file: {}", path.display(), sentence(&error)))?;
        let mut names = BTreeMap::new();
        for name in metadata.offset_keys() {
            let short = name.strip_prefix("model.").unwrap_or(&name).to_owned();
            if let Some(other) = names.insert(short, name.clone()) {
                bail!("{} holds both {other} and {name}", path.display());
            }
        }
        Ok(Self { path: path.to_path_buf(), bytes, start: header + LENGTH, metadata, names })
    }

    /// Path of the file as it was opened, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the file.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    /// The length of the header, the header and the values, as bytes; together they are the file.
    pub fn sections(&self) -> (&[u8], &[u8], &[u8]) {
        let (head, values) = self.bytes.split_at(self.start);
        let (length, header) = head.split_at(LENGTH);
        (length, header, values)
    }

    /// Names of all tensors, without the prefix `model.`, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    /// Keys of the file's strings.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.metadata.metadata().iter().flat_map(|strings| strings.keys().map(String::as_str))
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
    pub fn json<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let parse = |text| serde_json::from_str(text);
        self.text(key)
            .map(parse)
            .transpose()
            .with_context(|| format!("the metadata `{key}` of {}", self.path.display()))
    }

    /// A metadata string as the JSON of a structure of settings, which messages call `section`: fields that are missing take
    /// their defaults, and none may be there but those of `known` ([`fields::names`]). `None` if the key is missing.
    ///
    /// # Errors
    ///
    /// A field that is not known, or whose value cannot be used; the message names file and field.
    pub fn settings<T: DeserializeOwned>(&self, key: &str, section: &str, known: &[String]) -> Result<Option<T>> {
        let Some(text) = self.text(key) else { return Ok(None) };
        let name = self.path.display();
        let value = serde_json::from_str(text).with_context(|| format!("the metadata `{key}` of {name} is no JSON"))?;
        match fields::read(&value, section, known) {
            Ok(settings) => Ok(Some(settings)),
            Err(error) if self.text(FORMAT_KEY).is_some() => bail!("{}", error.in_file(&name)),
            Err(error) => bail!("{}", error.in_foreign(&name)),
        }
    }

    /// Shape of a tensor, if there is one of this name.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.info(name).map(|info| info.shape.as_slice())
    }

    /// How the values of a tensor are stored, if there is one of this name.
    pub fn dtype(&self, name: &str) -> Option<Dtype> {
        self.info(name).map(|info| info.dtype)
    }

    /// The values of a tensor of floating-point numbers, where they lie.
    ///
    /// # Errors
    ///
    /// A missing tensor, or one of another type; the message names file and tensor.
    pub fn numbers(&self, name: &str) -> Result<Numbers<'_>> {
        let (dtype, bytes) = self.data(name)?;
        match dtype {
            Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::BF16 => Ok(Numbers { dtype, bytes }),
            other => {
                let path = self.path.display();
                bail!("tensor {name} of {path} is stored as {other:?}; F32, F16, BF16 and F64 can be read");
            }
        }
    }

    /// The values of a tensor of floating-point numbers in row-major order.
    ///
    /// # Errors
    ///
    /// As [`TensorFile::numbers`].
    pub fn values(&self, name: &str) -> Result<Vec<f64>> {
        Ok(self.numbers(name)?.iter().collect())
    }

    /// The values of a tensor of integers in row-major order.
    ///
    /// # Errors
    ///
    /// As [`TensorFile::numbers`].
    pub fn integers(&self, name: &str) -> Result<Vec<i64>> {
        let (dtype, bytes) = self.data(name)?;
        Ok(match dtype {
            Dtype::I64 => each(bytes, i64::from_le_bytes),
            Dtype::I32 => each(bytes, |b| i64::from(i32::from_le_bytes(b))),
            Dtype::U8 => bytes.iter().map(|&b| i64::from(b)).collect(),
            other => {
                bail!("tensor {name} of {} is stored as {other:?}; I64, I32 or U8 is needed", self.path.display())
            }
        })
    }

    /// The values of a tensor of words in row-major order.
    ///
    /// # Errors
    ///
    /// As [`TensorFile::numbers`].
    pub fn words(&self, name: &str) -> Result<Vec<u32>> {
        match self.data(name)? {
            (Dtype::U32, bytes) => Ok(each(bytes, u32::from_le_bytes)),
            (other, _) => bail!("tensor {name} of {} is stored as {other:?}; U32 is needed", self.path.display()),
        }
    }

    /// The bytes of a tensor of bytes.
    ///
    /// # Errors
    ///
    /// As [`TensorFile::numbers`].
    pub fn octets(&self, name: &str) -> Result<&[u8]> {
        match self.data(name)? {
            (Dtype::U8, bytes) => Ok(bytes),
            (other, _) => bail!("tensor {name} of {} is stored as {other:?}; U8 is needed", self.path.display()),
        }
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

/// The floating-point numbers of a tensor, in row-major order.
#[derive(Clone, Copy, Debug)]
pub struct Numbers<'a> {
    dtype: Dtype,
    bytes: &'a [u8],
}

impl<'a> Numbers<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.width()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes that they take.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Number `i`, which is below [`Numbers::len`]; exact.
    pub fn get(&self, i: usize) -> f64 {
        match self.dtype {
            Dtype::F64 => f64::from_le_bytes(at(self.bytes, i)),
            Dtype::F16 => f16::from_le_bytes(at(self.bytes, i)).to_f64(),
            Dtype::BF16 => bf16::from_le_bytes(at(self.bytes, i)).to_f64(),
            _ => f64::from(f32::from_le_bytes(at(self.bytes, i))),
        }
    }

    /// All of them, in order.
    pub fn iter(self) -> impl Iterator<Item = f64> + use<'a> {
        (0..self.len()).map(move |i| self.get(i))
    }

    fn width(&self) -> usize {
        self.dtype.bitsize() / 8
    }
}

/// The bytes of value `i`, of `N` bytes each.
fn at<const N: usize>(bytes: &[u8], i: usize) -> [u8; N] {
    bytes.as_chunks::<N>().0[i]
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
        SafeTensorError::InvalidOffset(name) => {
            format!("the bytes of tensor {name} overlap those of another, or leave a gap before them")
        }
        SafeTensorError::TensorInvalidInfo | SafeTensorError::ValidationOverflow => {
            "a tensor has another shape than bytes in its header".into()
        }
        other => other.to_string(),
    }
}
