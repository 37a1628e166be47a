//! How a training step scales over ranks: a calculation from shapes and from rates of links. Nothing of it is measured.
//!
//! The model is that of H100 GPUs, eight in a machine, whose sums stand behind the work and do not overlap with it; a message
//! takes as long as its bytes do.

use anyhow::{Result, bail};
use ebt_ranks::tree;
use ebt_train::run_config::RunConfig;
use ebt_train::session::unfit;
use serde::Serialize;

use crate::plan::{ELEMENT, PlanReport};

/// What the numbers are and are not.
pub const BASIS: &str = "a calculation, not a measurement";

/// Most ranks: as many as a sum on GPUs takes.
pub const MOST_RANKS: usize = (1 << 12) - 1;

/// GPUs of a machine, which add among themselves over `NVLink` before machines exchange anything.
pub const OF_A_MACHINE: usize = 8;

/// Operations a second of a GPU: 35% of the 790 TFLOP/s that an H100 reaches in large products in bf16.
const RATE: f64 = 0.35 * 790e12;

/// Bytes a second of `NVLink` each way: 80% of 450 GB/s.
const NVLINK: f64 = 0.8 * 450e9;

/// What joins GPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// `NVLink` between all ranks.
    NvLink,
    /// A port of 400 Gb/s `InfiniBand` for every GPU, 85% of it.
    InfiniBand,
    /// A port of 25 Gb/s Ethernet for every machine, 90% of it.
    Ethernet25,
    /// A port of 10 Gb/s Ethernet for every machine, 90% of it.
    Ethernet10,
}

impl Link {
    /// Name, explanation and value of every link, the fastest first.
    pub const ALL: &[(&str, &str, Self)] = &[
        ("nvlink", "NVLink between all, 450 GB/s each way at 80%", Self::NvLink),
        ("ib", "InfiniBand, 400 Gb/s a GPU at 85%", Self::InfiniBand),
        ("25gbe", "Ethernet, 25 Gb/s a machine at 90%", Self::Ethernet25),
        ("10gbe", "Ethernet, 10 Gb/s a machine at 90%", Self::Ethernet10),
    ];

    /// Seconds in which `ranks` GPUs replace `bytes` by their sum.
    pub fn seconds(self, ranks: usize, bytes: f64) -> f64 {
        let machines = ranks.div_ceil(OF_A_MACHINE);
        let inside = ranks.div_ceil(machines);
        let machine = match self {
            Self::NvLink => return share(ranks) * bytes / NVLINK,
            // every GPU sends its own part of the sum of its machine
            Self::InfiniBand => 0.85 * 400e9 / 8.0 * inside as f64,
            Self::Ethernet25 => 0.9 * 25e9 / 8.0,
            Self::Ethernet10 => 0.9 * 10e9 / 8.0,
        };
        share(inside) * bytes / NVLINK + share(machines) * bytes / machine
    }
}

/// What one of `n` sends of what all of them add, and receives as much: its part to and from all, twice.
fn share(n: usize) -> f64 {
    2.0 * (n as f64 - 1.0) / n as f64
}

/// A training step on many ranks; see [`BASIS`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scaling {
    /// What the numbers are.
    pub basis: &'static str,
    /// Number of ranks.
    pub ranks: usize,
    /// Lanes of the whole step.
    pub lanes: usize,
    /// Lanes that a rank computes.
    pub lanes_a_rank: usize,
    /// Micro-batches that a rank computes.
    pub micro_batches_a_rank: usize,
    /// Tokens of a rank in a step.
    pub tokens_a_rank: usize,
    /// Bytes that a rank sends in a step, and as many that it receives.
    pub bytes_a_rank: u64,
    /// Most bytes alive at a time on a rank, on the device of the plan.
    pub peak_bytes_a_rank: usize,
    /// Operations of a rank in a step.
    pub flops_a_rank: u64,
    /// Seconds of these operations on an H100 in bf16.
    pub seconds_of_work: f64,
    /// The sum and the step by what joins the ranks.
    pub links: Vec<OverLink>,
}

/// A training step whose sum goes over a link.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct OverLink {
    /// Name of the link.
    pub link: &'static str,
    /// Seconds of the sum of the gradients.
    pub seconds_of_sum: f64,
    /// Seconds of the step.
    pub seconds_of_step: f64,
    /// Share of the step that is not spent in the sum.
    pub efficiency: f64,
}

/// Lays a new run out for so many ranks, as the command `train` does; the sentence says what became different.
///
/// # Errors
///
/// Ranks that cannot share the lanes or the sequences of a step evenly.
pub fn share_among(config: &mut RunConfig, ranks: usize) -> Result<Option<String>> {
    let told = config.train.share_among(ranks)?;
    let lanes = config.train.lanes();
    if !tree::fits(lanes, ranks) {
        bail!(unfit(lanes, ranks));
    }
    Ok(told)
}

/// The step of a configuration that [`share_among`] laid out on so many ranks, of which `rank` is the plan of one; over all
/// links, or over one.
pub fn scaling(config: &RunConfig, ranks: usize, rank: &PlanReport, link: Option<Link>) -> Scaling {
    let (lanes, bytes) = (config.train.lanes(), (rank.parameters * ELEMENT) as f64);
    let seconds_of_work = rank.flops as f64 / RATE;
    let over = |&(name, _, link): &(&'static str, &str, Link)| {
        let seconds_of_sum = link.seconds(ranks, bytes);
        let seconds_of_step = seconds_of_work + seconds_of_sum;
        OverLink { link: name, seconds_of_sum, seconds_of_step, efficiency: seconds_of_work / seconds_of_step }
    };
    Scaling {
        basis: BASIS,
        ranks,
        lanes,
        lanes_a_rank: lanes / ranks,
        micro_batches_a_rank: config.train.accumulate / ranks,
        tokens_a_rank: rank.tokens,
        bytes_a_rank: (share(ranks) * bytes).round() as u64,
        peak_bytes_a_rank: rank.peak_bytes,
        flops_a_rank: rank.flops,
        seconds_of_work,
        links: Link::ALL.iter().filter(|one| link.is_none_or(|link| link == one.2)).map(over).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tables of the design round to two digits and count some latency, which shows in the shortest sums alone.
    fn close(found: f64, table: f64) -> bool {
        (found / table - 1.0).abs() < 0.04
    }

    #[test]
    fn sums_take_what_the_design_says() {
        // parameters, and milliseconds of 8 ranks over NVLink, 64 and 1,024 over InfiniBand, 16 over Ethernet
        for (parameters, table) in [
            (207.2e6, [4.1, 8.5, 9.2, 299.0, 741.0]),
            (623e6, [12.0, 25.0, 27.0, 898.0, 2_228.0]),
            (1_351e6, [26.0, 54.0, 58.0, 1_948.0, 4_831.0]),
            (2_358e6, [46.0, 95.0, 101.0, 3_399.0, 8_429.0]),
        ] {
            let layouts = [
                (Link::NvLink, 8),
                (Link::InfiniBand, 64),
                (Link::InfiniBand, 1024),
                (Link::Ethernet25, 16),
                (Link::Ethernet10, 16),
            ];
            for ((link, ranks), table) in layouts.into_iter().zip(table) {
                let found = 1e3 * link.seconds(ranks, 4.0 * parameters);
                assert!(close(found, table), "{parameters} parameters, {ranks} ranks, {link:?}: {found} and {table}");
            }
        }
        for (_, _, link) in Link::ALL {
            assert_eq!(link.seconds(1, 1e9), 0.0);
            assert_eq!(link.seconds(8, 1e9), Link::NvLink.seconds(8, 1e9));
        }
    }
}
