//! Random numbers of one stream, one after the other.

use ebt_core::random::Stream;

/// A stream with the number of its next draw.
pub struct Draws {
    stream: Stream,
    next: u64,
}

impl Draws {
    /// Draws from the beginning of a stream.
    pub fn new(stream: Stream) -> Self {
        Self { stream, next: 0 }
    }

    /// Uniform in `0..bound`, for `bound >= 1`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.next += 1;
        self.stream.below(self.next - 1, bound as u64) as usize
    }

    /// Any order of the items, all alike.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }

    /// Any member of a set that is not empty, as a set.
    pub fn member(&mut self, set: u32) -> u32 {
        let mut rest = set;
        for _ in 0..self.below(set.count_ones() as usize) {
            rest &= rest - 1;
        }
        rest & rest.wrapping_neg()
    }
}

#[cfg(test)]
mod tests {
    use ebt_core::random::Purpose;

    use super::*;

    #[test]
    fn members_and_orders_are_drawn_alike() {
        let mut draws = Draws::new(Stream::new(3, 0, Purpose::Test));
        let (mut members, mut orders) = ([0; 8], [0; 6]);
        for _ in 0..6000 {
            members[draws.member(0b1010_0100).trailing_zeros() as usize] += 1;
            let mut order = [0, 1, 2];
            draws.shuffle(&mut order);
            orders[order[0] * 2 + usize::from(order[1] > order[2])] += 1;
        }
        assert!(members.iter().enumerate().all(|(v, &n)| if [2, 5, 7].contains(&v) { n > 1800 } else { n == 0 }));
        assert!(orders.iter().all(|&n| n > 850), "{orders:?}");
    }
}
