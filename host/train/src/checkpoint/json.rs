//! Numbers of a run in JSON, which has neither NaN nor exact numbers of 64 bits in every program that reads it.

use serde::{Deserialize, Deserializer};

/// A number; null, as which JSON holds what is no finite number, is NaN.
pub fn number<'de, D: Deserializer<'de>>(input: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(input)?.unwrap_or(f64::NAN))
}

/// A list of such numbers.
pub fn numbers<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<f64>, D::Error> {
    let list: Vec<Option<f64>> = Vec::deserialize(input)?;
    Ok(list.into_iter().map(|x| x.unwrap_or(f64::NAN)).collect())
}

/// A fingerprint as 16 hexadecimal digits.
pub mod fingerprint {
    use ebt_model::format::fingerprint_text;
    use serde::{Deserialize, Deserializer, Serializer, de};

    /// Writes it.
    pub fn serialize<S: Serializer>(fingerprint: &u64, output: S) -> Result<S::Ok, S::Error> {
        output.serialize_str(&fingerprint_text(*fingerprint))
    }

    /// Reads it.
    pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<u64, D::Error> {
        let text = String::deserialize(input)?;
        let parsed = u64::from_str_radix(&text, 16).ok().filter(|&parsed| fingerprint_text(parsed) == text);
        parsed.ok_or_else(|| de::Error::custom(format!("{text:?} is no fingerprint of 16 hexadecimal digits")))
    }
}
