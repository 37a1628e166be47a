//! Ranks that die, do not come, or share a GPU.

use std::process::exit;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ebt_core::compute::Backend;
use ebt_cuda::{Cuda, Options, Ranks, Sums, UniqueId};
use ebt_tests::stand_in;

use super::{Rank, Team, read, several_devices};
use crate::cuda::device::gpu_required;

/// Status of a rank whose backend failed.
const FAILED: i32 = 7;

/// Adds until that fails, and says why. Rank 0 alone is told who died.
pub(super) fn endless(rank: &Rank) {
    let mut ranks = rank.ranks(Sums::Fixed);
    if rank.rank == 0 {
        let lost = rank.folder.join("lost");
        ranks.lost = Some(Arc::new(move || read(&lost)));
    }
    let b = rank.open(&Options::default(), &ranks);
    let mut x = b.upload(100, 100, &[1e-30; 10_000]);
    for step in 0.. {
        b.sum_ranks(&mut [&mut x]);
        // the two ways to wait
        if rank.rank == 0 {
            let _ = b.synchronize();
        } else {
            b.download(&x, &mut [0.0; 10_000]);
        }
        if let Err(error) = b.status() {
            // later work is none, and nothing hangs on the way out
            b.sum_ranks(&mut [&mut x]);
            assert_eq!(b.sum_count(3), 3);
            drop((x, b));
            println!("{error}");
            exit(FAILED);
        }
        if step == 3 {
            rank.tell("adds");
        }
    }
}

/// A rank that is killed ends the others: the one that is told who died says so, and the others that it gave up.
#[test]
fn a_killed_rank_ends_the_others_with_a_sentence() {
    if !several_devices() {
        return;
    }
    let mut team = Team::start("endless", 3, 1);
    team.wait(|team| (0..3).all(|rank| team.told(rank).is_some()).then_some(()));
    team.children[1].kill().expect("a process of this one");
    std::thread::sleep(Duration::from_millis(200));
    assert!([0, 2].into_iter().all(|rank| team.children[rank].try_wait().expect("a process").is_none()), "who waits?");
    let (path, text) = (team.folder.path().join("lost"), "rank 1 (node2, pid 4711) ended");
    let begun = Instant::now();
    std::fs::write(path.with_extension("new"), text).expect("a file");
    std::fs::rename(path.with_extension("new"), path).expect("a file");
    for rank in [0, 2] {
        assert_eq!(team.end(rank).code(), Some(FAILED), "{}", team.said(rank));
    }
    // two seconds on a machine that does nothing else
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let (first, last) = (team.said(0), team.said(2));
    assert!(first.contains(&format!("rank 0 of 3 cannot go on: {text}")), "{first}");
    assert!(last.contains("rank 2 of 3 cannot go on: the ranks' common work"), "{last}");
    assert!(last.contains("NCCL result 6 (remote process exited or there was a network error"), "{last}");
}

fn ranks(rank: usize, world: usize, id: UniqueId, patience: Duration) -> Ranks {
    Ranks { rank, world, id, sums: Sums::Fixed, patience, lost: None }
}

/// Ranks that do not come are not waited for for ever, nor is one that is known to be dead.
#[test]
fn absent_ranks_are_said() {
    if gpu_required() {
        return; // NCCL itself says more, and takes longer
    }
    stand_in::install();
    let id = || UniqueId::new().unwrap_or_else(|why| panic!("{why}"));
    let refused = |ranks: &Ranks| Cuda::with_ranks(&Options::default(), ranks).map(|_| ()).unwrap_err();
    let alone = ranks(0, 2, id(), Duration::from_millis(50));
    assert_eq!(refused(&alone), "rank 0 of 2 cannot go on: the ranks do not meet within 0.05 s");
    let told = Ranks { lost: Some(Arc::new(|| Some("rank 1 ended".to_owned()))), ..ranks(0, 2, id(), Duration::MAX) };
    assert_eq!(refused(&told), "rank 0 of 2 cannot go on: rank 1 ended");
    let none = refused(&ranks(2, 2, id(), Duration::MAX));
    assert!(none.starts_with("there is no rank 2 of 2"), "{none}");
}

/// Two ranks on one GPU are refused by NCCL too; the sentence that names them comes before, from the devices' identities.
#[test]
fn two_ranks_on_one_device_are_refused() {
    if gpu_required() {
        return; // it needs a GPU a rank to come so far
    }
    stand_in::install();
    let device = ebt_cuda::device_uuid(0).expect("a device");
    let text = ebt_cuda::shared_device(&[device, device]).expect("a refusal");
    assert!(text.starts_with("ranks 0 and 1 have the same GPU (GPU-00000000-"), "{text}");
    assert!(ebt_cuda::device_uuid(1).is_err());

    let id = UniqueId::new().unwrap_or_else(|why| panic!("{why}"));
    let open = |rank| Cuda::with_ranks(&Options::default(), &ranks(rank, 2, id, Duration::from_secs(60))).map(|_| ());
    let both = std::thread::scope(|scope| {
        let threads = [0, 1].map(|rank| scope.spawn(move || open(rank)));
        threads.map(|thread| thread.join().expect("no panic"))
    });
    for result in both {
        let text = result.unwrap_err();
        assert!(text.contains("NCCL result 5") || text.contains("NCCL result 6"), "{text}");
    }
}
