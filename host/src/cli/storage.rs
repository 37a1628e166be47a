//! How the weights of a written file are stored.

use ebt::packed;
use ebt_core::model_file::Dtype;

/// Storage of weights by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Storage {
    /// IEEE single precision
    #[default]
    F32,
    /// IEEE half precision
    F16,
    /// Brain float
    Bf16,
}

impl Storage {
    /// The same in a model file.
    pub fn dtype(self) -> Dtype {
        match self {
            Storage::F32 => Dtype::F32,
            Storage::F16 => Dtype::F16,
            Storage::Bf16 => Dtype::Bf16,
        }
    }
}

/// Storage of the matrices of a packed model by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum PackedStorage {
    /// IEEE single precision
    F32,
    /// IEEE half precision
    F16,
    /// Brain float
    Bf16,
    /// 8-bit integers, one scale a row
    Int8,
    /// 4-bit integers, one scale for 32 values of a row
    Int4,
}

impl PackedStorage {
    /// The same in a packed model.
    pub fn storage(self) -> packed::Storage {
        match self {
            PackedStorage::F32 => packed::Storage::F32,
            PackedStorage::F16 => packed::Storage::F16,
            PackedStorage::Bf16 => packed::Storage::Bf16,
            PackedStorage::Int8 => packed::Storage::Int8,
            PackedStorage::Int4 => packed::Storage::Int4,
        }
    }
}
