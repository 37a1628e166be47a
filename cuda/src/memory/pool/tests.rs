use super::*;
use crate::driver::dry::Dry;
use proptest::prelude::*;

fn pool() -> Rc<Pool> {
    Rc::new(Pool::new(Rc::new(Dry::new())))
}

#[derive(Clone, Debug)]
enum Step {
    Take(usize),
    Drop(usize),
    Enter(u32),
    Dissolve(u32),
    Trim,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1usize..200_000).prop_map(Step::Take),
        5 => (0usize..64).prop_map(Step::Drop),
        2 => (0u32..4).prop_map(Step::Enter),
        1 => (1u32..4).prop_map(Step::Dissolve),
        1 => Just(Step::Trim),
    ]
}

proptest! {
    #[test]
    fn live_blocks_never_overlap_and_arenas_do_not_mix(steps in prop::collection::vec(step(), 1..200)) {
        let pool = pool();
        for _ in 0..3 {
            pool.new_arena();
        }
        let mut live: Vec<(Rc<Block>, usize, u32)> = Vec::new();
        // every address keeps the first arena it was taken from, unless that arena was dissolved
        let mut owner: HashMap<u64, u32> = HashMap::new();
        let mut dissolved = HashSet::new();
        let mut arena = COMMON;
        for step in steps {
            match step {
                Step::Take(bytes) => {
                    let block = pool.take(bytes).unwrap();
                    for (other, other_bytes, _) in &live {
                        let apart = block.address() + bytes as u64 <= other.address()
                            || other.address() + *other_bytes as u64 <= block.address();
                        prop_assert!(apart);
                    }
                    let before = *owner.entry(block.address()).or_insert(arena);
                    prop_assert!(before == arena || (dissolved.contains(&before) && arena == COMMON));
                    owner.insert(block.address(), arena);
                    live.push((block, bytes, arena));
                }
                Step::Drop(which) if !live.is_empty() => {
                    let which = which % live.len();
                    live.swap_remove(which);
                }
                Step::Drop(_) => {}
                Step::Enter(to) if !dissolved.contains(&to) => {
                    prop_assert_eq!(pool.enter(to), arena);
                    arena = to;
                }
                Step::Enter(_) => {}
                Step::Dissolve(which) => {
                    if which != arena {
                        pool.dissolve(which);
                        dissolved.insert(which);
                    }
                }
                Step::Trim => pool.trim(),
            }
            let report = pool.report();
            prop_assert_eq!(report.used, live.iter().map(|(block, _, _)| block.class).sum::<usize>());
            prop_assert!(report.used <= report.reserved && report.peak <= report.most_reserved);
        }
    }

    #[test]
    fn classes_are_aligned_and_waste_at_most_an_eighth(bytes in 1usize..1 << 40) {
        let class = Pool::class(bytes).unwrap();
        prop_assert!(class >= bytes && class.is_multiple_of(GRAIN));
        prop_assert!(class - bytes <= (bytes / 8).max(GRAIN));
        prop_assert_eq!(Pool::class(class), Some(class));
    }
}

#[test]
fn a_frozen_pool_takes_only_what_waits() {
    let pool = pool();
    let arena = pool.new_arena();
    drop(pool.take(4000).unwrap());
    pool.enter(arena);
    drop(pool.take(1000).unwrap());
    pool.freeze(true);
    let (own, spare) = (pool.take(1000).unwrap(), pool.take(4000).unwrap());
    assert_ne!(own.address(), spare.address());
    assert!(pool.take(1000).unwrap_err().contains("1024 bytes"));
    assert_eq!(pool.report().allocations, 2);
    // what was missing can be had afterwards
    pool.freeze(false);
    pool.provide(arena).unwrap();
    pool.freeze(true);
    assert!(pool.take(1000).is_ok());
    // the spare block has joined the arena
    drop(spare);
    pool.enter(COMMON);
    assert!(pool.take(4000).is_err());
}

#[test]
fn an_arena_gives_the_same_addresses_every_time() {
    let pool = pool();
    let arena = pool.new_arena();
    let run = || {
        let before = pool.enter(arena);
        let a = pool.take(512).unwrap();
        let b = pool.take(512).unwrap();
        let addresses = [a.address(), b.address()];
        drop(a);
        let c = pool.take(100).unwrap();
        let all = [addresses[0], addresses[1], c.address()];
        drop((b, c));
        pool.enter(before);
        all
    };
    let first = run();
    assert_eq!(run(), first);
    assert_eq!(run(), first);
}

#[test]
fn requests_beyond_all_memory_are_refused() {
    assert!(pool().take(usize::MAX).unwrap_err().starts_with("out of memory"));
}
