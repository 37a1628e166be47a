//! Training steps on random tokens and weights, timed.

use std::time::Instant;

use anyhow::Result;
use ebt_core::compute::Backend;
use ebt_core::config::Config;
use ebt_core::objective::Objective;
use ebt_core::optimizer::OptimizerConfig;
use ebt_core::parameters::{ParameterInfo, ParameterLayout};
use ebt_core::random::{Purpose, Stream};
use ebt_core::training::{Part, Sequences, StepSettings, Trainer};
pub use ebt_cpu::ProfileEntry;
use ebt_cpu::kernel::element::Element;
use ebt_cpu::{Cpu, Mixed};
use ebt_ranks::tree;

use crate::device::with_memory;
use crate::ranks::Ranks;
use crate::weights::random_weights;

/// Which steps are timed.
#[derive(Clone, Debug)]
pub struct TimedSteps {
    /// Sizes of the model, whose weights are random.
    pub model: Config,
    /// What is minimised.
    pub objective: Objective,
    /// Sequences of a lane.
    pub batch: usize,
    /// Lanes of a step, which the ranks can share.
    pub lanes: usize,
    /// Positions of a sequence.
    pub context: usize,
    /// Number of timed steps, the first `warmup` steps not counted.
    pub steps: usize,
    /// Steps before the timed ones.
    pub warmup: usize,
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Seconds of every timed step, of the slowest rank.
    pub times: Vec<f64>,
    /// Seconds of as many sums of the gradients alone, of the slowest rank; none where there is one.
    pub sums: Vec<f64>,
    /// Loss of the last step.
    pub loss: f64,
    /// Most memory held, of the rank that held most: of the process on the processor, taken from the device on a GPU,
    /// workspaces included.
    pub peak_bytes: Option<u64>,
    /// What a run without a device takes, GPU only.
    pub planned_bytes: Option<u64>,
    /// Name of the backend.
    pub name: String,
}

impl Measured {
    /// What rank by rank was measured, as all of them see it.
    fn of_all(self, ranks: &Ranks) -> Result<Self> {
        let (times, sums) = (ranks.most(&self.times)?, ranks.most(&self.sums)?);
        let peak = ranks.most(&[self.peak_bytes.unwrap_or(0) as f64])?[0] as u64;
        Ok(Self { times, sums, peak_bytes: self.peak_bytes.map(|own| own.max(peak)), ..self })
    }
}

/// Times steps on the processor, together with other ranks; alone, with `profile`, the timed steps by part and operation, too.
///
/// # Errors
///
/// Threads or memory that cannot be had, a model that cannot be built, a loss that is not finite, a rank that is lost.
pub fn on_processor(
    timed: &TimedSteps,
    ranks: &Ranks,
    (threads, mixed): (usize, bool),
    profile: bool,
) -> Result<(Measured, Vec<ProfileEntry>)> {
    match mixed {
        true => on_processor_in::<Mixed>(timed, ranks, threads, profile),
        false => on_processor_in::<f32>(timed, ranks, threads, profile),
    }
}

fn on_processor_in<E: Element>(
    timed: &TimedSteps,
    ranks: &Ranks,
    threads: usize,
    profile: bool,
) -> Result<(Measured, Vec<ProfileEntry>)> {
    let b = match profile {
        true => Cpu::<E>::with_profile(threads),
        false => Cpu::<E>::with_ranks(threads, ranks.on_processors()),
    };
    b.status()?;
    let measured = with_memory(|| measure(&b, timed, ranks, || b.reset_profile()))?;
    Ok((Measured { peak_bytes: peak_bytes(), ..measured }.of_all(ranks)?, b.profile()))
}

