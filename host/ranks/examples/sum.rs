//! One rank of a sum in the order of the tree: `mpirun -n 4 sum 8 1000003` sums 8 lanes of 1,000,003 values, and every rank
//! prints a hash of the sums. `sum 8 1000003 REPEAT` does so REPEAT times and takes the time of it, and of the library's own sum.
//! `sum 8 1000003 end RANK` lets rank RANK die before the sum, `fail RANK` lets it give up, `wait RANK` lets it wait for ever.

use std::io::Write as _;
use std::process::{abort, exit};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use ebt_ranks::launch::Ranks;
use ebt_ranks::{Joined, Lost, World, join, tree};

/// Values of very different sizes, so that the order of a sum shows.
fn lane(lane: usize, count: usize) -> Vec<f32> {
    let mut state = 777 + lane as u64 * 7919;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((state >> 33) as f32 / (1_u64 << 31) as f32 - 0.5) * 10_f32.powi((state >> 61) as i32)
    };
    (0..count).map(|_| next()).collect()
}

fn hash(values: &[f32]) -> u64 {
    values.iter().fold(0, |hash: u64, value| hash.rotate_left(5) ^ u64::from(value.to_bits()))
}

/// Writes a line at once: launchers put the lines of many ranks together, and may kill this one in the middle.
fn complain(error: &impl std::fmt::Display) {
    let _ = std::io::stderr().write_all(format!("error: {error}\n").as_bytes());
}

fn run() -> Result<()> {
    let env = |name: &str| std::env::var(name).ok();
    let world = World::find(Ranks::Auto, &env)?;
    world.check_processor()?;
    let on_loss = |lost: &Lost| {
        complain(lost);
        exit(1);
    };
    let joined = join(world, "sum 1", &env, Box::new(on_loss))?;
    match sum(&joined) {
        Ok(()) => Ok(joined.finish()?),
        Err(error) => {
            // a loss is told by whoever was called for it
            if joined.control.lost_by_now().is_none() {
                complain(&format!("rank {}: {error:#}", joined.world.place.rank));
                joined.abandon(&format!("{error:#}"));
            }
            exit(1)
        }
    }
}

fn sum(joined: &Joined) -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).and_then(|text| text.parse::<usize>().ok());
    let (lanes, count) = number(0).zip(number(1)).context("usage: sum LANES VALUES [REPEAT | end RANK]")?;
    let place = joined.world.place;
    ensure!(
        tree::fits(lanes, place.world),
        "{} ranks do not fit {lanes} lanes: use {:?}",
        place.world,
        tree::worlds(lanes)
    );
    let add = |a: &mut Vec<f32>, b: Vec<f32>| a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
    let mut stack = tree::Stack::default();
    tree::own(lanes, place).for_each(|at| stack.push(lane(at, count), add));
    let own = stack.finish(add).context("there are no lanes")?;
    joined.control.during("the sum");
    match arguments.get(2).map(String::as_str).filter(|_| number(3) == Some(place.rank)) {
        Some("end") => abort(),
        Some("fail") => bail!("the disk is full"),
        Some("wait") => loop {
            thread::park();
        },
        _ => {}
    }
    let (mut sums, mut fixed, mut fast) = (own.clone(), f64::MAX, f64::MAX);
    for _ in 0..number(2).unwrap_or(1) {
        sums.copy_from_slice(&own);
        joined.control.gather("ready", &[])?;
        let start = Instant::now();
        joined.collective.sum(&mut [&mut sums])?;
        fixed = fixed.min(start.elapsed().as_secs_f64());
        let mut reduced = own.clone();
        joined.control.gather("ready", &[])?;
        let start = Instant::now();
        joined.collective.all_reduce(&mut reduced)?;
        fast = fast.min(start.elapsed().as_secs_f64());
    }
    let hash = hash(&sums);
    let all = joined.control.gather("hash", &hash.to_le_bytes())?;
    ensure!(all.iter().all(|other| *other == hash.to_le_bytes()), "the ranks have different sums");
    if place.is_first() {
        let engine = joined.engine.as_deref().unwrap_or("nothing");
        let mut out = std::io::stdout();
        write!(out, "{hash:016x} by {} ranks over {engine}", place.world)?;
        if number(2).is_some() {
            write!(out, ": fixed {:.1} ms, all-reduce {:.1} ms", fixed * 1e3, fast * 1e3)?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn main() {
    if let Err(error) = run() {
        complain(&format!("{error:#}"));
        exit(1);
    }
}
