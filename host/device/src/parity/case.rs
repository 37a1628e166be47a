//! Reading a golden case.

use std::path::Path;

use anyhow::{Result, anyhow, bail};
use ebt_core::config::{Config, Head, ModelKind};
use ebt_core::objective::{Flow, LossSteps, Objective};
use ebt_core::parameters::{ParameterLayout, Role};
use ebt_core::training::Sequences;
use serde::Deserialize;

use ebt_model::format::CONFIG_KEY;
use ebt_model::model::config;
use ebt_model::weights::{Names, double, is_case_name, layout_for, read_parameters};
use ebt_model::{TensorFile, fields};

use super::batch;
use super::joint::ExpectedJoint;
use super::tensors::{scalar, tensor};

/// A golden case: a model, a batch and what the reference made of it.
#[derive(Debug)]
pub struct Case {
    /// Sizes and semantics.
    pub config: Config,
    /// Names, shapes and order of the parameters that `config` has. Masks that the file leaves to the configuration have no
    /// name.
    pub layout: ParameterLayout,
    /// Weights in layout order.
    pub weights: Vec<Vec<f64>>,
    /// Tokens and targets, or problems.
    pub sequences: Sequences,
    /// Settings of the reference's rollout and loss: a fixed number of steps, no noise.
    pub objective: Objective,
    /// Initial states `(B T, V)`, row-major.
    pub initial: Vec<f64>,
    /// What the reference computed from `initial` on `sequences`.
    pub expected: Expected,
    /// Tensors of the file that this program knows nothing to compare with.
    pub not_compared: Vec<String>,
    file: TensorFile,
}

/// Results of the reference, row-major.
#[derive(Debug)]
pub struct Expected {
    /// Whole loss `(1)`.
    pub loss: Vec<f64>,
    /// Cross entropy part `(1)`.
    pub reconstruction: Vec<f64>,
    /// Balance part `(1)`.
    pub balance: Vec<f64>,
    /// Cross entropy after every step `(S)`.
    pub step_losses: Vec<f64>,
    /// Energies before every step `(S, B, T)`; empty where there is no energy.
    pub energies: Vec<f64>,
    /// Directions `(S, B, T, V)`, of a joint model the gradients `G` alone; empty where there is no energy.
    pub gradients: Vec<f64>,
    /// States after every step `(S, B, T, V)`.
    pub states: Vec<f64>,
    /// What only cases of joint models hold.
    pub joint: Option<ExpectedJoint>,
}

/// Metadata of a golden case: what the reference minimised.
const OBJECTIVE: &str = "objective";

/// What the metadata [`OBJECTIVE`] says of the reference's loss, of a causal model.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Settings {
    detach: bool,
    truncate: bool,
    pad_id: Option<i64>,
}

impl Settings {
    fn objective(self, config: &Config) -> Objective {
        Objective {
            min_steps: config.landscapes,
            max_steps: config.landscapes,
            flow: if self.detach { Flow::Detached } else { Flow::Unrolled },
            loss: if self.truncate { LossSteps::Last } else { LossSteps::Mean },
            ..Objective::default()
        }
    }
}

impl Case {
    /// Reads a case.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, is no golden case, or contradicts itself; the message names file and tensor.
    pub fn open(path: &Path) -> Result<Self> {
        let file = TensorFile::open(path)?;
        let missing = |key: &str| anyhow!("{} is not a golden case: it has no metadata `{key}`", path.display());
        let config: Config = config(&file)?.ok_or_else(|| missing(CONFIG_KEY))?;
        let joint = config.kind == ModelKind::Joint;
        let (objective, ignored) = if joint {
            let objective = file.settings(OBJECTIVE, fields::OBJECTIVE, &fields::of_objective())?;
            (objective.ok_or_else(|| missing(OBJECTIVE))?, None)
        } else {
            let settings: Settings = file.json(OBJECTIVE)?.ok_or_else(|| missing(OBJECTIVE))?;
            (settings.objective(&config), settings.pad_id)
        };
        let mut layout = layout_for(&file, &config)?;
        if config.kind == ModelKind::Transformer {
            bail!("{} holds a baseline transformer; golden cases are energy-based models", path.display());
        }
        objective.validate()?;
        if objective.min_steps != objective.max_steps {
            bail!("{} is not a golden case: its number of steps is drawn", path.display());
        }
        let weights = weights(&file, &mut layout)?;
        check_gradient_names(&file, &layout)?;
        let sequences =
            if joint { batch::problems(&file, &config)? } else { batch::sequences(&file, &config, ignored)? };
        let (s, b, t, v) = (objective.min_steps, sequences.batch, sequences.context, config.vocab);
        let initial = tensor(&file, "case.initial_logits", &[b, t, v])?;
        let with_energy = |name: &str, shape: &[usize]| {
            if config.head == Head::Energy { tensor(&file, name, shape) } else { Ok(Vec::new()) }
        };
        let expected = Expected {
            loss: scalar(&file, "expect.loss")?,
            reconstruction: scalar(&file, "expect.reconstruction")?,
            balance: scalar(&file, "expect.balance")?,
            step_losses: tensor(&file, "expect.step_losses", &[s])?,
            energies: with_energy("expect.energies", &[s, b, t])?,
            gradients: with_energy("expect.gradients", &[s, b, t, v])?,
            states: tensor(&file, "expect.states", &[s, b, t, v])?,
            joint: joint.then(|| ExpectedJoint::read(&file, &config, [s, b, t])).transpose()?,
        };
        let not_compared = not_compared(&file, &config);
        Ok(Self { config, layout, weights, sequences, objective, initial, expected, not_compared, file })
    }

