//! Drawing in fixed memory: against the same filters written plainly, with sorting and f64.

use ebt::engine::Error;
use ebt::engine::arena::Arena;
use ebt::engine::descent::{Drawn, Sampler, Sampling};
use proptest::prelude::*;

/// The tokens that may be drawn with their probabilities, or none where a threshold is met to rounding.
fn plainly(logits: &[f32], s: &Sampling, banned: &[bool]) -> Option<Vec<(u32, f64)>> {
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-5 * a.abs().max(b.abs());
    let mut list: Vec<(u32, f64)> = (0u32..).zip(logits).map(|(id, x)| (id, f64::from(*x))).collect();
    list.retain(|(id, _)| !banned[*id as usize]);
    list.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let largest = list.first()?.1;
    if s.temperature == 0.0 {
        list.truncate(1);
    } else if s.top_k > 0 {
        list.truncate(s.top_k);
    }
    let t = f64::from(s.temperature);
    list.iter_mut().for_each(|(_, x)| *x = if *x == largest { 1.0 } else { ((*x - largest) / t).exp() });
    let normalize = |list: &mut Vec<(u32, f64)>| {
        let sum: f64 = list.iter().map(|(_, p)| p).sum();
        list.iter_mut().for_each(|(_, p)| *p /= sum);
    };
    normalize(&mut list);
    if s.top_p < 1.0 {
        let mut sum = 0.0;
        let mut kept = 0;
        while kept < list.len() && sum < f64::from(s.top_p) {
            sum += list[kept].1;
            kept += 1;
            if near(sum, f64::from(s.top_p)) {
                return None;
            }
        }
        list.truncate(kept.max(1));
        normalize(&mut list);
    }
    let least = f64::from(s.min_p) * list.first()?.1;
    if list.iter().skip(1).any(|(_, p)| near(*p, least)) {
        return None;
    }
    list.retain(|(_, p)| *p > 0.0 && *p >= least);
    normalize(&mut list);
    Some(list)
}

fn draw(logits: &[f32], s: &Sampling, uniform: f64, banned: impl FnMut(u32) -> bool) -> Result<Drawn, Error> {
    let mut memory = vec![0u32; logits.len()];
    let mut arena = Arena::over(bytemuck::cast_slice_mut(&mut memory))?;
    Sampler::alloc(&mut arena, logits.len())?.draw(logits, s, uniform, banned)
}

fn settings() -> impl Strategy<Value = Sampling> {
    let off = |off: f32, low: f32| prop_oneof![Just(off), low..1.0f32];
    (prop_oneof![Just(0.0f32), 0.2..3.0f32], 0usize..12, off(1.0, 0.05), off(0.0, 0.0))
        .prop_map(|(temperature, top_k, top_p, min_p)| Sampling { temperature, top_k, top_p, min_p })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn every_draw_is_the_one_the_definition_gives(
        logits in prop::collection::vec(prop_oneof![(-4i32..4).prop_map(|x| x as f32), -6f32..6.0], 1..40),
        bans in prop::collection::vec(prop::bool::weighted(0.2), 40),
        s in settings(),
        uniform in 0.0f64..1.0,
    ) {
        let Some(list) = plainly(&logits, &s, &bans) else { return Ok(()) };
        let mut sum = 0.0;
        let mut expected = None;
        for &(id, p) in &list {
            sum += p;
            expected = expected.or((uniform < sum).then_some((id, p)));
            prop_assume!((uniform - sum).abs() > 1e-5);
        }
        let (id, p) = expected.or(list.last().copied()).expect("not empty");
        let drawn = draw(&logits, &s, uniform, |id| bans[id as usize]).expect("a token");
        prop_assert_eq!(drawn.id, id);
        prop_assert!((f64::from(drawn.probability) - p).abs() <= 1e-5);
    }
}

#[test]
fn what_cannot_be_drawn_is_refused_with_the_reason() {
    let s = Sampling::default();
    assert_eq!(draw(&[1.0, f32::NAN], &s, 0.5, |_| false), Err(Error::Logit { id: 1 }));
    assert_eq!(draw(&[1.0, f32::INFINITY], &s, 0.5, |_| false), Err(Error::Logit { id: 1 }));
    assert_eq!(draw(&[f32::NEG_INFINITY; 3], &s, 0.5, |_| false), Err(Error::NoToken));
    assert_eq!(draw(&[0.0; 3], &s, 0.5, |_| true), Err(Error::NoToken));
    assert_eq!(draw(&[1.0, f32::NAN], &s, 0.5, |id| id == 1).map(|d| d.id), Ok(0));
    for (field, s) in [
        ("temperature", Sampling { temperature: -1.0, ..s }),
        ("top_p", Sampling { top_p: 0.0, ..s }),
        ("min_p", Sampling { min_p: f32::NAN, ..s }),
    ] {
        let error = draw(&[0.0], &s, 0.5, |_| false).expect_err("refused");
        assert!(matches!(error, Error::Option { field: f, .. } if f == field), "{error}");
        assert!(error.to_string().contains(field));
    }
}
