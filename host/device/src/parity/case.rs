//! Reading a golden case.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use ebt_core::config::{Config, ModelKind};
use ebt_core::objective::{Flow, LossSteps, Objective};
use ebt_core::parameters::ParameterLayout;
use ebt_core::training::{NO_TARGET, Sequences};
use serde::Deserialize;

use ebt_model::TensorFile;
use ebt_model::format::CONFIG_KEY;
use ebt_model::model::config;
use ebt_model::weights::{Names, double, is_case_name, layout_for, read_parameters};

/// A golden case: a model, a batch and what the reference made of it.
#[derive(Debug)]
pub struct Case {
    /// Sizes and semantics.
    pub config: Config,
    /// Names, shapes and order of the parameters that `config` has.
    pub layout: ParameterLayout,
    /// Weights in layout order.
    pub weights: Vec<Vec<f64>>,
    /// Tokens and targets.
    pub sequences: Sequences,
    /// Initial states `(B T, V)`, row-major.
    pub initial: Vec<f64>,
    /// What the reference computed from `initial` on `sequences`.
    pub expected: Expected,
    /// Tensors of the file that this program knows nothing to compare with.
    pub not_compared: Vec<String>,
    settings: Settings,
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
    /// Energies before every step `(S, B, T)`.
    pub energies: Vec<f64>,
    /// Directions `(S, B, T, V)`.
    pub gradients: Vec<f64>,
    /// States after every step `(S, B, T, V)`.
    pub states: Vec<f64>,
}

/// What the metadata `objective` says of the reference's loss.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Settings {
    detach: bool,
    truncate: bool,
    pad_id: Option<i64>,
}

/// Targets of this value have no loss when there is no padding token (PyTorch's default).
const IGNORE_INDEX: i64 = -100;

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
        let settings: Settings = file.json("objective")?.ok_or_else(|| missing("objective"))?;
        let layout = layout_for(&file, &config)?;
        if config.kind != ModelKind::Ebt {
            bail!("{} holds a baseline transformer; golden cases are energy-based models", path.display());
        }
        let weights = read_parameters(&file, &layout, "", is_case_name, double)?;
        check_gradient_names(&file, &layout)?;
        let sequences = sequences(&file, &config, settings)?;
        let (s, b, t, v) = (config.landscapes, sequences.batch, sequences.context, config.vocab);
        let read = |name: &str, shape: &[usize]| tensor(&file, name, shape);
        let scalar = |name: &str| match file.shape(name) {
            Some([1]) => read(name, &[1]),
            _ => read(name, &[]),
        };
        let initial = read("case.initial_logits", &[b, t, v])?;
        let expected = Expected {
            loss: scalar("expect.loss")?,
            reconstruction: scalar("expect.reconstruction")?,
            balance: scalar("expect.balance")?,
            step_losses: read("expect.step_losses", &[s])?,
            energies: read("expect.energies", &[s, b, t])?,
            gradients: read("expect.gradients", &[s, b, t, v])?,
            states: read("expect.states", &[s, b, t, v])?,
        };
        let not_compared = not_compared(&file);
        Ok(Self { config, layout, weights, sequences, initial, expected, not_compared, settings, file })
    }

    /// The objective of the reference's rollout: as many steps as landscapes, no noise.
    pub fn objective(&self) -> Objective {
        Objective {
            min_steps: self.config.landscapes,
            max_steps: self.config.landscapes,
            flow: if self.settings.detach { Flow::Detached } else { Flow::Unrolled },
            loss: if self.settings.truncate { LossSteps::Last } else { LossSteps::Mean },
            ..Objective::default()
        }
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

/// A tensor of floating-point numbers that must have `shape`.
fn tensor(file: &TensorFile, name: &str, shape: &[usize]) -> Result<Vec<f64>> {
    let path = file.path().display();
    match file.shape(name) {
        None => bail!("{path} is not a complete golden case: it holds no tensor {name}"),
        Some(found) if found != shape => bail!("tensor {name} of {path} is {found:?} instead of {shape:?}"),
        Some(_) => file.values(name),
    }
}

fn sequences(file: &TensorFile, config: &Config, settings: Settings) -> Result<Sequences> {
    let path = file.path().display();
    let (batch, context) = match file.shape("case.tokens") {
        Some(&[batch, context]) if batch > 0 && context > 0 => (batch, context),
        Some(shape) => bail!("tensor case.tokens of {path} is {shape:?}; (batch, context) is needed"),
        None => bail!("{path} is not a golden case: it holds no tensor case.tokens"),
    };
    if file.shape("case.targets") != Some(&[batch, context]) {
        bail!("tensor case.targets of {path} is missing or not shaped like case.tokens, [{batch}, {context}]");
    }
    let ignored = settings.pad_id.unwrap_or(IGNORE_INDEX);
    let id = |name: &str, value: i64| {
        u32::try_from(value).with_context(|| format!("{name} of {path} holds {value}, which is no token id"))
    };
    let tokens: Result<Vec<u32>> = file.integers("case.tokens")?.into_iter().map(|x| id("case.tokens", x)).collect();
    let target = |x: i64| if x == ignored { Ok(NO_TARGET) } else { id("case.targets", x) };
    let targets: Result<Vec<u32>> = file.integers("case.targets")?.into_iter().map(target).collect();
    let sequences = Sequences { batch, context, tokens: tokens?, targets: targets?, ..Sequences::default() };
    sequences.validate(config).with_context(|| path.to_string())?;
    Ok(sequences)
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
fn not_compared(file: &TensorFile) -> Vec<String> {
    const KNOWN: [&str; 10] = [
        "case.tokens",
        "case.targets",
        "case.initial_logits",
        "expect.loss",
        "expect.reconstruction",
        "expect.balance",
        "expect.step_losses",
        "expect.energies",
        "expect.gradients",
        "expect.states",
    ];
    let ours = |name: &&str| (name.starts_with("case.") || name.starts_with("expect.")) && !KNOWN.contains(name);
    file.names().filter(ours).map(str::to_owned).collect()
}
