//! Values by name: one list names a value on the command line, explains it in the help, and gives it.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use ebt::engine::descent::Selection;
use ebt::packed::Storage;
use ebt_core::config::UpdateRule;
use ebt_data::shard::manifest::Split;
use ebt_model::Dtype;
use ebt_tokenizer::Kind;
use ebt_train::run_config::{Log, Precision};

/// Name, explanation and value of every choice.
pub type Names<T> = &'static [(&'static str, &'static str, T)];

/// Numbers to compute with.
pub const PRECISIONS: Names<Precision> = &[
    (Precision::Auto.name(), "f32 on the processor; bf16 on a GPU that has it, else f16", Precision::Auto),
    (Precision::F32.name(), "IEEE single", Precision::F32),
    (Precision::Tf32.name(), "IEEE single, products with 10-bit mantissas; GPU only", Precision::Tf32),
    (
        Precision::Bf16.name(),
        "Brain float; on the processor in products alone, faster than f32 with AMX or AMD's AVX512-BF16",
        Precision::Bf16,
    ),
    (Precision::F16.name(), "IEEE half with dynamic loss scaling; GPU only", Precision::F16),
];

/// What records a run beside its metrics.
pub const LOGS: Names<Log> =
    &[("tensorboard", "Files of events, in the folder tensorboard of the run", Log::Tensorboard)];

/// Storage of the weights of model files.
pub const DTYPES: Names<Dtype> = &[
    ("f32", "IEEE single precision", Dtype::F32),
    ("f16", "IEEE half precision", Dtype::F16),
    ("bf16", "Brain float", Dtype::Bf16),
];

/// Storage of the matrices of packed models.
pub const STORAGES: Names<Storage> = &[
    ("f32", "IEEE single precision", Storage::F32),
    ("f16", "IEEE half precision", Storage::F16),
    ("bf16", "Brain float", Storage::Bf16),
    ("int8", "8-bit integers, one scale a row", Storage::Int8),
    ("int4", "4-bit integers, one scale for 32 values of a row", Storage::Int4),
];

/// Kernels of packed models, by the names of [`ebt::packed::Isa`].
pub const KERNELS: Names<&str> = &[
    ("auto", "The fastest of this processor", "auto"),
    ("portable", "Without special instructions", "portable"),
    ("avx2", "AVX2", "avx2"),
    ("avx512", "AVX-512 as well", "avx512"),
];

/// How a tokenizer chooses tokens.
pub const KINDS: Names<Kind> = &[
    ("turkish", "The most probable of words, roots, suffix chains and phrases", Kind::Turkish),
    ("bpe", "Byte-pair encoding", Kind::Bpe),
    ("unigram", "Unigram language model", Kind::Unigram),
];

/// Parts of prepared data.
pub const SPLITS: Names<Split> =
    &[("train", "Documents to train on", Split::Train), ("validation", "Documents to measure on", Split::Validation)];

/// Which of several starts of a joint problem is kept.
pub const CHOICES: Names<Selection> = &[
    ("energy", "least energy", Selection::Energy),
    ("free", "least free energy", Selection::Free),
    ("entropy", "least entropy", Selection::Entropy),
    ("residual", "least residual", Selection::Residual),
    ("vote", "the answer of most", Selection::Vote),
];

/// Which of several candidates of a token is kept.
pub const SELECTIONS: Names<Selection> = &[
    ("energy", "The least final energy", Selection::Energy),
    ("drop", "The largest drop from the first to the last energy", Selection::Drop),
];

/// Update rules of the descent.
pub const RULES: Names<UpdateRule> = UpdateRule::ALL;

/// A parser that takes one of `names`.
pub fn one_of<T: Clone + Send + Sync + 'static>(names: Names<T>) -> impl TypedValueParser<Value = T> {
    let values = names.iter().map(|(name, help, _)| PossibleValue::new(*name).help(*help));
    PossibleValuesParser::new(values).try_map(|given| {
        let known = names.iter().find(|(name, ..)| *name == given);
        known.map(|(.., value)| value.clone()).ok_or("no such value")
    })
}

/// The name of a value.
pub fn name_of<T: PartialEq>(names: Names<T>, value: &T) -> &'static str {
    names.iter().find(|(.., known)| known == value).map_or("unnamed", |(name, ..)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gives_its_value_and_the_value_its_name() {
        let command = clap::Command::new("test").arg(clap::Arg::new("rule").value_parser(one_of(RULES)));
        for (name, _, value) in RULES {
            let given = command.clone().try_get_matches_from(["test", name]).unwrap();
            assert_eq!(given.get_one::<UpdateRule>("rule"), Some(value));
            assert_eq!(name_of(RULES, value), *name);
            assert_eq!(serde_json::to_value(value).unwrap(), *name);
        }
        let message = command.try_get_matches_from(["test", "logits"]).unwrap_err().to_string();
        assert!(message.contains("[possible values: probability, mirror, logit]"), "{message}");
    }
}
