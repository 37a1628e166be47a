//! How the weights of a written file are stored.

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
