//! Whether scores tell words that are wrong from words that are right.

use ebt_ranks::{Collective, Lost};
use serde::{Deserialize, Serialize};

use crate::detection::area;

/// Areas under the receiver operating characteristic, from 0 to 1: how probable it is that a word that is wrong scores higher than one
/// that is right. 0.5 is chance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Detection {
    /// By one less the least probability of a letter of the word.
    pub probability: f64,
    /// By the entropies of its letters, added up.
    pub entropy: f64,
    /// By the energies of its letters, added up; none where the head makes logits.
    pub energy: Option<f64>,
}

/// Words that are judged: their scores by probability, entropy and energy, and whether they are wrong.
#[derive(Clone, Debug, Default)]
pub struct Scores {
    words: Vec<([f64; 3], bool)>,
}

impl Scores {
    /// Adds a word; `letters` are the probabilities of the allowed tokens and the energy of each of its letters in doubt.
    pub fn add<'l>(&mut self, letters: impl Iterator<Item = (&'l [f64], f64)>, is_wrong: bool) {
        let [mut doubt, mut entropy, mut energy] = [0.0f64; 3];
        for (probabilities, of_letter) in letters {
            let most = probabilities.iter().copied().fold(0.0, f64::max);
            doubt = doubt.max(1.0 - most);
            entropy -= probabilities.iter().filter(|&&p| p > 0.0).map(|p| p * p.ln()).sum::<f64>();
            energy += of_letter;
        }
        self.words.push(([doubt, entropy, energy], is_wrong));
    }

    /// The words of all ranks, in their order.
    ///
    /// # Errors
    ///
    /// A rank that is lost.
    pub fn of_all(self, ranks: &dyn Collective) -> Result<Self, Lost> {
        const NUMBERS: usize = 4;
        let place = ranks.place();
        let counts = ranks.numbers(self.words.len() as u64)?;
        let before: u64 = counts.iter().take(place.rank).sum();
        // a sum to which every word has one summand is the word
        let mut all = vec![0.0; NUMBERS * counts.iter().sum::<u64>() as usize];
        for (to, (scores, wrong)) in all[NUMBERS * before as usize..].chunks_exact_mut(NUMBERS).zip(&self.words) {
            to.copy_from_slice(&[scores[0], scores[1], scores[2], f64::from(u8::from(*wrong))]);
        }
        ranks.sum_f64(&mut [&mut all])?;
        let words = all.as_chunks::<NUMBERS>().0.iter().map(|&[a, b, c, wrong]| ([a, b, c], wrong > 0.0));
        Ok(Self { words: words.collect() })
    }

    /// The areas; none where no word or every word is wrong.
    pub fn detection(&self, has_energy: bool) -> Option<Detection> {
        let by = |score: usize| self.area(score);
        Some(Detection { probability: by(0)?, entropy: by(1)?, energy: if has_energy { Some(by(2)?) } else { None } })
    }

    fn area(&self, score: usize) -> Option<f64> {
        let mut scores: Vec<(f64, bool)> = self.words.iter().map(|(scores, wrong)| (scores[score], *wrong)).collect();
        area(&mut scores)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_count_pairs_of_which_the_wrong_one_scores_higher() {
        let mut scores = Scores::default();
        assert_eq!(scores.detection(true), None);
        // a word of one letter, two of equal doubt, one of two letters
        for (letters, wrong) in [
            (vec![([0.9, 0.1], -3.0)], false),
            (vec![([0.6, 0.4], -1.0)], true),
            (vec![([0.6, 0.4], -1.0)], false),
            (vec![([0.8, 0.2], -1.0), ([0.5, 0.5], 4.0)], true),
        ] {
            scores.add(letters.iter().map(|(p, energy)| (p.as_slice(), *energy)), wrong);
        }
        // of four pairs three are in order, and one is a tie
        let found = scores.detection(true).unwrap();
        assert_eq!((found.probability, found.entropy, found.energy), (0.875, 0.875, Some(0.875)));
        assert_eq!(scores.detection(false).unwrap().energy, None);
    }
}
