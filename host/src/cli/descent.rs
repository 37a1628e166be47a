//! Flags that say how a token is thought about.

use std::num::NonZeroUsize;

use anyhow::{Result, anyhow, bail};
use ebt::engine::Error;
use ebt::engine::descent::{self, DescentOptions, Tolerance};
use ebt::packed::Isa;
use ebt_core::config::UpdateRule;

use super::names::{RULES, SELECTIONS, one_of};

/// More descent steps than this are refused: a run would not end.
const MOST_STEPS: usize = 4096;

/// More candidates than this are refused: each takes memory of several vocabularies.
const MOST_CANDIDATES: usize = 1024;

/// Hessian-vector products a step of `--step-size curvature:C` without `--curvature`.
const PRODUCTS: usize = 8;

/// The steps of `--think`, 0 where they are the model's.
///
/// # Errors
///
/// Too many.
pub fn steps(think: Option<NonZeroUsize>) -> Result<usize> {
    let steps = think.map_or(0, NonZeroUsize::get);
    if steps > MOST_STEPS {
        bail!("--think {steps}: at most {MOST_STEPS} steps");
    }
    Ok(steps)
}

/// The number of `--candidates`.
///
/// # Errors
///
/// Too many.
pub fn candidates(candidates: NonZeroUsize) -> Result<usize> {
    if candidates.get() > MOST_CANDIDATES {
        bail!("--candidates {candidates}: at most {MOST_CANDIDATES}");
    }
    Ok(candidates.get())
}

/// How a token is thought about.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Thinking")]
pub struct DescentArgs {
    /// Descent steps of every token, with --tolerance or --dissipation the most [default: as in training]
    #[arg(long, value_name = "N")]
    pub think: Option<NonZeroUsize>,
    /// Starts of every token, of which one is kept
    #[arg(long, value_name = "M", default_value = "1")]
    pub candidates: NonZeroUsize,
    /// Which candidate is kept: that of least energy, or of the largest drop of energy
    #[arg(long, value_parser = one_of(SELECTIONS), default_value = "energy", value_name = "BY")]
    pub choose: descent::Selection,
    /// model (the trained step size), a number, armijo (backtracking until the energy decreases enough), or curvature:C
    /// (C over the largest curvature; stable below C = 2)
    #[arg(long, value_name = "SIZE", default_value = "model", value_parser = StepSize::parse, allow_negative_numbers = true)]
    pub step_size: StepSize,
    /// How a state moves [default: as in training]
    #[arg(long, value_parser = one_of(RULES), value_name = "RULE")]
    pub rule: Option<UpdateRule>,
    /// none, langevin:S (standard deviation S), temperature:T (Langevin dynamics at temperature T), or mala:T[:N]
    /// (Metropolis-adjusted, its step size adapted during the first N transitions)
    #[allow(rustdoc::broken_intra_doc_links, reason = "the comment is the help that the program prints")]
    #[arg(long, value_name = "NOISE", default_value = "none", value_parser = noise)]
    pub noise: descent::Noise,
    /// Stop a descent once a step changes the energy by no more than E; 0 = off
    #[arg(long, value_name = "E", default_value_t = 0.0, allow_negative_numbers = true)]
    pub tolerance: f32,
    /// Stop a descent once the dissipation is no more than D; 0 = off
    #[arg(long, value_name = "D", default_value_t = 0.0, allow_negative_numbers = true)]
    pub dissipation: f32,
    /// Never stop before this many steps
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub min_steps: usize,
    /// Measure step size times largest curvature with K Hessian-vector products a step; 0 = off
    #[arg(long, value_name = "K", default_value_t = 0)]
    pub curvature: usize,
    /// Evaluate the energy after every step, too, so that certificates say whether it decreased
    #[arg(long)]
    pub certify: bool,
}

/// Step sizes; the products of `curvature` are another flag's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StepSize {
    /// As it is.
    Is(descent::StepSize),
    /// `C / lambda_max`.
    Curvature(f32),
}

/// The instructions of `--kernel`, a name of [`super::KERNELS`]; `auto` takes the widest that this processor has.
///
/// # Errors
///
/// Instructions that this processor does not have.
pub fn kernel(name: &str) -> Result<Isa> {
    match name {
        "auto" => Ok(Isa::detect()),
        _ => Isa::named(name)
            .ok_or_else(|| anyhow!("--kernel {name}: this processor has no such instructions; auto takes its fastest")),
    }
}

