//! Whether energies rank tokens: those of the most probable ones as vertices, against their probabilities.

use serde::Serialize;

/// Tokens of a position whose energies are compared: the most probable ones.
pub const CANDIDATES: usize = 16;

/// More positions than this are not kept: the first ones stand for all.
pub const MOST_POSITIONS: usize = 1 << 17;

/// The most probable tokens of a position.
#[derive(Clone, Debug, PartialEq)]
pub struct Position {
    /// `ln P` and the energy of each as a vertex, the most probable one first.
    pub of: Vec<(f64, f64)>,
    /// The place of the right one, where it is among them.
    pub right: Option<usize>,
    /// `ln P` of the right one.
    pub log_p: f64,
}

/// The places of the `count` greatest logits, the greatest first; of equal ones the first.
pub fn greatest(logits: &[f32], count: usize) -> Vec<u32> {
    let mut places: Vec<u32> = (0..logits.len() as u32).collect();
    let order = |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
    let count = count.min(places.len());
    if count < places.len() {
        places.select_nth_unstable_by(count, order);
        places.truncate(count);
    }
    places.sort_unstable_by(order);
    places
}

/// How well energies rank.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranked {
    /// Positions, at most [`MOST_POSITIONS`], and those of them whose right token is among the candidates.
    pub positions: [usize; 2],
    /// Mean place of the right token, from 1, by probability and by energy, where it is among the candidates.
    pub place: [f64; 2],
    /// The share `b` of the energy in `ln r = (1 - b) ln P - b E` over the candidates, which keep their probability in sum: the best for
    /// the positions of even number.
    pub share: f64,
    /// Nats a token of the positions of odd number: by `P`, by `r` with that share, and by the energy alone (`b = 1`).
    pub nats: [f64; 3],
}

impl Ranked {
    /// What the positions say; none where there is none of odd and of even number.
    pub fn of(positions: &[Position]) -> Option<Self> {
        let half = |odd: usize| positions.iter().skip(odd).step_by(2);
        let count = half(1).count();
        if count == 0 {
            return None;
        }
        let nats = |odd: usize, b: f64| half(odd).map(|position| position.nats(b)).sum::<f64>();
        // a log-linear family: the sum is convex in b
        let (mut low, mut high) = (-1.0, 2.0);
        for _ in 0..60 {
            let (left, right) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
            if nats(0, left) < nats(0, right) { high = right } else { low = left }
        }
        let share = 0.5 * (low + high);
        let among: Vec<(usize, usize)> = positions.iter().filter_map(Position::places).collect();
        let mean = |of: fn(&(usize, usize)) -> usize| {
            among.iter().map(|places| of(places) as f64).sum::<f64>() / among.len().max(1) as f64
        };
        Some(Self {
            positions: [positions.len(), among.len()],
            place: [mean(|places| places.0), mean(|places| places.1)],
            share,
            nats: [0.0, share, 1.0].map(|b| nats(1, b) / count as f64),
        })
    }
}

impl Position {
    /// Places of the right token, from 1, by probability and by energy.
    fn places(&self) -> Option<(usize, usize)> {
        let right = self.right?;
        let (_, energy) = *self.of.get(right)?;
        Some((right + 1, 1 + self.of.iter().filter(|(_, other)| *other < energy).count()))
    }

    /// `-ln r` of the right token.
    fn nats(&self, b: f64) -> f64 {
        let Some(right) = self.right else { return -self.log_p };
        let score = |&(log_p, energy): &(f64, f64)| (1.0 - b) * log_p - b * energy;
        let mass = log_sum(self.of.iter().map(|(log_p, _)| *log_p));
        let all = log_sum(self.of.iter().map(score));
        self.of.get(right).map_or(-self.log_p, |of| all - mass - score(of))
    }
}

fn log_sum(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let most = values.clone().fold(f64::NEG_INFINITY, f64::max);
    most + values.map(|x| (x - most).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four candidates with 0.9 of the probability; energies that are `-ln` of what is true, plus `shift`.
    fn positions(shift: f64) -> Vec<Position> {
        let (p, truth) = ([0.4, 0.3, 0.15, 0.05f64], [0.1, 0.2, 0.2, 0.4f64]);
        let of: Vec<(f64, f64)> = p.iter().zip(truth).map(|(p, t)| (p.ln(), shift - t.ln())).collect();
        let position = |right: Option<usize>| {
            let log_p = right.map_or(0.1f64.ln(), |i| p[i].ln());
            Position { of: of.clone(), right, log_p }
        };
        // as often as is true, each twice: of even and of odd number
        let counts = [(Some(0), 1), (Some(1), 2), (Some(2), 2), (Some(3), 4), (None, 1)];
        counts.iter().flat_map(|&(right, n)| vec![position(right); 2 * n]).collect()
    }

    #[test]
    fn true_energies_take_all_of_the_share_whatever_their_constant() {
        for shift in [0.0, 40.0, -700.0] {
            let ranked = Ranked::of(&positions(shift)).expect("positions");
            assert_eq!(ranked.positions, [20, 18]);
            assert!((ranked.share - 1.0).abs() < 1e-6, "{}", ranked.share);
            let entropy = -(0.1 * 0.1f64.ln() + 0.4 * 0.2f64.ln() + 0.4 * 0.4f64.ln() + 0.1 * 0.1f64.ln());
            assert!((ranked.nats[1] - entropy).abs() < 1e-9 && (ranked.nats[2] - entropy).abs() < 1e-9);
            assert!(ranked.nats[0] > entropy + 0.1);
            let [by_probability, by_energy] = ranked.place.map(|place| (place * 9.0).round());
            assert_eq!((by_probability, by_energy), (1.0 + 4.0 + 6.0 + 16.0, 4.0 + 2.0 * 2.0 + 2.0 * 2.0 + 4.0));
        }
    }

    #[test]
    fn energies_that_say_nothing_get_no_share() {
        let mut positions = positions(0.0);
        // what P says is true
        let counts = [(Some(0), 8), (Some(1), 6), (Some(2), 3), (Some(3), 1)];
        let at = |right: Option<usize>| positions.iter().find(|p| p.right == right).cloned();
        positions = counts.iter().flat_map(|&(right, n)| vec![at(right); 2 * n]).flatten().collect();
        positions.iter_mut().flat_map(|p| &mut p.of).for_each(|(_, energy)| *energy = 3.0);
        let ranked = Ranked::of(&positions).expect("positions");
        assert!(ranked.share.abs() < 1e-6, "{}", ranked.share);
        assert!((ranked.nats[0] - ranked.nats[1]).abs() < 1e-12);
        assert_eq!(Ranked::of(&positions[..1]), None);
    }

    #[test]
    fn the_greatest_come_in_order() {
        assert_eq!(greatest(&[1.0, 5.0, 3.0, 5.0, -2.0], 3), [1, 3, 2]);
        assert_eq!(greatest(&[1.0, 2.0], 16), [1, 0]);
    }
}
