//! What is wrong with a configuration, said without memory of its own: the checks run in any program, also without heap.

use core::fmt;

/// A field that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault {
    /// The field, dotted (`moe.top_k`).
    pub field: &'static str,
    /// What is wrong and what would be right.
    pub problem: Problem,
}

/// What is wrong with a field. [`fmt::Display`] makes a sentence of it; [`Problem::rule`] is the fixed part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Problem {
    /// The rule says all.
    Rule(&'static str),
    /// A size outside `1 ..= most`.
    Range {
        /// Largest size.
        most: usize,
        /// Size found.
        found: usize,
    },
    /// A count that breaks the rule.
    Count {
        /// The rule.
        rule: &'static str,
        /// Count found.
        found: usize,
    },
    /// Two counts that break the rule.
    Counts {
        /// The rule.
        rule: &'static str,
        /// First count.
        first: usize,
        /// Second count.
        second: usize,
    },
    /// Two counts that do not go together: `{first} {between} {second} {after}`.
    Pair {
        /// First count.
        first: usize,
        /// What stands between them.
        between: &'static str,
        /// Second count.
        second: usize,
        /// What follows.
        after: &'static str,
    },
    /// A number that breaks the rule.
    Number {
        /// The rule.
        rule: &'static str,
        /// Number found.
        found: f64,
    },
}

impl Problem {
    /// The part of the sentence that does not depend on values.
    pub fn rule(&self) -> &'static str {
        match *self {
            Problem::Rule(rule)
            | Problem::Count { rule, .. }
            | Problem::Counts { rule, .. }
            | Problem::Number { rule, .. } => rule,
            Problem::Range { .. } => "the size is 0 or too large",
            Problem::Pair { after, .. } => after,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Problem::Rule(rule) => f.write_str(rule),
            Problem::Range { most, found } => write!(f, "must be between 1 and {most}, got {found}"),
            Problem::Count { rule, found } => write!(f, "{rule}, got {found}"),
            Problem::Counts { rule, first, second } => write!(f, "{rule}, got {first} and {second}"),
            Problem::Pair { first, between, second, after } => write!(f, "{first} {between} {second} {after}"),
            Problem::Number { rule, found } => write!(f, "{rule}, got {found}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "configuration field `{}`: {}", self.field, self.problem)
    }
}

impl core::error::Error for Fault {}

/// Refuses a field.
pub fn refuse<T>(field: &'static str, problem: Problem) -> Result<T, Fault> {
    Err(Fault { field, problem })
}

/// Refuses a size outside `1 ..= most`.
pub fn size(field: &'static str, found: usize, most: usize) -> Result<(), Fault> {
    if found == 0 || found > most { refuse(field, Problem::Range { most, found }) } else { Ok(()) }
}

/// Refuses a number that is not finite or not above 0.
pub fn positive(field: &'static str, found: f64) -> Result<(), Fault> {
    let rule = "must be positive";
    if found.is_finite() && found > 0.0 { Ok(()) } else { refuse(field, Problem::Number { rule, found }) }
}

/// Refuses a number that is not finite or below 0.
pub fn not_negative(field: &'static str, found: f64) -> Result<(), Fault> {
    let rule = "must be finite and not negative";
    if found.is_finite() && found >= 0.0 { Ok(()) } else { refuse(field, Problem::Number { rule, found }) }
}

#[cfg(feature = "alloc")]
impl From<Fault> for crate::error::Error {
    fn from(fault: Fault) -> Self {
        let message = alloc::string::ToString::to_string(&fault.problem);
        crate::error::Error::Config { field: fault.field, message }
    }
}
