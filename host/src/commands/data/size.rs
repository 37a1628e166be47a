//! Numbers with a unit, as in `64Mi` or `1.5k`.

use anyhow::{Result, bail};

/// Reads a whole number, with one of the factors k, M, G (powers of 1000) and Ki, Mi, Gi (powers of 1024) and then, if at
/// all, a B.
///
/// # Errors
///
/// Anything else.
pub fn parse(text: &str) -> Result<u64> {
    let wrong = || String::from("must be a whole number from 0 on, like 4096, 64Mi or 2G");
    let number = text.strip_suffix('B').unwrap_or(text);
    let digits = number.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor: u64 = match &number[digits.len()..] {
        "" => 1,
        "k" | "K" => 1000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => bail!(wrong()),
    };
    let Ok(value) = digits.replace('_', "").parse::<u64>() else { bail!(wrong()) };
    value.checked_mul(factor).ok_or_else(|| anyhow::anyhow!("{text:?} is too large a number"))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn factors_multiply() {
        let good =
            [("0", 0), ("65_536", 65_536), ("64Mi", 64 << 20), ("2k", 2000), ("3GiB", 3 << 30), ("1MB", 1_000_000)];
        for (text, value) in good {
            assert_eq!(parse(text).unwrap(), value);
        }
        for text in ["", "Mi", "-1", "1.5M", "1 M", "1mi", "1BB", "99999999999Gi", "1e6"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
