//! The suffixes of verbs, and those that make any word a predicate.

use super::slot::*;
use super::suffix::{After, Suffix, suffix};

/// All groups, in the order in which suffixes follow each other.
pub(super) const ALL: &[&[Suffix]] = &[
    VERBS_FROM_NOUNS,
    VOICE,
    COMPOUND,
    NEGATION,
    TENSE,
    MOOD,
    NOMINAL_PERSON,
    PAST_PERSONS,
    OPTATIVE_PERSON,
    COPULAS,
    PARTICIPLES,
    GERUND,
    VERBAL_NOUN,
    NOUNS_FROM_VERBS,
];

/// Verbs made from nouns.
const VERBS_FROM_NOUNS: &[Suffix] = &[
    suffix("to do, to make", "lA", NOUN, VERB),
    suffix("to do, before -(I)yor", "l", NOUN, NARROWED).only(After::Consonant),
    suffix("to become, to do together", "lAş", NOUN, VERB),
    suffix("to regard as", "(I)msA", NOUN, VERB),
];

/// The voices: reflexive and reciprocal, then causative, then passive.
const VOICE: &[Suffix] = &[
    suffix("reflexive", "(I)n", VERB, REFLEXIVE),
    suffix("reciprocal", "(I)ş", VERB, REFLEXIVE),
    suffix("causative", "DIr", VERB | REFLEXIVE | CAUSATIVE, CAUSATIVE).only(After::Consonant),
    suffix("causative after vowel and liquid", "t", VERB | REFLEXIVE | CAUSATIVE, CAUSATIVE).only(After::VowelOrLiquid),
    suffix("causative of some verbs", "Ir", VERB, CAUSATIVE).only(After::Consonant),
    suffix("causative of few verbs", "Ar", VERB, CAUSATIVE).only(After::Consonant),
    suffix("causative of verbs in k, p, r", "It", VERB, CAUSATIVE).only(After::Consonant),
    suffix("passive", "Il", STEM, PASSIVE).only(After::NotL),
    suffix("passive after vowel and l", "(I)n", VERB | REFLEXIVE | CAUSATIVE, PASSIVE),
];

/// Ability and the other compounds with a verb; that verb keeps its vowels.
const COMPOUND: &[Suffix] = &[
    suffix("swiftness", "(y)Iver", STEM | NEGATIVE, PASSIVE),
    suffix("going on", "(y)Adur", STEM, PASSIVE),
    suffix("having always done", "(y)Agel", STEM, PASSIVE),
    suffix("staying so", "(y)Akal", STEM, PASSIVE),
    suffix("nearly", "(y)Ayaz", STEM, PASSIVE),
    suffix("ability", "(y)Abil", STEM | NEGATIVE, ABLE),
];

/// Negation and inability, each with a form that has lost its vowel before -(I)yor.
const NEGATION: &[Suffix] = &[
    suffix("negation", "mA", STEM | ABLE, NEGATIVE),
    suffix("negation before -(I)yor", "m", STEM | ABLE, NARROWED),
    suffix("inability", "(y)AmA", STEM, NEGATIVE),
    suffix("inability before -(I)yor", "(y)Am", STEM, NARROWED),
];

/// The tenses; the slot that each leads to decides which persons may follow.
const TENSE: &[Suffix] = &[
    suffix("past", "DI", FINITE, PAST),
    suffix("evidential past", "mIş", FINITE, PREDICATE | PARTICIPLE),
    suffix("progressive", "Iyor", STEM | ABLE | NARROWED, PREDICATE).only(After::Consonant),
    suffix("progressive after vowel", "yor", STEM, PREDICATE).only(After::HighVowel),
    suffix("formal progressive", "mAktA", FINITE, PREDICATE),
    suffix("future", "(y)AcAK", FINITE, PREDICATE | PARTICIPLE),
    suffix("aorist", "(I)r", STEM | ABLE, PREDICATE | AORIST),
    suffix("aorist of short verbs", "(A)r", STEM, PREDICATE | AORIST),
    suffix("negative aorist", "z", NEGATIVE, PREDICATE | NOUN),
    suffix("negative aorist, I", "m", NEGATIVE, END),
    suffix("negative aorist, we", "yIz", NEGATIVE, END),
];

/// The moods; nothing may follow an imperative, which has its person in itself.
const MOOD: &[Suffix] = &[
    suffix("necessity", "mAlI", FINITE, PREDICATE),
    suffix("conditional", "sA", FINITE, CONDITIONAL),
    suffix("optative", "(y)A", FINITE, OPTATIVE),
    suffix("imperative, let him", "sIn", FINITE, END),
    suffix("imperative, let them", "sInlAr", FINITE, END),
    suffix("imperative, you", "(y)In", FINITE, END),
    suffix("imperative, you, polite", "(y)InIz", FINITE, END),
    suffix("pressing imperative", "sAnA", FINITE, END),
    suffix("pressing imperative, polite", "sAnIzA", FINITE, END),
];

