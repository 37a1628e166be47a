//! Flags that say how a token is thought about.

use std::num::NonZeroUsize;
use std::ops::Bound;

use anyhow::{Result, anyhow};
use ebt::engine::Error;
use ebt::engine::descent::{self, DescentOptions, Tolerance};
use ebt::packed::Isa;
use ebt_core::config::UpdateRule;

use super::names::{CHOICES, RULES, SELECTIONS, one_of};
use super::number::{real, whole};

/// More descent steps than this are refused: a run would not end.
pub const MOST_STEPS: u64 = 4096;

/// More candidates than this are refused: each takes memory of several vocabularies.
pub const MOST_CANDIDATES: u64 = 1024;

/// Hessian-vector products a step of `--step-size curvature:C` without `--curvature`.
const PRODUCTS: usize = 8;

/// Most Hessian-vector products a step.
pub const MOST_PRODUCTS: u64 = 32;

/// Parser of a number of descent steps.
pub fn steps() -> impl Fn(&str) -> Result<NonZeroUsize, String> + Clone + Send + Sync {
    whole(1..=MOST_STEPS)
}

/// Share of the most probable token's probability that a token needs where nobody says otherwise: what comes nearest to a writer of the choices in
/// `fixtures/results/sampling.txt`.
pub const MIN_P: f32 = 0.1;

/// Parser of a number of candidates.
pub fn candidates() -> impl Fn(&str) -> Result<NonZeroUsize, String> + Clone + Send + Sync {
    whole(1..=MOST_CANDIDATES)
}

/// How a token is thought about.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Thinking")]
pub struct DescentArgs {
    /// Descent steps of every token, with --tolerance or --dissipation the most [default: as in training]
    #[arg(long, value_name = "N", value_parser = steps())]
    pub think: Option<NonZeroUsize>,
    /// Starts of every token, of which one is kept
    #[arg(long, value_name = "M", default_value = "1", value_parser = candidates())]
    pub candidates: NonZeroUsize,
    /// Which candidate is kept: that of least energy, or of the largest drop of energy
    #[arg(long, value_parser = one_of(SELECTIONS), default_value = "energy", value_name = "BY")]
    pub choose: descent::Selection,
    /// How a state moves [default: as in training]
    #[arg(long, value_parser = one_of(RULES), value_name = "RULE")]
    pub rule: Option<UpdateRule>,
    /// How the energy is descended on.
    #[command(flatten)]
    pub dynamics: DynamicsArgs,
}

/// Descents of problems whose unknowns depend on each other, boards and letters: how many, and which is kept.
#[derive(Clone, Debug, clap::Args)]
pub struct SearchArgs {
    /// Rounds of committing: after each the surest cells (letters) are fixed, and the model thinks again
    #[arg(long, value_name = "T", default_value_t = 1, value_parser = whole::<usize>(1..=4096))]
    pub commits: usize,
    /// Starts, of which one is kept; the first is as in training, the others are noise; for models with an energy
    #[arg(long, value_name = "K", default_value = "1", value_parser = candidates())]
    pub starts: NonZeroUsize,
    /// Which start is kept: that of least energy, of least free energy, entropy or residual, or the answer that most give
    #[arg(long, value_parser = one_of(CHOICES), default_value = "free", value_name = "BY")]
    pub choose: descent::Selection,
}

/// How an energy is descended on: of text and of boards.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Thinking")]
pub struct DynamicsArgs {
    /// model (the trained step size), a number, armijo (backtracking until the energy decreases enough), or curvature:C
    /// (C over the largest curvature; stable below C = 2) [default: model]
    #[arg(long, value_name = "SIZE", value_parser = StepSize::parse)]
    pub step_size: Option<StepSize>,
    /// none, langevin:S (standard deviation S), temperature:T (Langevin dynamics at temperature T), or mala:T[:N]
    /// (Metropolis-adjusted, its step size adapted during the first N transitions)
    #[allow(rustdoc::broken_intra_doc_links, reason = "the comment is the help that the program prints")]
    #[arg(long, value_name = "NOISE", default_value = "none", value_parser = noise)]
    pub noise: descent::Noise,
    /// Stop a descent once a step changes the energy by no more than E; 0 = off
    #[arg(long, value_name = "E", default_value_t = 0.0, value_parser = real::<f32>(0.0..))]
    pub tolerance: f32,
    /// Stop a descent once the dissipation is no more than D; 0 = off
    #[arg(long, value_name = "D", default_value_t = 0.0, value_parser = real::<f32>(0.0..))]
    pub dissipation: f32,
    /// Never stop before this many steps
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = whole::<usize>(0..=MOST_STEPS))]
    pub min_steps: usize,
    /// Measure step size times largest curvature with K Hessian-vector products a step; 0 = off
    #[arg(long, value_name = "K", default_value_t = 0, value_parser = whole::<usize>(0..=MOST_PRODUCTS))]
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

