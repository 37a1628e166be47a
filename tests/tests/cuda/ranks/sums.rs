//! Sums, counts and broadcasts over ranks.

use ebt_core::compute::{Backend, Compute};
use ebt_cuda::{Cuda, Options, Precision, Ranks, Sums, UniqueId};
use ebt_tests::{Draw, stand_in};

use super::{Rank, Team, several_devices};
use crate::cuda::device::{gpu_required, open};

/// Sizes of the matrices: one element, odd numbers, none that divide evenly among ranks.
const SHAPES: [(usize, usize); 4] = [(1, 1), (7, 13), (1, 250), (5, 3)];
/// A count that needs more than 32 bits.
const COUNT: u64 = (1 << 33) + 5;

/// Numbers of a wide range, so that the order of a sum shows in its bits.
fn numbers(rank: usize) -> Vec<Vec<f32>> {
    let draw = Draw::new(77 + rank as u64);
    let one = |_| (draw.normal() * (6.0 * draw.normal()).exp()) as f32;
    SHAPES.iter().map(|(rows, columns)| (0..rows * columns).map(one).collect()).collect()
}

fn upload(b: &Cuda, rank: usize) -> Vec<ebt_cuda::Matrix> {
    SHAPES.iter().zip(numbers(rank)).map(|(&(rows, columns), x)| b.upload(rows, columns, &x)).collect()
}

fn bits(b: &Cuda, list: &[ebt_cuda::Matrix]) -> Vec<u32> {
    let one = |m: &ebt_cuda::Matrix| {
        let mut out = vec![0.0; m.len()];
        b.download(m, &mut out);
        out.into_iter().map(f32::to_bits)
    };
    list.iter().flat_map(one).collect()
}

/// The canonical tree over ranks, element by element.
fn tree(ranks: std::ops::Range<usize>) -> Vec<f32> {
    if ranks.len() == 1 {
        return numbers(ranks.start).concat();
    }
    let middle = ranks.start + ranks.len().next_power_of_two() / 2;
    tree(ranks.start..middle).into_iter().zip(tree(middle..ranks.end)).map(|(a, b)| a + b).collect()
}

/// What a rank does and tells: the bits of both kinds of sums.
pub(super) fn sum(rank: &Rank) {
    let mut told = Vec::new();
    for sums in [Sums::Fixed, Sums::Fast] {
        let b =
            rank.open(&Options { precision: Precision::Bf16, poison: true, ..Options::default() }, &rank.ranks(sums));
        assert_eq!(b.place(), (rank.rank, rank.world));
        let mut list = upload(&b, rank.rank);
        // another handle keeps its numbers, and the copy for products follows
        let kept = list[1].clone();
        let x = b.upload(1, 250, &[0.5; 250]);
        let before = bits(&b, &[b.linear(&x, &list[2])]);
        b.sum_ranks(&mut list.iter_mut().collect::<Vec<_>>());
        assert_eq!(bits(&b, &[kept]), bits(&b, &upload(&b, rank.rank)[1..2]));
        let mut summed = vec![0.0; 250];
        b.download(&list[2], &mut summed);
        let (after, want) = (b.linear(&x, &list[2]), b.linear(&x, &b.upload(1, 250, &summed)));
        assert_eq!(bits(&b, &[after]), bits(&b, std::slice::from_ref(&want)));
        assert_ne!(bits(&b, &[want]), before);
        told.push(bits(&b, &list));

        let count = b.sum_count(COUNT + rank.rank as u64);
        assert_eq!(count, rank.world as u64 * COUNT + (0..rank.world as u64).sum::<u64>());
        let mut list = upload(&b, rank.rank);
        b.broadcast(&mut list.iter_mut().collect::<Vec<_>>());
        assert_eq!(bits(&b, &list), bits(&b, &upload(&b, 0)));
        assert_eq!(b.status(), Ok(()));
    }
    rank.tell(&serde_json::to_string(&told).expect("numbers"));
}

/// Fixed sums have the bits of the tree; fast ones are the same everywhere, and from four ranks on not those of the tree.
#[test]
fn fixed_sums_are_those_of_the_tree_whatever_nccl_does() {
    if !several_devices() {
        return;
    }
    for world in [2, 3, 4] {
        let told = Team::start("sum", world, 2).finish();
        let told: Vec<[Vec<u32>; 2]> = told.iter().map(|text| serde_json::from_str(text).expect("numbers")).collect();
        let tree: Vec<u32> = tree(0..world).into_iter().map(f32::to_bits).collect();
        for (rank, [fixed, fast]) in told.iter().enumerate() {
            assert!(*fixed == tree, "rank {rank} of {world} has other bits");
            assert!(*fast == told[0][1], "rank {rank} of {world} has other bits than rank 0");
            assert_eq!(*fast == tree, world == 2, "fast sums of {world} ranks");
        }
    }
}

/// One rank through NCCL sends to itself; this is what one GPU can show.
#[test]
fn one_rank_is_its_own_sum() {
    if gpu_required() {
        if let Err(problem) = ebt_cuda::nccl() {
            eprintln!("not run: {problem}");
            return;
        }
    } else {
        stand_in::install();
    }
    for sums in [Sums::Fixed, Sums::Fast] {
        // refuses what is no GPU where one is required
        drop(open(&Options::default(), 0));
        let id = UniqueId::new().unwrap_or_else(|why| panic!("{why}"));
        let ranks = Ranks { rank: 0, world: 1, id, sums, patience: std::time::Duration::from_secs(60), lost: None };
        let b = Cuda::with_ranks(&Options::default(), &ranks).unwrap_or_else(|why| panic!("{why}"));
        let mut list = upload(&b, 0);
        for _ in 0..2 {
            b.sum_ranks(&mut list.iter_mut().collect::<Vec<_>>());
        }
        b.broadcast(&mut list.iter_mut().collect::<Vec<_>>());
        assert_eq!(bits(&b, &list), bits(&b, &upload(&b, 0)));
        assert_eq!(b.sum_count(COUNT), COUNT);
        assert_eq!(b.status(), Ok(()));
    }
}
