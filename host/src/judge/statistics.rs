//! Who was right, and how sure that is.

use anyhow::{Result, bail};

/// What a model said of one item, after every step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the right text scored higher than every other.
    pub right: Vec<bool>,
    /// The same of scores divided by the bytes of the texts.
    pub right_by_byte: Vec<bool>,
}

impl Verdict {
    /// From the scores of every text after every step, the lengths of the texts in bytes, and the index of the right one.
    ///
    /// # Errors
    ///
    /// Scores that are not finite.
    pub fn of(scores: &[Vec<f64>], lengths: &[f64], answer: usize) -> Result<Self> {
        let steps = scores.first().map_or(0, Vec::len);
        let (mut right, mut right_by_byte) = (Vec::new(), Vec::new());
        for step in 0..steps {
            let at: Vec<f64> = scores.iter().map(|score| score.get(step).copied().unwrap_or(f64::NAN)).collect();
            if !at.iter().all(|score| score.is_finite()) {
                bail!("after step {} a score is no finite number", step + 1);
            }
            let best = |scores: &[f64]| {
                let of = |i: usize| scores.get(i).copied().unwrap_or(f64::NAN);
                (0..scores.len()).all(|other| other == answer || of(answer) > of(other))
            };
            let by_byte: Vec<f64> = at.iter().zip(lengths).map(|(score, length)| score / length).collect();
            right.push(best(&at));
            right_by_byte.push(best(&by_byte));
        }
        Ok(Self { right, right_by_byte })
    }
}

/// How many items were judged, and how many of them right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Items.
    pub items: usize,
    /// Items judged right.
    pub right: usize,
}

impl Count {
    /// Counts one more item.
    pub fn add(&mut self, right: bool) {
        self.items += 1;
        self.right += usize::from(right);
    }

    /// The share that was right; 0 of nothing.
    pub fn accuracy(&self) -> f64 {
        self.right as f64 / self.items.max(1) as f64
    }

    /// Wilson's score interval of the share at 95 %: the shares under which what was seen lies within 1.96 standard deviations.
    /// From 0 to 1 of nothing.
    pub fn interval(&self) -> (f64, f64) {
        const Z: f64 = 1.959_963_984_540_054;
        if self.items == 0 {
            return (0.0, 1.0);
        }
        let (n, p) = (self.items as f64, self.accuracy());
        let whole = 1.0 + Z * Z / n;
        let middle = (p + Z * Z / (2.0 * n)) / whole;
        let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt() / whole;
        // where none or all were right, the end is exact, and rounding must not move it
        let low = if self.right == 0 { 0.0 } else { (middle - half).max(0.0) };
        let high = if self.right == self.items { 1.0 } else { (middle + half).min(1.0) };
        (low, high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_tie_is_not_right_and_bytes_can_decide() {
        let scores = [vec![-4.0, -2.0], vec![-3.0, -2.0]];
        let verdict = Verdict::of(&scores, &[8.0, 4.0], 0).unwrap();
        assert_eq!((verdict.right, verdict.right_by_byte), (vec![false, false], vec![true, true]));
        assert_eq!(Verdict::of(&scores, &[8.0, 4.0], 1).unwrap().right, [true, false]);
        assert!(Verdict::of(&[vec![f64::NAN], vec![0.0]], &[1.0, 1.0], 0).is_err());
    }

    #[test]
    fn the_interval_is_that_of_tables() {
        // computed from the quadratic (p - x)^2 = z^2 x (1 - x) / n with sixteen digits
        for (right, items, low, high) in
            [(0, 10, 0.0, 0.277_533), (5, 10, 0.236_593, 0.763_407), (180, 200, 0.850_594, 0.934_330)]
        {
            let (a, b) = Count { items, right }.interval();
            assert!((a - low).abs() < 1e-5 && (b - high).abs() < 1e-5, "{right} of {items}: {a} {b}");
        }
    }

    proptest! {
        #[test]
        fn an_interval_holds_the_share_and_solves_its_equation(items in 1usize..10_000, part in 0.0..=1.0f64) {
            let right = (items as f64 * part) as usize;
            let count = Count { items, right };
            let (low, high) = count.interval();
            prop_assert!(low <= count.accuracy() + 1e-12 && count.accuracy() <= high + 1e-12);
            for x in [low, high].into_iter().filter(|x| *x > 0.0 && *x < 1.0) {
                let distance = (count.accuracy() - x).abs() / (x * (1.0 - x) / items as f64).sqrt();
                prop_assert!((distance - 1.959_964).abs() < 1e-4, "{distance}");
            }
        }
    }
}
