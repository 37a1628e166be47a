//! Proof that core needs no std: a static program without libc or start files that trains a tiny model on the reference
//! backend, prints its loss by a raw system call, and exits with 0 only if training lowered it.

#![no_std]
#![no_main]

extern crate alloc;

mod heap;
mod machine;

use core::fmt::Write;

use ebt_core::config::Config;
use ebt_core::error::Error;
use ebt_core::objective::Objective;
use ebt_core::optimizer::OptimizerConfig;
use ebt_core::reference::{Arena, Reference};
use ebt_core::training::{Sequences, StepSettings, Trainer};
use machine::Output;

/// Loss before and after a few steps on one batch.
fn train() -> Result<(f64, f64), Error> {
    let arena = Arena::<f32>::new(1 << 17, 1 << 12);
    let backend = Reference::new(&arena);
    let config =
        Config { vocab: 11, dim: 8, layers: 1, heads: 2, ffn: 8, context: 6, alpha: 10.0, ..Config::default() };
    let tokens: alloc::vec::Vec<u32> = (0..12).map(|i| i * 3 % 11).collect();
    let targets = tokens.iter().map(|t| (t + 3) % 11).collect();
    let sequences = Sequences { batch: 2, context: 6, tokens, targets, ..Sequences::default() };
    let mut trainer = Trainer::new(&backend, config, Objective::default(), OptimizerConfig::default(), 1)?;
    let (mut first, mut last) = (f64::NAN, f64::NAN);
    for step in 0..8 {
        let settings = StepSettings { seed: 1, step, rate: 0.01, micro_batch: 2, ema_decay: 0.99, part: None };
        last = trainer.step(&backend, &sequences, &settings)?.loss;
        if step == 0 {
            first = last;
        }
    }
    Ok((first, last))
}

/// Called by the entry point with a stack that is aligned.
extern "C" fn main() -> ! {
    let learned = match train() {
        Ok((first, last)) => {
            let told = writeln!(Output, "trained without std: loss {first:.4} -> {last:.4}");
            told.is_ok() && last < first
        }
        Err(error) => {
            let _ = writeln!(Output, "failed: {error}");
            false
        }
    };
    machine::exit(i32::from(!learned))
}
