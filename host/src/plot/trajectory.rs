//! Energies of a token's candidates, step by step.

use anyhow::Result;
use ebt_core::generate::Session;
use ebt_core::generate::descent::{Continue, StepReport, Think};

use crate::generate::certificate::Certified;

/// One step of one candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Its landscape.
    pub landscape: u32,
    /// Energy before it.
    pub before: f64,
    /// Energy after it on the same landscape, where it was evaluated.
    pub after: Option<f64>,
}

/// The descents of one token.
#[derive(Clone, Debug, PartialEq)]
pub struct Trajectory {
    /// Text of the token that was drawn.
    pub piece: String,
    /// Steps of every candidate that is known.
    pub candidates: Vec<Vec<Step>>,
    /// Which of these was kept.
    pub chosen: usize,
}

impl Trajectory {
    /// What a certificate tells: the candidate that was kept.
    pub fn of_certificate(token: &Certified) -> Self {
        let c = &token.certificate;
        let step = |(i, (&landscape, &before)): (usize, (&u32, &f32))| Step {
            landscape,
            before: f64::from(before),
            after: c.energies_after.get(i).map(|&e| f64::from(e)),
        };
        let steps = c.landscapes.iter().zip(&c.energies).enumerate().map(step).collect();
        Self { piece: token.piece.clone(), candidates: vec![steps], chosen: 0 }
    }
}

/// States of every candidate after every step, if they are wanted.
pub(crate) type States = Vec<Vec<Vec<f32>>>;

/// Thinks about the next token and records all candidates; `piece` is left empty.
///
/// # Errors
///
/// Those of the session.
pub(crate) fn record(
    session: &mut Session<'_, '_>,
    think: &Think,
    mut states: Option<&mut States>,
) -> Result<Trajectory> {
    let mut candidates = vec![Vec::new(); think.candidates];
    if let Some(states) = &mut states {
        **states = vec![Vec::new(); think.candidates];
    }
    let certificate = session.think(think, &mut |report: &StepReport<'_>| {
        if let Some(steps) = candidates.get_mut(report.candidate) {
            steps.push(Step {
                landscape: report.landscape as u32,
                before: f64::from(report.energy),
                after: report.energy_after.map(f64::from),
            });
        }
        if let Some(of) = states.as_mut().and_then(|states| states.get_mut(report.candidate)) {
            of.push(report.logits.to_vec());
        }
        Continue::Go
    })?;
    Ok(Trajectory { piece: String::new(), chosen: certificate.candidate, candidates })
}
