//! What a run is checked against when it is resumed.

/// Numbers that tell tasks apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fingerprints {
    /// That of the tokenizer; 0 without one.
    pub tokenizer: u64,
    /// That of what is trained on.
    pub train: u64,
    /// That of what is measured on.
    pub validation: u64,
}