/// Times steps on a GPU, together with other ranks; what the backend notes about them comes with it.
///
/// # Errors
///
/// As [`on_processor`], and a GPU that cannot be used.
#[cfg(feature = "cuda")]
pub fn on_gpu(timed: &TimedSteps, ranks: &Ranks, options: &ebt_cuda::Options) -> Result<(Measured, Vec<String>)> {
    let world = ranks.collective.place().world;
    let (opened, dry) = match world {
        1 => (ebt_cuda::Cuda::new(options), ebt_cuda::Cuda::dry(options.precision)),
        _ => (
            ebt_cuda::Cuda::with_ranks(options, &ranks.on_gpus(options.device)?),
            ebt_cuda::Cuda::dry_with_ranks(options.precision, world, crate::ranks::sums(ranks.fast)),
        ),
    };
    let b = opened.map_err(|why| anyhow::anyhow!("the GPU cannot be used: {why}"))?;
    measure(&dry, &TimedSteps { steps: 1, warmup: 2, ..timed.clone() }, ranks, || ())?;
    let planned_bytes = Some(dry.memory_report().most_reserved as u64);
    let measured = measure(&b, timed, ranks, || ())?;
    let notes = b.steps().iter().filter_map(|step| step.note.clone()).collect();
    let peak_bytes = Some(b.memory_report().most_reserved as u64);
    Ok((Measured { peak_bytes, planned_bytes, ..measured }.of_all(ranks)?, notes))
}

/// Times steps, and the sums of their gradients alone; `warm` is called before the first timed step.
fn measure<B: Backend>(b: &B, timed: &TimedSteps, ranks: &Ranks, warm: impl Fn()) -> Result<Measured> {
    let TimedSteps { batch, lanes, context, steps, warmup, .. } = *timed;
    let place = ranks.collective.place();
    let own = tree::own(lanes, place);
    let (first, count) = (own.start * batch, own.len() * batch);
    let optimizer = OptimizerConfig { beta2: 0.999, alpha_rate: 1.0, ..OptimizerConfig::default() };
    let layout = ParameterLayout::new(&timed.model);
    let upload = |(e, w): (&ParameterInfo, Vec<f32>)| b.upload(e.rows, e.columns, &w);
    let weights = layout.entries.iter().zip(random_weights(&layout)).map(upload).collect();
    let tokens = Stream::new(0, 0, Purpose::Test);
    let token = |i: usize| tokens.below(i as u64, timed.model.vocab as u64) as u32;
    let ids: Vec<Vec<u32>> =
        (first..first + count).map(|s| (0..=context).map(|t| token(s * (context + 1) + t)).collect()).collect();
    let sequences = Sequences {
        batch: count,
        context,
        tokens: ids.iter().flat_map(|s| &s[..context]).copied().collect(),
        targets: ids.iter().flat_map(|s| &s[1..]).copied().collect(),
        ..Sequences::default()
    };
    let all = batch * lanes;
    let part = Part { lanes, first, sequences: all, positions: all * context, stop: false };
    let mut trainer = Trainer::with_weights(b, timed.model.clone(), timed.objective.clone(), optimizer, weights)?;
    let (mut times, mut loss) = (Vec::with_capacity(steps), f64::NAN);
    for step in 0..warmup + steps {
        if step == warmup {
            warm();
        }
        let (number, part) = (step as u32, Some(part));
        let settings = StepSettings { seed: 0, step: number, rate: 1e-4, micro_batch: batch, ema_decay: 0.999, part };
        let start = Instant::now();
        loss = trainer.step(b, &sequences, &settings)?.loss;
        if step >= warmup {
            times.push(start.elapsed().as_secs_f64());
        }
    }
    // their memory serves the sums
    drop(trainer);
    let mut sums = Vec::new();
    if place.world > 1 {
        let mut gradients: Vec<B::Array> = layout.entries.iter().map(|e| b.fill(e.rows, e.columns, 0.0)).collect();
        for at in 0..=steps {
            let seconds = ranks.timed(b, &mut gradients)?;
            if at > 0 {
                sums.push(seconds);
            }
        }
    }
    Ok(Measured { times, sums, loss, peak_bytes: None, planned_bytes: None, name: b.name().to_owned() })
}

/// Most memory this process ever held, where the system reports it.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}
