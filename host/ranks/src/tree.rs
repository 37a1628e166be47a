//! The canonical tree of sums: `n` parts are split at the largest power of two below `n`, each side is summed by the same
//! rule, and the two sums are added.
//!
//! A sum of floating-point numbers depends on its order, so the order is that of this tree, whoever computes it. Lanes that
//! follow one another and are a power of two in number are a subtree wherever such a group begins; so ranks that own equal
//! groups of lanes sum them first and their sums afterwards, and all is the tree over the lanes ([`fits`]).

use std::ops::{AddAssign, Range};

use crate::place::Place;

/// The additions of the tree over `n` parts, in an order in which they can be made in place: each pair `(a, b)` with `a < b`
/// adds what stands at `b` to what stands at `a`. In the end the sum stands at 0.
pub fn merges(n: usize) -> impl Iterator<Item = (usize, usize)> {
    let strides = std::iter::successors(Some(1_usize), |stride| stride.checked_mul(2)).take_while(move |s| *s < n);
    strides.flat_map(move |stride| (0..n - stride).step_by(stride.saturating_mul(2)).map(move |at| (at, at + stride)))
}

/// Sums lists of one length by the tree, in place: the first list holds the sum afterwards, the others partial sums.
pub fn sum_lists<T: Copy + AddAssign>(lists: &mut [&mut [T]]) {
    for (into, from) in merges(lists.len()) {
        let (left, right) = lists.split_at_mut(from);
        add(left[into], right[0]);
    }
}

/// Sums the parts of `part` values each that lie in `values` one after the other, in place: the first part holds the sum
/// afterwards. Values behind the last whole part are left alone.
pub fn sum_parts<T: Copy + AddAssign>(values: &mut [T], part: usize) {
    /// Values of a part that are summed before the next ones, so that they stay in the nearest cache.
    const BLOCK: usize = 2048;
    let count = values.len().checked_div(part).unwrap_or(0);
    for start in (0..part).step_by(BLOCK) {
        let length = BLOCK.min(part - start);
        for (into, from) in merges(count) {
            let (left, right) = values.split_at_mut(from * part + start);
            add(&mut left[into * part + start..][..length], &right[..length]);
        }
    }
}

/// Adds the values of one list to those of another.
fn add<T: Copy + AddAssign>(into: &mut [T], from: &[T]) {
    into.iter_mut().zip(from).for_each(|(into, from)| *into += *from);
}

/// The same tree for parts that come one after the other: at most one partial sum is held for every bit of their number.
#[derive(Debug, Clone)]
pub struct Stack<T> {
    held: Vec<T>,
    pushed: usize,
}

impl<T> Default for Stack<T> {
    fn default() -> Self {
        Self { held: Vec::new(), pushed: 0 }
    }
}

impl<T> Stack<T> {
    /// The next part. `add` adds its second argument to its first, and is called for every addition that is due.
    pub fn push(&mut self, part: T, mut add: impl FnMut(&mut T, T)) {
        let due = self.pushed.trailing_ones();
        self.held.push(part);
        self.pushed += 1;
        (0..due).for_each(|_| self.merge(&mut add));
    }

    /// The sum of all parts, and an empty stack; `None` without parts.
    pub fn finish(&mut self, mut add: impl FnMut(&mut T, T)) -> Option<T> {
        while self.held.len() > 1 {
            self.merge(&mut add);
        }
        self.pushed = 0;
        self.held.pop()
    }

    fn merge(&mut self, add: &mut impl FnMut(&mut T, T)) {
        if let Some(last) = self.held.pop()
            && let Some(before) = self.held.last_mut()
        {
            add(before, last);
        }
    }
}

/// Whether `world` ranks can own equal groups of `lanes` lanes of which each is a subtree: then the sum over ranks of the
/// sums over their lanes has the bits of the sum over the lanes.
pub fn fits(lanes: usize, world: usize) -> bool {
    world > 0 && lanes > 0 && lanes.is_multiple_of(world) && (world == 1 || (lanes / world).is_power_of_two())
}

