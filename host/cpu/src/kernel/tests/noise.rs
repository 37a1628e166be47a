use super::super::noise::{normal, philox};
use super::*;

#[test]
fn philox_known_answers() {
    let zero = philox([0; 2], [0; 4]);
    assert_eq!(zero, [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
    let ones = philox([u32::MAX; 2], [u32::MAX; 4]);
    assert_eq!(ones, [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    let counter = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
    let pi = philox([0xa409_3822, 0x299f_31d0], counter);
    assert_eq!(pi, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
}

fn element(key: [u32; 2], high: [u32; 2], e: u64) -> f64 {
    let w = philox(key, [(e / 4) as u32, ((e / 4) >> 32) as u32, high[0], high[1]]);
    let pair = (e % 4 / 2 * 2) as usize;
    let u1 = (f64::from(w[pair]) + 1.0) / 4_294_967_296.0;
    let angle = std::f64::consts::TAU * f64::from(w[pair + 1]) / 4_294_967_296.0;
    let r = (-2.0 * u1.ln()).sqrt();
    if e.is_multiple_of(2) { r * angle.cos() } else { r * angle.sin() }
}

fn stream<E: Element>() {
    let (key, high) = ([7, 0xdead_beef], [5, 6]);
    for offset in [0, 3, 4, 61, (1 << 34) - 9, u64::from(u32::MAX) * 4 - 20] {
        for len in [0, 1, 5, 64, 130, 40_000] {
            let mut out = vec![E::ZERO; len];
            normal(key, high, offset, E::from_f64(0.5), &mut out);
            let step = if len > 1000 { 37 } else { 1 };
            for i in (0..len).step_by(step) {
                let want = 0.5 * element(key, high, offset + i as u64);
                let bound = if size_of::<E>() == 4 { 1e-6 } else { 1e-14 };
                assert!((out[i].to_f64() - want).abs() < bound, "{offset} {i}: {}", out[i]);
            }
        }
    }
    same_on_pools(|| {
        let mut out = vec![E::ZERO; 100_003];
        normal(key, high, 5, E::ONE, &mut out);
        out
    });
}

#[test]
fn normal_is_the_documented_stream() {
    stream::<f32>();
    stream::<f64>();
}

#[test]
fn normal_has_unit_moments() {
    let mut x = vec![0f32; 400_000];
    normal([1, 2], [0, 0], 0, 1.0, &mut x);
    let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / 4e5;
    let square = x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / 4e5;
    assert!(mean.abs() < 0.01 && (square - 1.0).abs() < 0.01, "{mean} {square}");
}
