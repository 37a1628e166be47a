//! `exp`, `ln`, `sin`, `cos` by argument reduction and a polynomial (Taylor coefficients: the reduced ranges are short).

use core::f32::consts::LOG2_E;

/// `ln 2` in two parts; a small integer times the first is exact.
const LN2_HIGH: f32 = 355.0 / 512.0;
const LN2_LOW: f32 = -2.121_944_4e-4;
/// Adding `1.5 * 2^23` rounds to an integer and leaves it in the low mantissa bits.
const ROUND: f32 = 12_582_912.0;

/// `2^n` for `-126 <= n <= 127`.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// Square root, correctly rounded.
#[inline(always)]
pub fn sqrt(x: f32) -> f32 {
    libm::sqrtf(x)
}

/// `e^x` within 2 ulp (subnormal results within half of the smallest number and an ulp); NaN stays NaN.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // beyond these the result is zero or infinity; written so that NaN passes
    let x = if x < -104.0 { -104.0 } else { x };
    let x = if x > 89.0 { 89.0 } else { x };
    let shifted = x * LOG2_E + ROUND;
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let whole = shifted - ROUND;
    let r = (x - whole * LN2_HIGH) - whole * LN2_LOW;
    let tail = 1.0 / 720.0 + r * (1.0 / 5040.0);
    let tail = 1.0 / 24.0 + r * (1.0 / 120.0 + r * tail);
    let tail = 0.5 + r * (1.0 / 6.0 + r * tail);
    let e = 1.0 + (r + (r * r) * tail);
    // two factors: neither leaves the range of normal numbers
    let half = n >> 1;
    e * power_of_two(half) * power_of_two(n.wrapping_sub(half))
}

/// `ln(1 + f) + e ln 2` for `sqrt(1/2) <= 1 + f <= sqrt(2)`.
///
/// With `s = f / (2 + f)`: `ln(1 + f) = 2 s + s R`, `R = 2 (s^2/3 + s^4/5 + ..)`, and `2 s = f - f^2/2 + s f^2/2`.
#[inline(always)]
fn ln_reduced(f: f32, e: f32) -> f32 {
    let s = f / (2.0 + f);
    let z = s * s;
    let r = z * (2.0 / 3.0 + z * (2.0 / 5.0 + z * (2.0 / 7.0 + z * (2.0 / 9.0 + z * (2.0 / 11.0)))));
    let half = 0.5 * f * f;
    let low = s * (half + r) + e * LN2_LOW;
    e * LN2_HIGH + (f - (half - low))
}

/// `ln x` within 2 ulp; `ln 0 = -inf`, NaN below zero.
#[inline]
pub fn ln(x: f32) -> f32 {
    if x == 0.0 {
        return f32::NEG_INFINITY;
    }
    if x < 0.0 || x.is_nan() {
        return f32::NAN;
    }
    if x == f32::INFINITY {
        return x;
    }
    let (x, shift) = if x < f32::MIN_POSITIVE { (x * 8_388_608.0, -23.0) } else { (x, 0.0) };
    // the exponent counted from sqrt(1/2): 0x3f3504f3
    let bits = x.to_bits().wrapping_sub(0x3f35_04f3);
    let e = (bits as i32) >> 23;
    let m = f32::from_bits((bits & 0x007f_ffff).wrapping_add(0x3f35_04f3));
    ln_reduced(m - 1.0, e as f32 + shift)
}

/// `ln((word + 1) / 2^32)`, to full relative precision also near 1.
#[inline(always)]
pub fn ln_unit(word: u32) -> f32 {
    let n = u64::from(word).wrapping_add(1);
    let floor = 63u32.wrapping_sub(n.leading_zeros()) & 63;
    // (word + 1) = 2^k (1 + f), k the nearer power: n > sqrt(2) 2^floor takes the next one
    let above = (n << (31u32.wrapping_sub(floor & 31) & 31)) > 3_037_000_499 && floor < 32;
    let k = floor.wrapping_add(u32::from(above));
    let difference = (n as i64).wrapping_sub(1i64 << (k & 63));
    let f = difference as f32 * power_of_two((k as i32).wrapping_neg());
    ln_reduced(f, (k as i32).wrapping_sub(32) as f32)
}

/// `(sin r, cos r)` for `|r| <= pi/4`.
#[inline(always)]
fn sin_cos_reduced(r: f32) -> (f32, f32) {
    let z = r * r;
    let s = -1.0 / 6.0 + z * (1.0 / 120.0 + z * (-1.0 / 5040.0 + z * (1.0 / 362_880.0)));
    let c = 1.0 / 24.0 + z * (-1.0 / 720.0 + z * (1.0 / 40_320.0 + z * (-1.0 / 3_628_800.0)));
    (r + r * (z * s), 1.0 - (0.5 * z - (z * z) * c))
}

/// Turns `(sin, cos)` by `quarter` right angles.
#[inline(always)]
fn turned((s, c): (f32, f32), quarter: u32) -> (f32, f32) {
    let (a, b) = if quarter & 1 == 0 { (s, c) } else { (c, s) };
    let a = if quarter & 2 == 0 { a } else { -a };
    let b = if quarter.wrapping_add(1) & 2 == 0 { b } else { -b };
    (a, b)
}

/// `(sin, cos)` of the fraction `turns / 2^32` of a full turn, within 2 ulp.
#[inline(always)]
pub fn sin_cos_turns(turns: u32) -> (f32, f32) {
    let quarter = turns.wrapping_add(1 << 29) >> 30;
    let rest = turns.wrapping_sub(quarter << 30) as i32;
    turned(sin_cos_reduced(rest as f32 * 1.462_918_1e-9), quarter)
}

/// `(sin, cos)` of an angle in radians, `|angle| < 1e7`: within `1e-7`.
#[inline]
pub fn sin_cos(angle: f64) -> (f32, f32) {
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let shifted = angle * core::f64::consts::FRAC_2_PI + ROUND;
    let r = angle - (shifted - ROUND) * core::f64::consts::FRAC_PI_2;
    turned(sin_cos_reduced(r as f32), shifted.to_bits() as u32)
}
