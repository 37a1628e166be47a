//! The elementary functions of inference against the platform's in f64.

use ebt::engine::math;
use ebt_core::random::{Purpose, Stream};
use proptest::prelude::*;

/// Distance in units of the last place of the exact value (of the smallest normal number below it).
fn ulps(found: f32, exact: f64) -> f64 {
    let place = (exact.abs() as f32).max(f32::MIN_POSITIVE);
    let ulp = f64::from(f32::from_bits(place.to_bits() + 1)) - f64::from(place);
    (f64::from(found) - exact).abs() / ulp
}

#[test]
fn exp_is_within_two_ulp_over_its_whole_range() {
    let mut worst = 0.0f64;
    for k in 0..2_000_000 {
        let x = -87.3f32 + k as f32 * (176.0 / 2_000_000.0);
        worst = worst.max(ulps(math::exp(x), f64::from(x).exp()));
    }
    assert!(worst <= 2.0, "{worst}");
    for x in [-88.0f32, -95.0, -100.0, -103.0] {
        assert!((f64::from(math::exp(x)) - f64::from(x).exp()).abs() <= 1.5e-45, "{x}");
    }
    assert_eq!((math::exp(0.0), math::exp(-200.0), math::exp(f32::NEG_INFINITY)), (1.0, 0.0, 0.0));
    assert_eq!((math::exp(89.0), math::exp(f32::INFINITY)), (f32::INFINITY, f32::INFINITY));
    assert!(math::exp(f32::NAN).is_nan());
}

#[test]
fn ln_is_within_two_ulp_at_every_exponent() {
    let mut worst = 0.0f64;
    for bits in (1..0x7f80_0000u32).step_by(1009) {
        let x = f32::from_bits(bits);
        worst = worst.max(ulps(math::ln(x), f64::from(x).ln()));
    }
    for k in 0..200_000 {
        let x = 0.9f32 + k as f32 * 1e-6;
        worst = worst.max(ulps(math::ln(x), f64::from(x).ln()));
    }
    assert!(worst <= 2.0, "{worst}");
    assert_eq!((math::ln(1.0), math::ln(0.0), math::ln(f32::INFINITY)), (0.0, f32::NEG_INFINITY, f32::INFINITY));
    assert!(math::ln(-1.0).is_nan() && math::ln(f32::NAN).is_nan());
}

#[test]
fn rotary_angles_are_right_to_ten_million() {
    let mut worst = 0.0f64;
    for k in 0..1_000_000u32 {
        let angle = f64::from(k) * 9.999_987_6 - 3.0;
        let (s, c) = math::sin_cos(angle);
        worst = worst.max((f64::from(s) - angle.sin()).abs()).max((f64::from(c) - angle.cos()).abs());
    }
    assert!(worst <= 1e-7, "{worst}");
}

proptest! {
    #[test]
    fn fractions_of_a_turn_are_right_in_every_quadrant(turns: u32) {
        let angle = f64::from(turns) * (2.0 * std::f64::consts::PI / 4_294_967_296.0);
        let (s, c) = math::sin_cos_turns(turns);
        prop_assert!((f64::from(s) - angle.sin()).abs() <= 1e-7, "{} {}", s, angle.sin());
        prop_assert!((f64::from(c) - angle.cos()).abs() <= 1e-7, "{} {}", c, angle.cos());
    }

    #[test]
    fn the_logarithm_of_a_word_is_right_near_one_too(word: u32, shift in 0u32..32) {
        for word in [word, word >> shift, u32::MAX - (word >> shift)] {
            let exact = ((f64::from(word) + 1.0) / 4_294_967_296.0).ln();
            prop_assert!(exact == 0.0 || ulps(math::ln_unit(word), exact) <= 3.0, "{}", word);
        }
        prop_assert_eq!(math::ln_unit(u32::MAX), 0.0);
    }

    #[test]
    fn normal_numbers_are_those_of_training_up_to_rounding(seed: u64, first in 0u64..1000, len in 0usize..70) {
        let stream = Stream::new(seed, 0, Purpose::InitialState).detail(3);
        let mut filled = vec![0.0; len];
        math::fill_normal(&stream, first, 2.0, &mut filled);
        let mut added = vec![1.0; len];
        math::add_normal(&stream, first, 2.0, &mut added);
        for (k, x) in (first..).zip(&filled) {
            let exact = 2.0 * stream.normal(k);
            prop_assert!((f64::from(*x) - exact).abs() <= 2e-6, "{} {}", x, exact);
            prop_assert_eq!(*x, 2.0 * math::normal(&stream, k));
            prop_assert_eq!(added[(k - first) as usize], 1.0 + *x);
        }
    }

    #[test]
    fn softmax_is_right_and_its_sums_have_the_stated_order(y in prop::collection::vec(-30f32..30.0, 1..70)) {
        let mut p = vec![0.0; y.len()];
        let lse = math::softmax(&y, &mut p);
        let top = y.iter().copied().fold(f32::MIN, f32::max);
        let total: f64 = y.iter().map(|y| f64::from(y - top).exp()).sum();
        prop_assert!((f64::from(lse) - (f64::from(top) + total.ln())).abs() <= 1e-5);
        prop_assert_eq!(math::log_sum_exp(&y), lse);
        for (p, y) in p.iter().zip(&y) {
            prop_assert!(ulps(*p, f64::from(y - top).exp() / total) <= 40.0);
        }
        let mut lanes = [0.0f32; 8];
        y.iter().zip(&p).enumerate().for_each(|(k, (y, p))| lanes[k % 8] += y * p);
        let [a, b, c, d, e, f, g, h] = lanes;
        let sum = ((a + e) + (c + g)) + ((b + f) + (d + h));
        prop_assert_eq!(math::dot(&y, &p), sum);
        prop_assert_eq!(math::sum_of(y.iter().zip(&p).map(|(y, p)| y * p)), sum);
    }
}

#[test]
fn impossible_logits_make_nan_and_impossible_tokens_zero() {
    let mut p = [0.0; 3];
    math::softmax(&[0.0, f32::NEG_INFINITY, 0.0], &mut p);
    assert_eq!(p, [0.5, 0.0, 0.5]);
    for bad in [[0.0, f32::NAN, 0.0], [f32::INFINITY, 0.0, 0.0], [f32::NEG_INFINITY; 3]] {
        math::softmax(&bad, &mut p);
        assert!(p.iter().all(|p| p.is_nan()), "{bad:?} {p:?}");
    }
}
