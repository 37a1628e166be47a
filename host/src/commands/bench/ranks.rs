//! Sums over the processes of a launcher, in the order of the canonical tree and as the engine finds fastest, in turns.

use std::io::{self, Write};
use std::num::NonZeroUsize;

use anyhow::{Result, bail};
use ebt_data::memory;
use ebt_device::sums::Turns;
use ebt_train::run_config::Precision;
use serde::Serialize;

use super::median::median;
use crate::cli::{Device, DeviceArgs, Output, RanksArgs, Team, start_threads, thread_count, whole, write_json_line};

/// What is summed.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Processes that each hold so many megabytes replace them by their sum: in the fixed order of the tree, the default of
training (train.sums=fixed), in turns with the sum of the engine itself (train.sums=fast), which is MPI_Allreduce on the
processor and ncclAllReduce on GPUs. Times are those of the slowest process; the first one prints them.

Examples:
  mpirun -n 4 ebt bench ranks
  srun --mpi=pmi2 -n 4 ebt bench ranks --megabytes 1,100,1000 --json
  torchrun --no-python --nproc-per-node 8 ebt bench ranks --backend cuda")]
pub struct Args {
    /// Sizes of the sums, in millions of bytes
    #[arg(long, value_name = "MB,...", value_delimiter = ',', default_value = "10,200")]
    #[arg(value_parser = whole::<usize>(1..=1 << 16))]
    megabytes: Vec<usize>,
    /// Timed sums of each kind and size, after one that does not count
    #[arg(long, default_value_t = 7, value_name = "N", value_parser = whole::<usize>(1..=1 << 16))]
    repeat: usize,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    ranks: RanksArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Seconds of sums of one kind.
#[derive(Clone, Copy, Debug, Serialize)]
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

/// Sums of one size.
#[derive(Clone, Copy, Debug, Serialize)]
struct Row {
    megabytes: usize,
    tree: Spread,
    all_reduce: Spread,
    /// Median of the tree over that of the engine's own sum.
    tree_over_all_reduce: f64,
    /// Bytes that a rank sends in a second of the tree, and as many that it receives; the median counts.
    bytes_per_second: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    ranks: usize,
    machines: usize,
    /// What carries the sums.
    engine: String,
    device: String,
    repeat: usize,
    /// Seconds.
    sums: Vec<Row>,
}

/// Measures and prints.
///
/// # Errors
///
/// A process without others, a device that cannot be used, a rank that is lost.
pub fn run(args: &Args) -> Result<()> {
    let team = args.ranks.join()?;
    team.run(|| measure(args, &team))?;
    team.finish()
}

fn measure(args: &Args, team: &Team) -> Result<()> {
    if !team.is_many() {
        bail!(
            "`bench ranks` times sums over processes, and this one is alone: put `mpirun -n N` before the command, or `srun \
             --mpi=pmi2 -n N` (`--mpi=pmix` for Open MPI); on GPUs also torchrun"
        );
    }
    let threads = args.device.threads.or_else(|| NonZeroUsize::new(team.share_of(thread_count(None))));
    let device = DeviceArgs { threads, local_rank: team.local_rank(), ..args.device }.choose(Precision::F32)?.device;
    team.check(&device)?;
    let bytes = |megabytes: &usize| *megabytes as u64 * 1_000_000;
    if matches!(device, Device::Cpu { .. }) {
        start_threads(threads)?;
        // what is summed in both ways, and what is exchanged of it at once
        let most = args.megabytes.iter().map(bytes).max().unwrap_or(0);
        memory::check("these sums", 4 * most, "smaller sizes of --megabytes take less")?;
    }
    let sizes: Vec<usize> =
        args.megabytes.iter().map(|megabytes| bytes(megabytes) as usize / size_of::<f32>()).collect();
    let (turns, name) = device.time_sums(&team.ranks(false), &sizes, args.repeat)?;
    if !team.place().is_first() {
        return Ok(());
    }
    let world = team.place().world;
    let report = Report {
        ranks: world,
        machines: team.machines(),
        engine: team.engine_on(&device),
        device: name,
        repeat: args.repeat,
        sums: args.megabytes.iter().zip(turns).map(|(megabytes, turns)| row(world, *megabytes, turns)).collect(),
    };
    let mut out = Output::of_results();
    match args.json {
        true => write_json_line(&mut out, &report)?,
        false => table(&report, &mut out)?,
    }
    Ok(out.flush()?)
}

fn row(world: usize, megabytes: usize, turns: Turns) -> Row {
    let [tree, all_reduce] = [turns.tree, turns.fast].map(spread);
    let sent = 2.0 * (world as f64 - 1.0) / world as f64 * 1e6 * megabytes as f64;
    let bytes_per_second = (sent / tree.median).round();
    Row { megabytes, tree, all_reduce, tree_over_all_reduce: tree.median / all_reduce.median, bytes_per_second }
}

fn spread(mut seconds: Vec<f64>) -> Spread {
    let median = median(&mut seconds);
    Spread { median, least: seconds[0], most: seconds[seconds.len() - 1] }
}

fn table(r: &Report, out: &mut impl Write) -> io::Result<()> {
    let plural = if r.machines == 1 { "" } else { "s" };
    writeln!(out, "{} ranks on {} machine{plural}, {}, {}", r.ranks, r.machines, r.engine, r.device)?;
    writeln!(out, "median (least to most) of {}, ms\n", r.repeat)?;
    let (tree, engine) = ("fixed tree", "engine's own");
    writeln!(out, "{:>8}  {tree:>28}  {engine:>28}{:>8}{:>18}", "MB", "ratio", "tree, GB/s a rank")?;
    for row in &r.sums {
        let [tree, engine] = [row.tree, row.all_reduce]
            .map(|s| format!("{:.2} ({:.2} to {:.2})", 1e3 * s.median, 1e3 * s.least, 1e3 * s.most));
        let (ratio, rate) = (row.tree_over_all_reduce, row.bytes_per_second / 1e9);
        writeln!(out, "{:>8}  {tree:>28}  {engine:>28}{ratio:>8.2}{rate:>18.2}", row.megabytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_tell_medians_and_what_a_rank_sends() {
        let row = row(4, 10, Turns { tree: vec![0.3, 0.1, 0.2], fast: vec![0.1, 0.1, 0.1, 0.3] });
        assert_eq!((row.tree.median, row.tree.least, row.tree.most), (0.2, 0.1, 0.3));
        assert_eq!((row.all_reduce.median, row.tree_over_all_reduce), (0.1, 2.0));
        assert_eq!(row.bytes_per_second, 1.5 * 10e6 / 0.2);
        let (ranks, machines, engine, device) = (4, 2, String::from("MPICH 5"), String::from("cpu"));
        let mut text = Vec::new();
        table(&Report { ranks, machines, engine, device, repeat: 3, sums: vec![row] }, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with("4 ranks on 2 machines, MPICH 5, cpu\n"), "{text}");
        assert!(text.contains("200.00 (100.00 to 300.00)"), "{text}");
    }
}
