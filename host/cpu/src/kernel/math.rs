//! Scalar arithmetic and branch-free elementary functions for `f32`, `f64`.
//!
//! The functions contain no branch, table or library call, so a loop over a
//! slice which calls them inside a `pulp` dispatch is vectorised for the
//! instruction set found at run time.

use std::fmt::{Debug, Display};
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

/// Real scalar: `f32` or `f64`.
///
/// Error bounds are in units in the last place (ulp) of the type.
pub trait Real:
    Copy
    + Default
    + PartialEq
    + PartialOrd
    + Debug
    + Display
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
{
    /// Zero with a positive sign.
    const ZERO: Self;
    /// One, which both types represent exactly.
    const ONE: Self;
    /// Less than every finite value: where a maximum starts, and the score of a key that is not seen.
    const NEG_INFINITY: Self;

    /// Nearest value to `x`.
    fn from_f64(x: f64) -> Self;
    /// The value as `f64` (exact).
    fn to_f64(self) -> f64;
    /// Nearest value to `x`.
    fn from_u32(x: u32) -> Self;
    /// `self * a + b` with one rounding.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// Square root, correctly rounded.
    fn sqrt(self) -> Self;
    /// The value without its sign, which is exact.
    fn abs(self) -> Self;
    /// The larger value; `other` if either is NaN.
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        if self > other { self } else { other }
    }
    /// e^self within 2 ulp, subnormal results included: 0 below the least
    /// subnormal and at -inf, +inf above the greatest finite value, NaN of NaN.
    fn exp(self) -> Self;
    /// Natural logarithm within 2 ulp: -inf of 0, NaN below 0, +inf of +inf.
    fn ln(self) -> Self;
    /// Sine and cosine of `2 * pi * self` for `0 <= self <= 1`, absolute error
    /// within one ulp of 1.
    fn sin_cos_turn(self) -> (Self, Self);
    /// `1 / (1 + e^-self)` within 4 ulp; 0 where that would be subnormal.
    #[inline(always)]
    fn sigmoid(self) -> Self {
        Self::ONE / (Self::ONE + (-self).exp())
    }
}

/// Evaluates a polynomial, highest coefficient first, by Horner's rule.
macro_rules! horner {
    ($x:expr, $first:expr $(, $c:expr)*) => {{
        let p = $first;
        $(let p = p.mul_add($x, $c);)*
        p
    }};
}

