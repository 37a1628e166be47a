use super::*;

fn ulps32(got: f32, want: f64) -> f64 {
    let unit = (want as f32).abs().max(f32::MIN_POSITIVE);
    let unit = f64::from(f32::from_bits(unit.to_bits() + 1) - unit);
    (f64::from(got) - want).abs() / unit
}

fn ulps64(got: f64, want: f64) -> f64 {
    let unit = want.abs().max(f64::MIN_POSITIVE);
    (got - want).abs() / (f64::from_bits(unit.to_bits() + 1) - unit)
}

#[test]
fn exp_is_accurate_and_handles_the_ends() {
    let (mut worst32, mut worst64) = (0f64, 0f64);
    for i in 0..400_000 {
        let x = -110.0 + 198.7 * f64::from(i) / 400_000.0;
        let x32 = x as f32;
        worst32 = worst32.max(ulps32(Real::exp(x32), f64::exp(f64::from(x32))));
        let y = x * 7.0 - 20.0;
        if y < 709.0 {
            worst64 = worst64.max(ulps64(Real::exp(y), f64::exp(y)));
        }
    }
    println!("exp ulp {worst32} {worst64}");
    assert!(worst32 <= 2.0 && worst64 <= 2.0, "{worst32} {worst64}");
    assert_eq!(Real::exp(f32::NEG_INFINITY), 0.0);
    assert_eq!(Real::exp(f64::NEG_INFINITY), 0.0);
    assert_eq!(Real::exp(-1e30f32), 0.0);
    assert_eq!(Real::exp(89.5f32), f32::INFINITY);
    assert_eq!(Real::exp(f64::INFINITY), f64::INFINITY);
    assert!(Real::exp(f32::NAN).is_nan() && Real::exp(f64::NAN).is_nan());
    assert_eq!((Real::exp(0f32), Real::exp(0f64)), (1.0, 1.0));
}

#[test]
fn ln_is_accurate_and_handles_the_ends() {
    let (mut worst32, mut worst64) = (0f64, 0f64);
    for i in 1..300_000u32 {
        let x = f32::from_bits(i * 7_100);
        worst32 = worst32.max(ulps32(Real::ln(x), f64::ln(f64::from(x))));
        let y = f64::from_bits(u64::from(i) * 30_000_000_000_000);
        worst64 = worst64.max(ulps64(Real::ln(y), f64::ln(y)));
        let z = 0.5 + f64::from(i) * 5e-6;
        worst64 = worst64.max(ulps64(Real::ln(z), f64::ln(z)));
        worst32 = worst32.max(ulps32(Real::ln(z as f32), f64::ln(f64::from(z as f32))));
    }
    println!("ln ulp {worst32} {worst64}");
    assert!(worst32 <= 2.0 && worst64 <= 2.0, "{worst32} {worst64}");
    assert_eq!(Real::ln(0f32), f32::NEG_INFINITY);
    assert_eq!(Real::ln(f64::INFINITY), f64::INFINITY);
    assert!(Real::ln(-1f32).is_nan() && Real::ln(f64::NAN).is_nan());
    assert!(Real::ln(f64::NEG_INFINITY).is_nan());
}

#[test]
fn sine_and_cosine_of_a_turn() {
    for i in 0..=200_000u32 {
        let u = f64::from(i) / 200_000.0;
        let (s, c) = Real::sin_cos_turn(u);
        // The reference angle itself is rounded, hence the tolerance.
        let (want_s, want_c) = f64::sin_cos(std::f64::consts::TAU * u);
        assert!((s - want_s).abs() < 2e-15 && (c - want_c).abs() < 2e-15, "{u}");
        let u = u as f32;
        let (s, c) = Real::sin_cos_turn(u);
        let (want_s, want_c) = f64::sin_cos(std::f64::consts::TAU * f64::from(u));
        assert!((f64::from(s) - want_s).abs() < 1.2e-7, "{u}");
        assert!((f64::from(c) - want_c).abs() < 1.2e-7, "{u}");
    }
}

#[test]
fn sigmoid_is_bounded_and_symmetric() {
    for i in -2000..=2000 {
        let x = f64::from(i) / 20.0;
        let want = 1.0 / (1.0 + f64::exp(-x));
        assert!(ulps64(Real::sigmoid(x), want) <= 4.0);
        let x32 = (x * 0.87) as f32;
        let got = Real::sigmoid(x32);
        assert!(ulps32(got, 1.0 / (1.0 + f64::exp(-f64::from(x32)))) <= 4.0, "{x}");
    }
    assert_eq!(Real::sigmoid(f32::NEG_INFINITY), 0.0);
    assert_eq!(Real::sigmoid(f64::INFINITY), 1.0);
}
