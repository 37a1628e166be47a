//! A shuffled order that needs no memory: a keyed permutation (a four-round Feistel network with cycle walking).

use ebt_core::random::{Purpose, Stream};

/// Place of `index` in permutation number `epoch` of `0..len`, for `index < len`.
pub fn permuted(seed: u64, epoch: u32, index: u64, len: u64) -> u64 {
    let half = (64 - (len - 1).leading_zeros()).div_ceil(2).max(1);
    let mask = (1u64 << half) - 1;
    let stream = Stream::new(seed, epoch, Purpose::Data);
    let mut x = index;
    loop {
        let (mut left, mut right) = (x >> half, x & mask);
        for round in 0..4 {
            let mixed = u64::from(stream.detail(round).word(right)) & mask;
            (left, right) = (right, left ^ mixed);
        }
        x = left << half | right;
        if x < len {
            return x;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]
        #[test]
        fn every_place_is_taken_once(seed: u64, epoch in 0u32..9, len in 1u64..3000) {
            let mut order: Vec<u64> = (0..len).map(|i| permuted(seed, epoch, i, len)).collect();
            prop_assert!(len < 16 || order != (0..len).map(|i| permuted(seed, epoch + 1, i, len)).collect::<Vec<_>>());
            order.sort_unstable();
            prop_assert_eq!(order, (0..len).collect::<Vec<_>>());
        }

        #[test]
        fn huge_streams_have_an_order_too(seed: u64, len in 1u64 << 40..u64::MAX, part in 0.0f64..1.0) {
            let index = (len as f64 * part) as u64;
            prop_assert!(permuted(seed, 0, index.min(len - 1), len) < len);
        }
    }
}
