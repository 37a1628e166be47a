//! Properties of the sampling filters.
#![allow(clippy::unwrap_used)]

use ebt_host::sampling::{Sampling, draw};
use proptest::prelude::*;

fn settings() -> impl Strategy<Value = Sampling> {
    (0.0..4.0f64, 0usize..12, 0.01..=1.0f64, 0.0..=1.0f64).prop_map(|(temperature, top_k, top_p, min_p)| Sampling {
        temperature,
        top_k,
        top_p,
        min_p,
    })
}

proptest! {
    #[test]
    fn candidates_are_a_sorted_distribution_within_the_filters(
        logits in prop::collection::vec(-500.0f32..500.0, 1..40),
        s in settings(),
        uniform in 0.0..1.0f64,
    ) {
        s.validate().unwrap();
        let list = s.candidates(&logits, |_| true).unwrap();
        prop_assert!(!list.is_empty());
        prop_assert!((list.iter().map(|(_, p)| p).sum::<f64>() - 1.0).abs() < 1e-9);
        prop_assert!(list.windows(2).all(|w| w[0].1 >= w[1].1));
        prop_assert!(s.top_k == 0 || list.len() <= s.top_k);
        prop_assert!(list.iter().all(|(_, p)| *p >= s.min_p * list[0].1 - 1e-12));
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        prop_assert_eq!(logits[list[0].0 as usize], largest, "the most probable token always stays");
        prop_assert!(list.contains(&draw(&list, uniform).unwrap()));
    }

    #[test]
    fn top_p_keeps_the_smallest_set_that_reaches_p(logits in prop::collection::vec(-5.0f32..5.0, 1..40), top_p in 0.01..1.0f64) {
        let all = Sampling::default().candidates(&logits, |_| true).unwrap();
        let kept = Sampling { top_p, ..Sampling::default() }.candidates(&logits, |_| true).unwrap();
        let sum = |n: usize| all[..n].iter().map(|(_, p)| p).sum::<f64>();
        prop_assert!(sum(kept.len()) >= top_p - 1e-9);
        prop_assert!(sum(kept.len() - 1) < top_p + 1e-9);
    }

    #[test]
    fn only_allowed_tokens_come_out(logits in prop::collection::vec(-5.0f32..5.0, 2..40), s in settings()) {
        let list = s.candidates(&logits, |id| id % 2 == 1).unwrap();
        prop_assert!(list.iter().all(|(id, _)| id % 2 == 1));
    }

    #[test]
    fn temperature_zero_is_the_maximum_and_ties_go_to_the_lower_id(mut logits in prop::collection::vec(-5.0f32..5.0, 3..40)) {
        let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        logits[1] = top;
        let first = logits.iter().position(|&x| x == top).unwrap() as u32;
        let list = Sampling { temperature: 0.0, ..Sampling::default() }.candidates(&logits, |_| true).unwrap();
        prop_assert_eq!(list, vec![(first, 1.0)]);
    }
}

#[test]
fn draws_follow_the_distribution() {
    let logits = [0.0f32, (2.0f32).ln(), (5.0f32).ln()];
    let list = Sampling::default().candidates(&logits, |_| true).unwrap();
    let n = 8000;
    let count = |id: u32| (0..n).filter(|&i| draw(&list, (f64::from(i) + 0.5) / f64::from(n)).unwrap().0 == id).count();
    assert_eq!([count(0), count(1), count(2)], [1000, 2000, 5000]);
}

#[test]
fn nonsense_is_refused() {
    let sane = Sampling::default();
    assert!(sane.candidates(&[1.0, f32::NAN], |_| true).unwrap_err().to_string().contains("token 1"));
    assert!(sane.candidates(&[f32::INFINITY], |_| true).is_err());
    assert!(sane.candidates(&[f32::NEG_INFINITY; 2], |_| true).is_err());
    assert!(sane.candidates(&[1.0], |_| false).is_err());
    assert!(sane.candidates(&[], |_| true).is_err());
    for (bad, flag) in [
        (Sampling { temperature: -1.0, ..sane }, "--temperature"),
        (Sampling { temperature: f64::NAN, ..sane }, "--temperature"),
        (Sampling { top_p: 0.0, ..sane }, "--top-p"),
        (Sampling { top_p: 1.5, ..sane }, "--top-p"),
        (Sampling { min_p: -0.1, ..sane }, "--min-p"),
    ] {
        assert!(bad.validate().unwrap_err().to_string().contains(flag));
    }
}