/// All numbers of ranks that [`fit`](fits) a number of lanes, the smallest first.
pub fn worlds(lanes: usize) -> Vec<usize> {
    (1..=lanes).filter(|world| fits(lanes, *world)).collect()
}

/// The lanes that a rank owns, of `lanes` that [`fit`](fits) its world.
pub fn own(lanes: usize, place: Place) -> Range<usize> {
    let count = lanes / place.world;
    place.rank * count..(place.rank + 1) * count
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition: what is added to what, written out.
    fn defined(parts: &[String]) -> String {
        if parts.len() == 1 {
            return parts[0].clone();
        }
        let (left, right) = parts.split_at(parts.len().next_power_of_two() / 2);
        format!("({}+{})", defined(left), defined(right))
    }

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|i| i.to_string()).collect()
    }

    /// What [`merges`] does.
    fn merged(mut parts: Vec<String>) -> String {
        for (into, from) in merges(parts.len()) {
            parts[into] = format!("({}+{})", parts[into], parts[from]);
        }
        parts.swap_remove(0)
    }

    #[test]
    fn merges_and_the_stack_follow_the_definition() {
        assert_eq!(merges(0).chain(merges(1)).count(), 0);
        assert_eq!(defined(&names(7)), "(((0+1)+(2+3))+((4+5)+6))");
        for n in 1..200 {
            assert_eq!(merged(names(n)), defined(&names(n)), "{n}");
            let mut stack = Stack::default();
            let add = |a: &mut String, b: String| *a = format!("({a}+{b})");
            for round in 0..2 {
                for part in names(n) {
                    stack.push(part, add);
                    let bits = usize::BITS - n.leading_zeros();
                    assert!(stack.held.len() <= bits as usize, "{n}, round {round}");
                }
                assert_eq!(stack.finish(add), Some(defined(&names(n))), "{n}, round {round}");
            }
            assert_eq!(stack.finish(add), None);
        }
    }

    #[test]
    fn ranks_that_fit_make_the_tree_over_the_lanes_and_others_do_not() {
        for lanes in 1..40 {
            for world in 1..=lanes {
                if lanes % world != 0 {
                    assert!(!fits(lanes, world));
                    continue;
                }
                let parts = names(lanes);
                let of = |rank| defined(&parts[own(lanes, Place { rank, world })]);
                let same = merged((0..world).map(of).collect()) == defined(&parts);
                assert_eq!(fits(lanes, world), same, "{world} ranks, {lanes} lanes");
            }
        }
        assert_eq!(worlds(8), [1, 2, 4, 8]);
        assert_eq!(worlds(12), [1, 3, 6, 12]);
        assert_eq!(worlds(6), [1, 3, 6]);
        assert_eq!(worlds(0), []);
        assert!(!fits(0, 1) && !fits(4, 0) && !fits(4, 8));
    }

    proptest! {
        #[test]
        fn sums_of_lists_and_of_parts_are_in_that_order(
            lists in (1_usize..20, 0_usize..9).prop_flat_map(|(n, length)| {
                prop::collection::vec(prop::collection::vec(-1e6_f32..1e6, length), n)
            }),
            repeat in prop::sample::select(vec![1_usize, 700]),
        ) {
            // longer than a block
            let lists: Vec<Vec<f32>> = lists.iter().map(|list| list.repeat(repeat)).collect();
            let length = lists[0].len();
            let mut stack = Stack::default();
            let add = |a: &mut Vec<f32>, b: Vec<f32>| super::add(a, &b);
            lists.iter().for_each(|list| stack.push(list.clone(), add));
            let wanted = stack.finish(add).unwrap();
            let mut parts = lists.concat();
            parts.extend(vec![7.0; length.saturating_sub(1)]);
            sum_parts(&mut parts, length);
            prop_assert_eq!(&parts[..length], &wanted);
            prop_assert!(parts[lists.len() * length..].iter().all(|value| *value == 7.0));
            let mut lists = lists;
            let mut borrowed: Vec<&mut [f32]> = lists.iter_mut().map(Vec::as_mut_slice).collect();
            sum_lists(&mut borrowed);
            prop_assert_eq!(&lists[0], &wanted);
        }
    }
}