/// The persons of nouns and of the tenses declined like nouns.
const NOMINAL_PERSON: &[Suffix] = &[
    suffix("I am", "(y)Im", NOMINAL | PREDICATE, PERSON),
    suffix("you are", "sIn", NOMINAL | PREDICATE, PERSON),
    suffix("we are", "(y)Iz", NOMINAL | PREDICATE, PERSON),
    suffix("you are, plural", "sInIz", NOMINAL | PREDICATE, PERSON),
    suffix("they are", "lAr", NOMINAL | PREDICATE, THEY),
    suffix("they surely are", "lAr", ASSERTED, END),
];

/// The persons of the past and the conditional.
const PAST_PERSONS: &[Suffix] = &[
    suffix("I did", "m", PAST | CONDITIONAL | COPULA, PAST_PERSON),
    suffix("you did", "n", PAST | CONDITIONAL | COPULA, PAST_PERSON),
    suffix("we did", "k", PAST | CONDITIONAL | COPULA, PAST_PERSON),
    suffix("you did, plural", "nIz", PAST | CONDITIONAL | COPULA, PAST_PERSON),
    suffix("they did", "lAr", PAST | CONDITIONAL | COPULA, THEY),
];

/// The persons of the optative.
const OPTATIVE_PERSON: &[Suffix] = &[
    suffix("let me", "yIm", OPTATIVE, END),
    suffix("may you", "sIn", OPTATIVE, END),
    suffix("let us", "lIm", OPTATIVE, END),
    suffix("may you, plural", "sInIz", OPTATIVE, END),
    suffix("may they", "lAr", OPTATIVE, THEY),
];

/// Tenses that the copula makes compound.
const COMPOUNDED: Slots = NOMINAL | PREDICATE;

/// The copula written as a suffix.
const COPULAS: &[Suffix] = &[
    suffix("past copula", "(y)DI", COMPOUNDED | PAST | CONDITIONAL | OPTATIVE, COPULA),
    suffix("past copula, they", "DI", THEY, END),
    suffix("evidential copula", "(y)mIş", COMPOUNDED | CONDITIONAL | OPTATIVE, PREDICATE),
    suffix("evidential copula, they", "mIş", THEY, END),
    suffix("conditional copula", "(y)sA", COMPOUNDED | PAST | COPULA, COPULA),
    suffix("conditional copula, they", "sA", THEY, END),
    suffix("conditional copula, person before", "sA", PAST_PERSON, END),
    suffix("while", "(y)ken", COMPOUNDED, END),
    suffix("while, they", "ken", THEY, END),
    suffix("assertion", "DIr", COMPOUNDED | PERSON | THEY, ASSERTED),
    suffix("as if", "CAsInA", PREDICATE | PERSON, END),
];

/// The participles besides those of -mIş and -(y)AcAK.
const PARTICIPLES: &[Suffix] = &[
    suffix("subject participle", "(y)An", FINITE, PARTICIPLE),
    suffix("object participle", "DIK", FINITE, PARTICIPLE),
    suffix("participle of what is to be", "(y)AsI", FINITE, PARTICIPLE | PRONOMINAL),
];

/// The gerunds; nothing may follow any but -(y)IncA, which takes -yA.
const GERUND: &[Suffix] = &[
    suffix("and then", "(y)Ip", FINITE, END),
    suffix("by doing", "(y)ArAk", FINITE, END),
    suffix("on doing", "(y)IncA", FINITE, UNTIL),
    suffix("until doing", "yA", UNTIL, END),
    suffix("as long as", "DIkçA", FINITE, END),
    suffix("without doing", "mAdAn", STEM | ABLE, END),
    suffix("without ever doing", "mAksIzIn", FINITE, END),
    suffix("since doing", "(y)AlI", FINITE, END),
];

/// The verbal nouns.
const VERBAL_NOUN: &[Suffix] = &[
    suffix("infinitive", "mAK", FINITE, PARTICIPLE),
    suffix("action", "mA", FINITE, NOUN),
    suffix("manner", "(y)Iş", FINITE, NOUN),
];

/// Nouns made from verbs.
const NOUNS_FROM_VERBS: &[Suffix] = &[
    suffix("doer", "(y)IcI", FINITE, NOUN),
    suffix("given to doing", "GAn", STEM, NOUN).only(After::Consonant),
    suffix("instrument or result", "GI", STEM, NOUN).only(After::Consonant),
    suffix("single act or result", "(I)m", STEM, NOUN),
    suffix("remains or effect", "(I)ntI", STEM, NOUN),
];
