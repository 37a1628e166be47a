//! The places between suffixes.
//!
//! A slot says what has been built so far; a suffix leads from the slots it may follow to those it leaves. A set of
//! slots is the sum of their bits.

/// A set of slots.
pub(super) type Slots = u64;

/// A noun, adjective or numeral, bare or derived.
pub(super) const NOUN: Slots = 1;
/// A noun in the plural.
pub(super) const PLURAL: Slots = 1 << 1;
/// A noun with the possessive of the first or second person.
pub(super) const POSSESSED: Slots = 1 << 2;
/// A noun with the possessive of the third person, whose cases begin with the pronominal n.
pub(super) const PRONOMINAL: Slots = 1 << 3;
/// A participle or infinitive: declined as a noun, of the derivations it takes -lIK alone.
pub(super) const PARTICIPLE: Slots = 1 << 4;
/// A noun in the locative.
pub(super) const LOCATIVE: Slots = 1 << 5;
/// A noun in the genitive.
pub(super) const GENITIVE: Slots = 1 << 6;
/// A noun in the dative, ablative, instrumental or equative.
pub(super) const OBLIQUE: Slots = 1 << 7;
/// A word with the -ki of relation.
pub(super) const RELATION: Slots = 1 << 8;

/// A verb, bare or made from a noun.
pub(super) const VERB: Slots = 1 << 9;
/// A reflexive or reciprocal verb.
pub(super) const REFLEXIVE: Slots = 1 << 10;
/// A causative verb.
pub(super) const CAUSATIVE: Slots = 1 << 11;
/// A passive or compound verb: no further voice.
pub(super) const PASSIVE: Slots = 1 << 12;
/// A verb of ability.
pub(super) const ABLE: Slots = 1 << 13;
/// A negated verb.
pub(super) const NEGATIVE: Slots = 1 << 14;
/// A verb whose last vowel has given way to the -(I)yor that must follow.
pub(super) const NARROWED: Slots = 1 << 15;

/// A tense that takes the persons of a noun: -(y)Im, -sIn.
pub(super) const PREDICATE: Slots = 1 << 16;
/// The aorist, which -lIK makes a noun of: sürdürülebilirlik.
pub(super) const AORIST: Slots = 1 << 17;
/// The past, which takes the persons -m, -n, -k.
pub(super) const PAST: Slots = 1 << 18;
/// The conditional of a verb, with the same persons.
pub(super) const CONDITIONAL: Slots = 1 << 19;
/// The optative, which takes the persons -yIm, -sIn, -lIm, -sInIz, -lAr.
pub(super) const OPTATIVE: Slots = 1 << 20;
/// The past or conditional of the copula.
pub(super) const COPULA: Slots = 1 << 21;
/// A predicate with a person of the noun's kind.
pub(super) const PERSON: Slots = 1 << 22;
/// A predicate with a person of the past's kind.
pub(super) const PAST_PERSON: Slots = 1 << 23;
/// A predicate with the -lAr of the third person plural.
pub(super) const THEY: Slots = 1 << 24;
/// A predicate with -DIr.
pub(super) const ASSERTED: Slots = 1 << 25;
/// The gerund -(y)IncA.
pub(super) const UNTIL: Slots = 1 << 26;
/// Nothing may follow.
pub(super) const END: Slots = 1 << 27;

/// The set of all 28 slots.
pub(super) const ANY: Slots = (1 << 28) - 1;
/// The slots in which a word may end.
pub(super) const FINAL: Slots = ANY & !NARROWED;
/// What a bare root may be.
pub(super) const ROOT: Slots = NOUN | VERB;

/// Verbs that may still be negated.
pub(super) const STEM: Slots = VERB | REFLEXIVE | CAUSATIVE | PASSIVE;
/// Verbs that may take a tense.
pub(super) const FINITE: Slots = STEM | ABLE | NEGATIVE;
/// Nouns that may take a possessive.
pub(super) const POSSESSABLE: Slots = NOUN | PLURAL | PARTICIPLE;
/// Nouns that may be predicates.
pub(super) const NOMINAL: Slots = POSSESSABLE | POSSESSED | PRONOMINAL | LOCATIVE | GENITIVE | OBLIQUE | RELATION;
