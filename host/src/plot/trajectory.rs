//! Energies of a token's candidates, step by step.

use ebt::StepReport;
use std::ops::ControlFlow;

use crate::certificate::Certified;

/// One step of one candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Index of the landscape that it was taken on, from 0.
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
    /// What a certificate records: the candidate that was kept.
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

/// Sees the steps of one descent.
#[derive(Debug)]
pub struct Recorder {
    /// Steps of every candidate.
    pub candidates: Vec<Vec<Step>>,
    /// Logits of every candidate after every step, if they are wanted.
    pub states: Option<Vec<Vec<Vec<f32>>>>,
}

impl Recorder {
    /// For a descent of as many candidates.
    pub fn new(candidates: usize, states: bool) -> Self {
        Self { candidates: vec![Vec::new(); candidates], states: states.then(|| vec![Vec::new(); candidates]) }
    }

    /// Records a step; the descent goes on.
    pub fn record(&mut self, step: &StepReport<'_>) -> ControlFlow<()> {
        if let Some(steps) = self.candidates.get_mut(step.candidate) {
            steps.push(Step {
                landscape: step.landscape as u32,
                before: f64::from(step.energy),
                after: step.energy_after.map(f64::from),
            });
        }
        if let Some(of) = self.states.as_mut().and_then(|states| states.get_mut(step.candidate)) {
            of.push(step.logits.to_vec());
        }
        ControlFlow::Continue(())
    }
}
