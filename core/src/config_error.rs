//! What is wrong with a configuration, said without memory of its own: the checks run in any program, also without heap.

use core::fmt;

/// A field of a configuration that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConfigError {
    /// The field, dotted (`moe.top_k`).
    pub field: &'static str,
    /// What would be right, to be read after the field.
    pub rule: &'static str,
    /// The value found, where it is a number.
    pub found: Option<f64>,
}

impl ConfigError {
    /// What is wrong with the field. A program that must not print floating-point numbers has [`ConfigError::rule`].
    pub fn reason(&self) -> impl fmt::Display {
        let Self { rule, found, .. } = *self;
        fmt::from_fn(move |f| match found {
            Some(found) => write!(f, "{rule}, got {found}"),
            None => f.write_str(rule),
        })
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "configuration field `{}`: {}", self.field, self.reason())
    }
}

impl core::error::Error for ConfigError {}

/// Refuses `field`, in which `found` stands, unless it `fits` the `rule`.
///
/// # Errors
///
/// The field does not fit its rule.
pub fn require(field: &'static str, found: f64, fits: bool, rule: &'static str) -> Result<(), ConfigError> {
    if fits { Ok(()) } else { Err(ConfigError { field, rule, found: Some(found) }) }
}

/// Refuses `field`, in which no number stands, unless it `fits` the `rule`.
///
/// # Errors
///
/// The field does not fit its rule.
pub fn require_choice(field: &'static str, fits: bool, rule: &'static str) -> Result<(), ConfigError> {
    if fits { Ok(()) } else { Err(ConfigError { field, rule, found: None }) }
}

/// Refuses a number that is not finite or not above 0.
///
/// # Errors
///
/// The field does not fit its rule.
pub fn positive(field: &'static str, found: f64) -> Result<(), ConfigError> {
    require(field, found, found.is_finite() && found > 0.0, "must be positive")
}

/// Refuses a number that is not finite or below 0.
///
/// # Errors
///
/// The field does not fit its rule.
pub fn not_negative(field: &'static str, found: f64) -> Result<(), ConfigError> {
    require(field, found, found.is_finite() && found >= 0.0, "must be finite and not negative")
}
