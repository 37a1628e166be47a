//! Training steps on random tokens and weights, timed.

use std::time::Instant;

use anyhow::Result;
use ebt_core::compute::Backend;
use ebt_core::config::Config;
use ebt_core::objective::Objective;
use ebt_core::optimizer::OptimizerConfig;
use ebt_core::parameters::{ParameterInfo, ParameterLayout};
use ebt_core::random::{Purpose, Stream};
use ebt_core::training::{Sequences, StepSettings, Trainer};
use ebt_cpu::Cpu;
pub use ebt_cpu::ProfileEntry;

use crate::device::with_memory;
use crate::weights::random_weights;

/// Which steps are timed.
#[derive(Clone, Debug)]
pub struct TimedSteps {
    /// Sizes of the model, whose weights are random.
    pub model: Config,
    /// What is minimised.
    pub objective: Objective,
    /// Sequences of a step.
    pub batch: usize,
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
    /// Seconds of every timed step.
    pub times: Vec<f64>,
    /// Loss of the last step.
    pub loss: f64,
    /// Most memory held: of the process on the processor, taken from the device on a GPU, workspaces included.
    pub peak_bytes: Option<u64>,
    /// What a run without a device takes, GPU only.
    pub planned_bytes: Option<u64>,
    /// Name of the backend.
    pub name: String,
}

/// Times steps on the processor; with `profile`, the timed steps by part and operation, too.
///
/// # Errors
///
/// Threads or memory that cannot be had, a model that cannot be built, a loss that is not finite.
pub fn on_processor(timed: &TimedSteps, threads: usize, profile: bool) -> Result<(Measured, Vec<ProfileEntry>)> {
    let b = if profile { Cpu::<f32>::with_profile(threads) } else { Cpu::<f32>::new(threads) };
    b.status()?;
    let (times, loss) = with_memory(|| measure(&b, timed, || b.reset_profile()))?;
    let name = b.name().to_owned();
    Ok((Measured { times, loss, peak_bytes: peak_bytes(), planned_bytes: None, name }, b.profile()))
}

/// Times steps on a GPU; what the backend notes about them comes with it.
///
/// # Errors
///
/// As [`on_processor`], and a GPU that cannot be used.
#[cfg(feature = "cuda")]
pub fn on_gpu(timed: &TimedSteps, options: &ebt_cuda::Options) -> Result<(Measured, Vec<String>)> {
    let b = ebt_cuda::Cuda::new(options).map_err(|why| anyhow::anyhow!("the GPU cannot be used: {why}"))?;
    let dry = ebt_cuda::Cuda::dry(options.precision);
    measure(&dry, &TimedSteps { steps: 1, warmup: 2, ..timed.clone() }, || ())?;
    let planned_bytes = Some(dry.memory_report().most_reserved as u64);
    let (times, loss) = measure(&b, timed, || ())?;
    let notes = b.steps().iter().filter_map(|step| step.note.clone()).collect();
    let peak_bytes = Some(b.memory_report().most_reserved as u64);
    Ok((Measured { times, loss, peak_bytes, planned_bytes, name: b.name().to_owned() }, notes))
}

/// Seconds of every timed step, and the last loss; `warm` is called before the first timed step.
fn measure<B: Backend>(b: &B, timed: &TimedSteps, warm: impl Fn()) -> Result<(Vec<f64>, f64)> {
    let TimedSteps { batch, context, steps, warmup, .. } = *timed;
    let optimizer = OptimizerConfig { beta2: 0.999, alpha_rate: 1.0, ..OptimizerConfig::default() };
    let layout = ParameterLayout::new(&timed.model);
    let upload = |(e, w): (&ParameterInfo, Vec<f32>)| b.upload(e.rows, e.columns, &w);
    let weights = layout.entries.iter().zip(random_weights(&layout)).map(upload).collect();
    let tokens = Stream::new(0, 0, Purpose::Test);
    let token = |i: usize| tokens.below(i as u64, timed.model.vocab as u64) as u32;
    let ids: Vec<Vec<u32>> =
        (0..batch).map(|s| (0..=context).map(|t| token(s * (context + 1) + t)).collect()).collect();
    let sequences = Sequences {
        batch,
        context,
        tokens: ids.iter().flat_map(|s| &s[..context]).copied().collect(),
        targets: ids.iter().flat_map(|s| &s[1..]).copied().collect(),
        starts: Vec::new(),
    };
    let mut trainer = Trainer::with_weights(b, timed.model.clone(), timed.objective.clone(), optimizer, weights)?;
    let (mut times, mut loss) = (Vec::with_capacity(steps), f64::NAN);
    for step in 0..warmup + steps {
        if step == warmup {
            warm();
        }
        let settings =
            StepSettings { seed: 0, step: step as u32, rate: 1e-4, micro_batch: batch, ema_decay: 0.999, part: None };
        let start = Instant::now();
        loss = trainer.step(b, &sequences, &settings)?.loss;
        if step >= warmup {
            times.push(start.elapsed().as_secs_f64());
        }
    }
    Ok((times, loss))
}

/// Most memory this process ever held, where the system reports it.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}
