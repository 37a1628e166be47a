//! Sums over ranks in the order of the tree: every rank sums one part of the values for all.

use std::cell::RefCell;
use std::ops::AddAssign;

use bytemuck::Pod;

use crate::place::Place;
use crate::tree;

/// Values that are exchanged at once, in all parts together.
pub const BUCKET: usize = 16 << 20;

/// Memory that a [`Collective`](crate::Collective) keeps from sum to sum.
#[derive(Debug, Default)]
pub struct Scratch(RefCell<Buffers>);

#[derive(Debug, Default)]
struct Buffers {
    send: Vec<f64>,
    into: Vec<f64>,
}

/// The first `count` values of a buffer that grows where it is too short.
fn values<T: Pod>(buffer: &mut Vec<f64>, count: usize) -> &mut [T] {
    const { assert!(size_of::<T>() <= size_of::<f64>() && align_of::<T>() <= align_of::<f64>()) };
    let words = (count * size_of::<T>()).div_ceil(size_of::<f64>());
    if buffer.len() < words {
        buffer.resize(words, 0.0);
    }
    &mut bytemuck::cast_slice_mut(buffer)[..count]
}

/// The sums over ranks of the values of all lists, at most about `bucket` of them at once. The lists are one row of values,
/// which is cut into buckets and each of these into a part for every rank, the last one filled up with zeros. `exchange`
/// sends each rank its part, `gather` brings all parts together.
pub fn in_buckets<T: Pod + AddAssign, E>(
    place: Place,
    scratch: &Scratch,
    lists: &mut [&mut [T]],
    bucket: usize,
    mut exchange: impl FnMut(&[u8], &mut [u8]) -> Result<(), E>,
    mut gather: impl FnMut(&[u8], &mut [u8]) -> Result<(), E>,
) -> Result<(), E> {
    let total: usize = lists.iter().map(|list| list.len()).sum();
    if place.world == 1 || total == 0 {
        return Ok(());
    }
    let buffers = &mut *scratch.0.borrow_mut();
    for start in (0..total).step_by(bucket) {
        let count = bucket.min(total - start);
        let part = count.div_ceil(place.world);
        let send = values::<T>(&mut buffers.send, part * place.world);
        let into = values::<T>(&mut buffers.into, part * place.world);
        each_piece(lists, start, count, |at, piece| send[at..at + piece.len()].copy_from_slice(piece));
        send[count..].fill(T::zeroed());
        exchange(bytemuck::cast_slice(send), bytemuck::cast_slice_mut(into))?;
        tree::sum_parts(into, part);
        gather(bytemuck::cast_slice(&into[..part]), bytemuck::cast_slice_mut(send))?;
        each_piece(lists, start, count, |at, piece| piece.copy_from_slice(&send[at..at + piece.len()]));
    }
    Ok(())
}

/// The pieces of lists that make the values `start..start + count` of their row, each with where it begins in these.
fn each_piece<T>(lists: &mut [&mut [T]], start: usize, count: usize, mut work: impl FnMut(usize, &mut [T])) {
    let mut before = 0;
    for list in lists {
        let (from, to) = (start.max(before), (start + count).min(before + list.len()));
        if from < to {
            work(from - start, &mut list[from - before..to - before]);
        }
        before += list.len();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Collective as _, ThreadRank, threads, tree};

    /// The lists of a lane: values of very different sizes, so that the order of a sum shows.
    fn lane<T: From<f32>>(lengths: &[usize], lane: usize) -> Vec<Vec<T>> {
        let mut state = 777 + lane as u64 * 7919;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            T::from(((state >> 33) as f32 / (1_u64 << 31) as f32 - 0.5) * 10_f32.powi((state >> 61) as i32))
        };
        lengths.iter().map(|length| (0..*length).map(|_| next()).collect()).collect()
    }

    fn sum_over<T: Pod + AddAssign>(rank: &ThreadRank, lists: &mut [Vec<T>], bucket: usize) {
        let mut lists: Vec<&mut [T]> = lists.iter_mut().map(Vec::as_mut_slice).collect();
        let (exchange, gather) = (
            |send: &[u8], into: &mut [u8]| rank.exchange(send, into),
            |mine: &[u8], all: &mut [u8]| rank.gather(mine, all),
        );
        in_buckets(rank.place(), rank.scratch(), &mut lists, bucket, exchange, gather).unwrap();
    }

    /// The sums over lanes by so many ranks, as each of them has them; one list.
    fn sums<T>(lanes: usize, world: usize, lengths: &[usize], bucket: usize) -> Vec<Vec<T>>
    where
        T: Pod + AddAssign + From<f32> + Send,
    {
        threads(world, |rank| {
            let own = tree::own(lanes, Place { rank: rank.place().rank, world });
            let mut stack = tree::Stack::default();
            let add = |a: &mut Vec<Vec<T>>, b: Vec<Vec<T>>| {
                a.iter_mut().zip(b).for_each(|(a, mut b)| tree::sum_lists(&mut [a, &mut b]));
            };
            own.for_each(|l| stack.push(lane::<T>(lengths, l), add));
            let mut lists = stack.finish(add).unwrap();
            for _ in 0..2 {
                // what a sum leaves behind does not reach the next one
                sum_over(&rank, &mut lists.clone(), bucket);
            }
            sum_over(&rank, &mut lists, bucket);
            lists.concat()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn bits_depend_on_lanes_alone(
            lanes in 1_usize..13,
            lengths in prop::collection::vec(0_usize..23, 0..4),
            bucket in prop::sample::select(vec![1_usize, 3, 8, 1000]),
        ) {
            let wanted = sums::<f32>(lanes, 1, &lengths, bucket).swap_remove(0);
            let wide = sums::<f64>(lanes, 1, &lengths, bucket).swap_remove(0);
            for world in tree::worlds(lanes) {
                for sum in sums::<f32>(lanes, world, &lengths, bucket) {
                    prop_assert!(sum.iter().zip(&wanted).all(|(a, b)| a.to_bits() == b.to_bits()) && sum.len() == wanted.len());
                }
                for sum in sums::<f64>(lanes, world, &lengths, bucket) {
                    prop_assert_eq!(&sum, &wide);
                }
            }
        }
    }

    #[test]
    fn another_order_gives_other_bits() {
        let wanted = sums::<f32>(4, 1, &[1000], BUCKET).swap_remove(0);
        let reduced = threads(4, |rank| {
            let mut values = lane::<f32>(&[1000], rank.place().rank).concat();
            rank.all_reduce(&mut values).unwrap();
            values
        });
        assert!(reduced.iter().all(|values| *values == reduced[0]));
        assert_ne!(reduced[0], wanted);
        let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-5 * a.abs().max(1e3);
        assert!(reduced[0].iter().zip(&wanted).all(near));
    }
}
