//! Architectures that code is made for.

use std::fmt;
use std::str::FromStr;

use crate::kind::Kind;

/// What is compiled for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arch {
    /// `10 major + minor`.
    number: u32,
    /// Features of this very architecture (`a`, `f`), or nothing.
    suffix: String,
    /// Machine code rather than an intermediate form that the driver translates.
    real: bool,
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}{}", if self.real { "sm" } else { "compute" }, self.number, self.suffix)
    }
}

impl FromStr for Arch {
    type Err = String;

    /// `sm_90`, `sm_90a`, `compute_90`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no architecture; they are written as sm_80 or sm_90a");
        let (real, rest) = match text.split_once('_') {
            Some(("sm", rest)) => (true, rest),
            Some(("compute", rest)) => (false, rest),
            _ => return Err(wrong()),
        };
        let digits = rest.trim_end_matches(['a', 'f']);
        let suffix = rest[digits.len()..].to_owned();
        let is_number = digits.bytes().all(|b| b.is_ascii_digit()) && (2..=3).contains(&digits.len());
        if !is_number || suffix.len() > 1 {
            return Err(wrong());
        }
        Ok(Self { number: digits.parse().map_err(|_| wrong())?, suffix, real })
    }
}

impl Arch {
    /// `10 major + minor`.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Whether it is machine code.
    pub(crate) fn is_real(&self) -> bool {
        self.real
    }

    /// Whether kernels exist for a storage type: products of bf16 need compute capability 8.0.
    pub(crate) fn has(&self, kind: Kind) -> bool {
        kind != Kind::Bf16 || self.number >= 80
    }

    /// The best of what the compiler supports for a device: its own machine code, that of an older device of its
    /// generation, else an intermediate form.
    pub(crate) fn for_device((major, minor): (u32, u32), supported: &[u32]) -> Result<Self, String> {
        let own = 10 * major + minor;
        let best = |wanted: &dyn Fn(u32) -> bool| supported.iter().copied().filter(|n| wanted(*n)).max();
        if supported.contains(&own) {
            let suffix = if matches!(own, 90 | 100) { "a" } else { "" };
            return Ok(Self { number: own, suffix: suffix.to_owned(), real: true });
        }
        if let Some(number) = best(&|n| n < own && n / 10 == major) {
            return Ok(Self { number, suffix: String::new(), real: true });
        }
        match best(&|n| n < own) {
            Some(number) => Ok(Self { number, suffix: String::new(), real: false }),
            None => Err(format!(
                "this libnvrtc makes no code for compute capability {major}.{minor}; an older CUDA toolkit does"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn architectures_are_read_and_written() {
        for text in ["sm_75", "sm_90a", "sm_100f", "compute_80"] {
            assert_eq!(text.parse::<Arch>().unwrap().to_string(), text);
        }
        for wrong in ["", "sm", "90", "sm_", "sm_9", "sm_90b", "sm_90aa", "sm_-9", "SM_90", "sm_9000"] {
            assert!(wrong.parse::<Arch>().unwrap_err().contains("sm_80"), "{wrong}");
        }
    }

    #[test]
    fn a_device_gets_its_own_code_or_the_nearest() {
        let supported = [75, 80, 86, 90, 100];
        let arch = |device| Arch::for_device(device, &supported).map(|arch| arch.to_string());
        assert_eq!(arch((9, 0)), Ok(String::from("sm_90a")));
        assert_eq!(arch((10, 0)), Ok(String::from("sm_100a")));
        assert_eq!(arch((8, 0)), Ok(String::from("sm_80")));
        assert_eq!(arch((8, 9)), Ok(String::from("sm_86")));
        assert_eq!(arch((12, 0)), Ok(String::from("compute_100")));
        assert!(arch((7, 0)).unwrap_err().contains("7.0"));
    }
}
