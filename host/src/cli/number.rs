//! Numbers of flags: what is out of range is refused with the range, before anything is done.

use std::ops::{Bound, RangeBounds, RangeInclusive};
use std::str::FromStr;

/// No size of a model, of its input or of a measurement is larger.
pub const MOST_SIZE: u64 = 1 << 31;

/// A command whose flags take negative numbers for what they are, to refuse them by their range; so do all below it.
pub fn taking_negative_numbers(command: clap::Command) -> clap::Command {
    let taking = |arg: clap::Arg| match arg.get_action().takes_values() {
        true => arg.allow_negative_numbers(true),
        false => arg,
    };
    command.mut_args(taking).mut_subcommands(taking_negative_numbers)
}

/// Parser of whole numbers in a range, for any type that holds them.
pub fn whole<T: FromStr>(range: RangeInclusive<u64>) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync {
    move |text| {
        let (low, high) = (range.start(), range.end());
        let wanted = || match *high {
            u64::MAX => format!("must be a whole number of at least {low}"),
            high => format!("must be a whole number from {low} to {high}"),
        };
        // wider than any type of a flag, so that a number out of range is no syntax error
        let inside = text.parse::<u64>().is_ok_and(|number| range.contains(&number));
        if inside { text.parse().map_err(|_| wanted()) } else { Err(wanted()) }
    }
}

/// Parser of numbers in a range of `f64`, none of which is infinite; for `f32`, too.
pub fn real<T: FromStr>(
    range: impl RangeBounds<f64> + Clone + Send + Sync,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync {
    move |text| {
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        // what is not finite in single precision is out of range there
        let fits = |number: f64| size_of::<T>() > 4 || (number as f32).is_finite();
        let inside = number.is_some_and(|number| range.contains(&number) && fits(number));
        if inside { text.parse().map_err(|_| words(&range)) } else { Err(words(&range)) }
    }
}

/// The range in the words of a sentence.
fn words(range: &impl RangeBounds<f64>) -> String {
    let low = match range.start_bound() {
        Bound::Included(low) => format!("from {low}"),
        Bound::Excluded(low) => format!("above {low}"),
        Bound::Unbounded => String::new(),
    };
    let high = match range.end_bound() {
        Bound::Included(high) => format!("to {high}"),
        Bound::Excluded(high) => format!("to less than {high}"),
        Bound::Unbounded if low.starts_with("from") => return format!("must be a finite number {low} on"),
        Bound::Unbounded => String::from("and finite"),
    };
    format!("must be a number {low} {high}").replace("  ", " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroUsize;

    #[test]
    fn whole_numbers_out_of_range_are_refused_with_the_range() {
        let few = whole::<NonZeroUsize>(1..=8);
        assert_eq!(few("8").unwrap().get(), 8);
        for text in ["0", "9", "-1", "1.5", "", "viele", "99999999999999999999999"] {
            assert_eq!(few(text).unwrap_err(), "must be a whole number from 1 to 8", "{text}");
        }
        let all = whole::<u64>(0..=u64::MAX);
        assert_eq!(all("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(all("18446744073709551616").unwrap_err(), "must be a whole number of at least 0");
        assert!(whole::<u8>(0..=1000)("999").is_err());
    }

    #[test]
    fn numbers_out_of_range_are_refused_with_the_range() {
        let share = real::<f32>(0.0..=1.0);
        assert_eq!((share("0"), share("1.0"), share("0.25")), (Ok(0.0), Ok(1.0), Ok(0.25)));
        for text in ["-0.1", "1.1", "nan", "inf", "x"] {
            assert_eq!(share(text).unwrap_err(), "must be a number from 0 to 1", "{text}");
        }
        let single = real::<f32>(0.0..);
        assert_eq!(single("1e38"), Ok(1e38));
        assert_eq!(single("1e300").unwrap_err(), "must be a finite number from 0 on");
        assert_eq!(real::<f64>(0.0..)("1e300"), Ok(1e300));
        let above = real::<f64>((Bound::Excluded(0.0), Bound::Included(1.0)));
        assert_eq!(above("0").unwrap_err(), "must be a number above 0 to 1");
    }
}