/// A number above 0.
fn positive(text: &str) -> Result<f32, String> {
    real((Bound::Excluded(0.0), Bound::Unbounded))(text)
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
                let either = |wrong| format!("must be model, a number, armijo or curvature:C; the number {wrong}");
                StepSize::Is(descent::StepSize::Fixed(positive(text).map_err(either)?))
            }
            Some(("curvature", c)) => StepSize::Curvature(positive(c).map_err(|wrong| format!("C {wrong}"))?),
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

/// `none`, `langevin:S`, `temperature:T` or `mala:T[:N]`.
///
/// # Errors
///
/// Anything else; the message lists these.
pub fn noise(text: &str) -> Result<descent::Noise, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let tau = |text: &str| positive(text).map_err(|wrong| format!("T {wrong}"));
    Ok(match parts[..] {
        ["none"] => descent::Noise::None,
        ["langevin", s] => descent::Noise::Langevin { sigma: real(0.0..)(s).map_err(|wrong| format!("S {wrong}"))? },
        ["temperature", t] => descent::Noise::Temperature { tau: tau(t)? },
        ["mala", t] => descent::Noise::Metropolis { tau: tau(t)?, warm_up: 0 },
        ["mala", t, n] => {
            let warm_up = whole(0..=u64::from(u32::MAX))(n).map_err(|wrong| format!("N {wrong}"))?;
            descent::Noise::Metropolis { tau: tau(t)?, warm_up }
        }
        _ => return Err(String::from("must be none, langevin:S, temperature:T or mala:T[:N]")),
    })
}

impl DescentArgs {
    /// What is asked for.
    ///
    /// # Errors
    ///
    /// Flags against one another; the message names one.
    pub fn request(&self, seed: u64) -> Result<DescentOptions> {
        let think = DescentOptions {
            steps: self.think.map_or(0, NonZeroUsize::get),
            candidates: self.candidates.get(),
            choose: self.choose,
            seed,
            ..DescentOptions::default()
        };
        let think = self.dynamics.laid_over(think);
        think.validate().map_err(by_flag)?;
        Ok(think)
    }

    /// The first flag that asks for more than a number of steps.
    pub fn beyond_steps(&self) -> Option<&'static str> {
        if self.candidates.get() > 1 { Some("--candidates") } else { self.beyond_candidates() }
    }

    /// The first flag that asks for more than a number of steps and of candidates.
    pub fn beyond_candidates(&self) -> Option<&'static str> {
        let flags = [("--choose", self.choose != descent::Selection::Energy), ("--rule", self.rule.is_some())];
        let given = flags.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag);
        given.or_else(|| self.dynamics.first_given())
    }
}

impl DynamicsArgs {
    /// `think` with what the flags say; its own step size stays where none is named.
    pub fn laid_over(&self, think: DescentOptions) -> DescentOptions {
        DescentOptions {
            step_size: self.step_size.map_or(think.step_size, |size| size.core(self.curvature)),
            noise: self.noise,
            tolerance: Tolerance { energy: self.tolerance, dissipation: self.dissipation, min_steps: self.min_steps },
            certify: self.certify || think.certify,
            curvature: self.curvature,
            ..think
        }
    }

    /// The first flag that is given.
    fn first_given(&self) -> Option<&'static str> {
        let flags = [
            ("--step-size", self.step_size.is_some()),
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
    let inner = match error.downcast_ref() {
        Some(ebt::Error::Engine(inner)) => Some(inner),
        _ => error.downcast_ref::<Error>(),
    };
    let Some(Error::Option { field, requirement }) = inner else { return error };
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