macro_rules! real {
    (
        $t:ident, $bits:ident, $int:ident, mantissa: $mant:expr, bias: $bias:expr,
        exp: ($lo:expr, $hi:expr, $ln2_hi:expr, $ln2_lo:expr, [$($e:expr),*]),
        ln: ($l2_hi:expr, $l2_lo:expr, [$($l:expr),*]),
        sin: [$($s:expr),*], cos: [$($c:expr),*]
    ) => {
        impl Real for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const NEG_INFINITY: Self = $t::NEG_INFINITY;

            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $t
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn from_u32(x: u32) -> Self {
                x as $t
            }
            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                $t::mul_add(self, a, b)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                $t::sqrt(self)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $t::abs(self)
            }

            #[inline(always)]
            fn exp(self) -> Self {
                // 1.5 * 2^mantissa: adding it rounds to an integer, which then
                // stands in the low bits.
                const ROUND: $t = (3u64 << ($mant - 1)) as $t;
                let x = if self < $lo { $lo } else { self };
                let x = if x > $hi { $hi } else { x };
                let t = $t::mul_add(x, std::$t::consts::LOG2_E, ROUND);
                let n = t - ROUND;
                let r = $t::mul_add(n, -$ln2_hi, x);
                let r = $t::mul_add(n, -$ln2_lo, r);
                let p = horner!(r, $($e),*);
                let y = 1.0 + $t::mul_add(r * r, p, r);
                // Two factors, as 2^n itself may lie outside of the range.
                let n = (t.to_bits() as $int).wrapping_sub(ROUND.to_bits() as $int);
                let half = n >> 1;
                let power = |n: $int| $t::from_bits((n.wrapping_add($bias) as $bits) << $mant);
                y * power(half) * power(n.wrapping_sub(half))
            }

            #[inline(always)]
            fn ln(self) -> Self {
                const LIFT: $int = $mant + 2;
                let tiny = self < $t::MIN_POSITIVE;
                let lift = ((1 as $bits) << LIFT) as $t;
                let x = if tiny { self * lift } else { self };
                // The exponent of x / sqrt(1/2), and x / 2^e in [sqrt(1/2), sqrt(2)).
                let base = std::$t::consts::FRAC_1_SQRT_2.to_bits();
                let d = x.to_bits().wrapping_sub(base);
                let e = (d as $int) >> $mant;
                let m = $t::from_bits(
                    (d & ((1 as $bits) << $mant).wrapping_sub(1)).wrapping_add(base),
                );
                let k = e.wrapping_sub(if tiny { LIFT } else { 0 }) as i32 as $t;
                let f = m - 1.0;
                let s = f / (2.0 + f);
                let z = s * s;
                let h = 0.5 * f * f;
                let r = z * horner!(z, $($l),*);
                let y = k * $l2_hi - ((h - (s * (h + r) + k * $l2_lo)) - f);
                let y = if self < $t::INFINITY { y } else { self };
                let y = if self == 0.0 { $t::NEG_INFINITY } else { y };
                if self < 0.0 { $t::NAN } else { y }
            }

            #[inline(always)]
            fn sin_cos_turn(self) -> (Self, Self) {
                const ROUND: $t = (3u64 << ($mant - 1)) as $t;
                let t = $t::mul_add(self, 4.0, ROUND);
                let quarter = t.to_bits();
                let f = $t::mul_add(self, 4.0, -(t - ROUND)) * std::$t::consts::FRAC_PI_2;
                let z = f * f;
                let sin = $t::mul_add(f * z, horner!(z, $($s),*), f);
                let cos = $t::mul_add(z * z, horner!(z, $($c),*), $t::mul_add(z, -0.5, 1.0));
                let odd = quarter & 1 == 1;
                let (sine, cosine) = if odd { (cos, sin) } else { (sin, cos) };
                // Signs: sine is negative in quarters 2 and 3, cosine in 1 and 2.
                let top = $bits::BITS - 1;
                let sine = sine.to_bits() ^ ((quarter >> 1) & 1) << top;
                let cosine = cosine.to_bits() ^ ((quarter.wrapping_add(1) >> 1) & 1) << top;
                ($t::from_bits(sine), $t::from_bits(cosine))
            }
        }
    };
}

real!(
    f32, u32, i32, mantissa: 23, bias: 127,
    exp: (-104.0, 89.0, 0.693_359_4, -2.121_944_4e-4, [
        1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_66, 0.5]),
    ln: (0.693_138_1, 9.058_001e-6, [0.242_790_79, 0.284_987_87, 0.400_009_72, 0.666_666_6]),
    sin: [-1.951_529_6e-4, 8.332_161e-3, -0.166_666_55],
    cos: [2.443_315_7e-5, -1.388_731_6e-3, 4.166_664_6e-2]
);

real!(
    f64, u64, i64, mantissa: 52, bias: 1023,
    exp: (-746.0, 710.0, 6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10, [
        1.0 / 6_227_020_800.0, 1.0 / 479_001_600.0, 1.0 / 39_916_800.0, 1.0 / 3_628_800.0,
        1.0 / 362_880.0, 1.0 / 40_320.0, 1.0 / 5_040.0, 1.0 / 720.0, 1.0 / 120.0,
        1.0 / 24.0, 1.0 / 6.0, 0.5]),
    ln: (6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10, [
        1.479_819_860_511_658_6e-1, 1.531_383_769_920_937_3e-1, 1.818_357_216_161_805e-1,
        2.222_219_843_214_978_4e-1, 2.857_142_874_366_239e-1, 3.999_999_999_940_942e-1,
        6.666_666_666_666_735e-1]),
    sin: [
        1.589_690_995_211_55e-10, -2.505_076_025_340_686_3e-8, 2.755_731_370_707_006_8e-6,
        -1.984_126_982_985_795e-4, 8.333_333_333_322_49e-3, -1.666_666_666_666_663_2e-1],
    cos: [
        -1.135_964_755_778_819_5e-11, 2.087_572_321_298_175e-9, -2.755_731_435_139_066_3e-7,
        2.480_158_728_947_673e-5, -1.388_888_888_887_411e-3, 4.166_666_666_666_66e-2]
);

#[cfg(test)]
#[path = "math_tests.rs"]
mod tests;
