//! The special tokens.

use core::fmt;

/// A token with a function of its own rather than text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Special {
    /// `<s>`: a document begins.
    Begin,
    /// `</s>`: a document ends.
    End,
    /// `<pad>`: filler that no loss counts.
    Pad,
    /// `<unk>`: unknown; never produced by encoding, kept for models that expect it.
    Unknown,
    /// `<sep>`: separates two parts of one input.
    Separator,
    /// `<cls>`: carries a classification of the whole input.
    Class,
    /// `<mask>`: stands for a hidden token.
    Mask,
}

impl Special {
    /// All special tokens, in the order of the ids that training gives them (0, 1, 2, …).
    pub const ALL: [Self; 7] =
        [Self::Begin, Self::End, Self::Pad, Self::Unknown, Self::Separator, Self::Class, Self::Mask];

    /// Its place in [`Special::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// How the token is written in a tokenizer file.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Begin => "<s>",
            Self::End => "</s>",
            Self::Pad => "<pad>",
            Self::Unknown => "<unk>",
            Self::Separator => "<sep>",
            Self::Class => "<cls>",
            Self::Mask => "<mask>",
        }
    }
}

impl fmt::Display for Special {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.text())
    }
}