    /// The expected gradient of an interchange tensor; none if the reference's loss does not depend on it.
    ///
    /// # Errors
    ///
    /// A tensor that is not made of floating-point numbers of the parameter's shape.
    pub fn gradient(&self, name: &str) -> Result<Option<Vec<f64>>> {
        let full = format!("grad.{name}");
        let (Some(shape), Some(found)) = (self.file.shape(name), self.file.shape(&full)) else {
            return Ok(None);
        };
        if shape != found {
            bail!("tensor {full} is {found:?} instead of {shape:?}");
        }
        self.file.values(&full).map(Some)
    }
}

/// The weights in layout order. What no gradient moves, the masks of a joint model, follows from the configuration where the
/// file does not hold it; its name then goes from `layout`.
fn weights(file: &TensorFile, layout: &mut ParameterLayout) -> Result<Vec<Vec<f64>>> {
    let constants = layout.entries.iter_mut().filter(|entry| entry.role == Role::State);
    constants.for_each(|entry| entry.parts.retain(|part| file.shape(&part.name).is_some()));
    let mut weights = read_parameters(file, layout, "", is_case_name, double)?;
    for ids in layout.blocks.iter().filter_map(|block| block.relations) {
        let entry = &layout.entries[ids];
        if entry.parts.is_empty() {
            weights[ids] = (0..entry.len()).map(entry.initial(ids, 0)).collect();
        }
    }
    Ok(weights)
}

/// Refuses gradients of parameters that the model does not have.
fn check_gradient_names(file: &TensorFile, layout: &ParameterLayout) -> Result<()> {
    let names = Names::of(layout);
    let known: Vec<&str> = names.required().map(|(_, part)| part.name.as_str()).collect();
    let gradients = file.names().filter_map(|name| name.strip_prefix("grad."));
    let unknown: Vec<&str> = gradients.filter(|name| !known.contains(name)).collect();
    if !unknown.is_empty() {
        let path = file.path().display();
        bail!("{path} holds gradients of parameters that the model does not have: {}", unknown.join(", "));
    }
    Ok(())
}

/// `case.*` and `expect.*` tensors beyond those that are read.
fn not_compared(file: &TensorFile, config: &Config) -> Vec<String> {
    const COMMON: &[&str] = &[
        "case.targets",
        "case.initial_logits",
        "expect.loss",
        "expect.reconstruction",
        "expect.balance",
        "expect.step_losses",
        "expect.states",
    ];
    const ENERGY: &[&str] = &["expect.energies", "expect.gradients"];
    let of_kind: &[&str] = match (config.kind, config.head) {
        (ModelKind::Joint, Head::Energy) => ExpectedJoint::NAMES,
        (ModelKind::Joint, Head::Logits) => ExpectedJoint::NAMES_WITHOUT_ENERGY,
        _ => &["case.tokens"],
    };
    let energy = if config.head == Head::Energy { ENERGY } else { &[] };
    let known = |name: &str| [COMMON, energy, of_kind].iter().any(|list| list.contains(&name));
    let ours = |name: &&str| (name.starts_with("case.") || name.starts_with("expect.")) && !known(name);
    file.names().filter(ours).map(str::to_owned).collect()
}
