//! The suffixes of nouns, adjectives and numerals.

use super::slot::*;
use super::suffix::{Suffix, suffix};

/// All groups, in the order in which suffixes follow each other.
pub(super) const ALL: &[&[Suffix]] = &[DERIVATION, NUMBER, POSSESSION, CASE, PRONOMINAL_CASE, RELATIVE];

/// Nouns made from nouns.
const DERIVATION: &[Suffix] = &[
    suffix("quality, place or purpose", "lIK", NOUN | PARTICIPLE | AORIST, NOUN),
    suffix("occupation or habit", "CI", NOUN, NOUN),
    suffix("possessing", "lI", NOUN, NOUN),
    suffix("lacking", "sIz", NOUN, NOUN),
    suffix("diminutive", "CIK", NOUN, NOUN),
    suffix("pitying diminutive", "CAğIz", NOUN, NOUN),
    suffix("fellow", "Daş", NOUN, NOUN),
    suffix("relating to", "sAl", NOUN, NOUN),
    suffix("inclined to", "CIl", NOUN, NOUN),
    suffix("somewhat like", "(I)msI", NOUN, NOUN),
    suffix("tinged with", "(I)mtırak", NOUN, NOUN),
    suffix("language or manner", "CA", NOUN, NOUN),
    suffix("family of", "gil", NOUN, NOUN),
    suffix("ordinal", "(I)ncI", NOUN, NOUN),
    suffix("distributive", "(ş)Ar", NOUN, NOUN),
    suffix("time of day", "leyin", NOUN, END),
];

/// The plural -lAr, which after a possessive means somebody and those about him.
const NUMBER: &[Suffix] = &[
    suffix("plural", "lAr", NOUN | PARTICIPLE | RELATION, PLURAL),
    suffix("somebody and those about him", "lAr", POSSESSED, PLURAL),
];

/// The possessives of the six persons; those of the third put the pronominal n before a case.
const POSSESSION: &[Suffix] = &[
    suffix("my", "(I)m", POSSESSABLE, POSSESSED),
    suffix("your", "(I)n", POSSESSABLE, POSSESSED),
    suffix("his, her, its", "(s)I", POSSESSABLE, PRONOMINAL),
    suffix("our", "(I)mIz", POSSESSABLE, POSSESSED),
    suffix("your, plural", "(I)nIz", POSSESSABLE, POSSESSED),
    suffix("their", "lArI", NOUN | PARTICIPLE, PRONOMINAL),
];

/// Nouns that take the cases without the pronominal n.
const DECLINED: Slots = POSSESSABLE | POSSESSED;

/// The cases as they stand without the pronominal n; nothing may follow the accusative.
const CASE: &[Suffix] = &[
    suffix("accusative", "(y)I", DECLINED, END),
    suffix("dative", "(y)A", DECLINED, OBLIQUE),
    suffix("locative", "DA", DECLINED, LOCATIVE),
    suffix("ablative", "DAn", DECLINED, OBLIQUE),
    suffix("genitive", "(n)In", DECLINED, GENITIVE),
    suffix("instrumental", "(y)lA", DECLINED | PRONOMINAL | RELATION | GENITIVE, OBLIQUE),
    suffix("equative", "CA", DECLINED, OBLIQUE),
];

/// The cases after the possessive of the third person and after -ki.
const PRONOMINAL_CASE: &[Suffix] = &[
    suffix("accusative with pronominal n", "nI", PRONOMINAL | RELATION, END),
    suffix("dative with pronominal n", "nA", PRONOMINAL | RELATION, OBLIQUE),
    suffix("locative with pronominal n", "nDA", PRONOMINAL | RELATION, LOCATIVE),
    suffix("ablative with pronominal n", "nDAn", PRONOMINAL | RELATION, OBLIQUE),
    suffix("genitive with pronominal n", "nIn", PRONOMINAL | RELATION, GENITIVE),
    suffix("equative with pronominal n", "nCA", PRONOMINAL, OBLIQUE),
];

/// Adjectives and pronouns made from what is somewhere, somebody's or of some time.
const RELATIVE: &[Suffix] = &[
    suffix("relation", "ki", LOCATIVE | GENITIVE | NOUN, RELATION),
    suffix("relation to a time", "kÜ", NOUN, RELATION),
];
