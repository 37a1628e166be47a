//! Probabilities of whole paths in words of memory: doubles, because the product of many small ones is less than a single holds.

/// A double from two words.
pub(super) fn load([low, high]: [u32; 2]) -> f64 {
    f64::from_bits(u64::from(low) | u64::from(high) << 32)
}

/// A double as two words.
pub(super) fn store(mass: f64) -> [u32; 2] {
    let bits = mass.to_bits();
    [bits as u32, (bits >> 32) as u32]
}
