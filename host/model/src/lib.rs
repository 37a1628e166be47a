//! Energy-based transformers in files.
//!
//! A file is safetensors: weights under the names of the published EBT code ([`weights`]), strings that say what they mean
//! ([`format`](mod@format)), and a digest of all of it ([`digest`]). [`TensorFile`] reads and [`write`](write::write) writes any such
//! file; [`model`] is the model file, [`import`] takes in files of other programs, with [`infer`] where these do not say what
//! they are. The training state, a file of the same kind, is described where it is used: in `ebt-train`.
//!
//! Nothing in a file is trusted: every size is held against the file's length before it is believed, and a refusal is a
//! sentence that names file and tensor or field.

pub mod digest;
pub mod dtype;
pub mod fields;
pub mod format;
pub mod import;
pub mod infer;
pub mod model;
pub mod signature;
mod tensor_file;
pub mod weights;
pub mod write;

pub use dtype::Dtype;
pub use format::Format;
pub use model::{LoadedModel, ModelFile, check_vocabulary, load, locate};
pub use tensor_file::{FORMAT_KEY, Numbers, TensorFile};
