//! What golden cases of joint energies hold beyond those of causal ones.

use anyhow::Result;
use ebt_core::config::{Config, Head};
use ebt_model::TensorFile;

use super::tensors::{scalar, tensor};

/// What the reference says of problems, row-major; all but the first empty where there is no energy.
#[derive(Debug, Default)]
pub struct ExpectedJoint {
    /// Lyapunov part of the loss `(1)`.
    pub lyapunov: Vec<f64>,
    /// Free energies `F = E + tau sum P log P` before every step and after the last `(S + 1, B)`.
    pub free_energies: Vec<f64>,
    /// Dissipations `sum Var_P(G + tau Y)` before every step `(S, B)`.
    pub dissipations: Vec<f64>,
    /// Entropies `-sum P log P` before every step `(S, B)`.
    pub entropies: Vec<f64>,
    /// A direction `u` and `H u` at the initial state, `H` the Hessian of the energy by `P`, each `(B, T, V)`.
    pub curvature: Option<[Vec<f64>; 2]>,
}

impl ExpectedJoint {
    /// The tensors that [`ExpectedJoint::read`] reads, with those of the batch.
    pub(super) const NAMES: &[&str] = &[
        "case.allowed",
        "case.starts",
        "case.hvp_u",
        "expect.hvp",
        "expect.lyapunov",
        "expect.free_energies",
        "expect.dissipations",
        "expect.entropies",
    ];
    /// The same of a model without an energy.
    pub(super) const NAMES_WITHOUT_ENERGY: &[&str] = &["case.allowed", "case.starts", "expect.lyapunov"];

    /// Reads a case of `steps` steps, `batch` problems and `context` positions.
    ///
    /// # Errors
    ///
    /// Tensors that are missing or misshapen.
    pub(super) fn read(file: &TensorFile, config: &Config, [steps, batch, context]: [usize; 3]) -> Result<Self> {
        let lyapunov = scalar(file, "expect.lyapunov")?;
        if config.head != Head::Energy {
            return Ok(Self { lyapunov, ..Self::default() });
        }
        let shape = [batch, context, config.vocab];
        let curvature =
            |_| -> Result<_> { Ok([tensor(file, "case.hvp_u", &shape)?, tensor(file, "expect.hvp", &shape)?]) };
        Ok(Self {
            lyapunov,
            free_energies: tensor(file, "expect.free_energies", &[steps + 1, batch])?,
            dissipations: tensor(file, "expect.dissipations", &[steps, batch])?,
            entropies: tensor(file, "expect.entropies", &[steps, batch])?,
            curvature: file.shape("case.hvp_u").map(curvature).transpose()?,
        })
    }
}