fn number(text: &str) -> Result<f32, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number"))
}

impl StepSize {
    /// `model`, a number, `armijo` or `curvature:C`.
    ///
    /// # Errors
    ///
    /// Anything else; the message lists these.
    pub fn parse(text: &str) -> Result<Self, String> {
        Ok(match text.split_once(':') {
            None if text == "model" => StepSize::Is(descent::StepSize::Model),
            None if text == "armijo" => StepSize::Is(descent::StepSize::ARMIJO),
            None => {
                let x = number(text).map_err(|_| String::from("must be model, a number, armijo or curvature:C"))?;
                StepSize::Is(descent::StepSize::Fixed(x))
            }
            Some(("curvature", c)) => StepSize::Curvature(number(c)?),
            Some(_) => return Err(String::from("must be model, a number, armijo or curvature:C")),
        })
    }

    /// The same of a descent; `products` Hessian-vector products a step measure a curvature, 0 for the usual number.
    pub fn core(self, products: usize) -> descent::StepSize {
        match self {
            StepSize::Is(size) => size,
            StepSize::Curvature(c) => {
                descent::StepSize::Curvature { c, iterations: if products > 0 { products } else { PRODUCTS } }
            }
        }
    }
}

fn noise(text: &str) -> Result<descent::Noise, String> {
    let parts: Vec<&str> = text.split(':').collect();
    Ok(match parts[..] {
        ["none"] => descent::Noise::None,
        ["langevin", s] => descent::Noise::Langevin { sigma: number(s)? },
        ["temperature", t] => descent::Noise::Temperature { tau: number(t)? },
        ["mala", t] => descent::Noise::Metropolis { tau: number(t)?, warm_up: 0 },
        ["mala", t, n] => {
            let warm_up = n.parse().map_err(|_| format!("`{n}` is not a number of transitions"))?;
            descent::Noise::Metropolis { tau: number(t)?, warm_up }
        }
        _ => return Err(String::from("must be none, langevin:S, temperature:T or mala:T[:N]")),
    })
}

impl DescentArgs {
    /// What is asked for.
    ///
    /// # Errors
    ///
    /// Flags out of their range or against one another; the message names one.
    pub fn request(&self, seed: u64) -> Result<DescentOptions> {
        let (steps, candidates) = (steps(self.think)?, candidates(self.candidates)?);
        if self.min_steps > MOST_STEPS {
            bail!("--min-steps {}: at most {MOST_STEPS} steps", self.min_steps);
        }
        let think = DescentOptions {
            steps,
            step_size: self.step_size.core(self.curvature),
            noise: self.noise,
            tolerance: Tolerance { energy: self.tolerance, dissipation: self.dissipation, min_steps: self.min_steps },
            candidates,
            choose: self.choose,
            certify: self.certify,
            curvature: self.curvature,
            seed,
        };
        think.validate().map_err(by_flag)?;
        Ok(think)
    }

    /// The first flag that asks for more than a number of steps.
    pub fn beyond_steps(&self) -> Option<&'static str> {
        let flags = [
            ("--candidates", self.candidates.get() > 1),
            ("--choose", self.choose != descent::Selection::Energy),
            ("--step-size", self.step_size != StepSize::Is(descent::StepSize::Model)),
            ("--rule", self.rule.is_some()),
            ("--noise", self.noise != descent::Noise::None),
            ("--tolerance", self.tolerance != 0.0),
            ("--dissipation", self.dissipation != 0.0),
            ("--min-steps", self.min_steps != 0),
            ("--curvature", self.curvature != 0),
            ("--certify", self.certify),
        ];
        flags.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag)
    }
}

/// An error that names the flag, where it is that of a session and names an option.
pub fn by_flag(error: impl Into<anyhow::Error>) -> anyhow::Error {
    let error = error.into();
    let Some(Error::Option { field, requirement }) = error.downcast_ref() else { return error };
    let flag = match *field {
        "steps" => "--think",
        "candidates" | "rows" => "--candidates",
        "curvature" => "--curvature",
        "temperature" => "--temperature",
        "top_p" => "--top-p",
        "min_p" => "--min-p",
        "tolerance.energy" | "tolerance" => "--tolerance",
        "tolerance.dissipation" => "--dissipation",
        _ if field.starts_with("step_size") => "--step-size",
        _ if field.starts_with("noise") => "--noise",
        _ => return error,
    };
    anyhow!("{flag}: {requirement}")
}
