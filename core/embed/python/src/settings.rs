//! How a token or a problem is thought of, from keyword arguments.

use ebt::engine::descent::{DescentOptions, Noise, Sampling, Selection, StepSize};
use ebt::packed::Storage;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::refused;

/// Hessian-vector products a step where a curvature is asked for and no number of them.
const PRODUCTS: usize = 8;

/// The settings that `given` asks for, laid over `think`. What is drawn is refused unless there is a `sampling`.
pub fn settings(
    given: Option<&Bound<'_, PyDict>>,
    mut think: DescentOptions,
    mut sampling: Option<&mut Sampling>,
) -> PyResult<DescentOptions> {
    let mut shrink = None;
    for (key, value) in given.into_iter().flatten() {
        let name: String = key.extract()?;
        match (name.as_str(), &mut sampling) {
            ("steps", _) => think.steps = value.extract()?,
            ("commits", _) => think.commits = value.extract()?,
            ("candidates" | "starts", _) => think.candidates = value.extract()?,
            ("spread", _) => think.spread = value.extract()?,
            ("choose", _) => think.choose = selection(&value.extract::<String>()?)?,
            ("tolerance", _) => think.tolerance.energy = value.extract()?,
            ("dissipation", _) => think.tolerance.dissipation = value.extract()?,
            ("min_steps", _) => think.tolerance.min_steps = value.extract()?,
            ("certify", _) => think.certify = value.extract()?,
            ("assess", _) => think.assess = value.extract()?,
            ("curvature", _) => think.curvature = value.extract()?,
            ("seed", _) => think.seed = value.extract()?,
            ("step_size", _) => shrink = Some(value),
            ("noise", _) => think.noise = noise(&value)?,
            ("temperature", Some(sampling)) => sampling.temperature = value.extract()?,
            ("top_k", Some(sampling)) => sampling.top_k = value.extract()?,
            ("top_p", Some(sampling)) => sampling.top_p = value.extract()?,
            ("min_p", Some(sampling)) => sampling.min_p = value.extract()?,
            _ => return Err(refused(format!("there is no setting {name:?}"))),
        }
    }
    if let Some(value) = shrink {
        think.step_size = step_size(&value, think.curvature)?;
    }
    think.validate().map_err(crate::error::raised)?;
    Ok(think)
}

/// How keys and values are kept, by name.
pub fn storage(name: &str) -> PyResult<Storage> {
    Storage::named(name).ok_or_else(|| refused("cache: must be f32, f16, bf16, int8 or int4"))
}

fn selection(name: &str) -> PyResult<Selection> {
    Ok(match name {
        "energy" => Selection::Energy,
        "drop" => Selection::Drop,
        "free" => Selection::Free,
        "entropy" => Selection::Entropy,
        "residual" => Selection::Residual,
        "vote" => Selection::Vote,
        _ => return Err(refused("choose: must be energy, drop, free, entropy, residual or vote")),
    })
}

/// "model", "armijo", a number (`alpha`), ("scaled", eta) or ("curvature", c).
fn step_size(value: &Bound<'_, PyAny>, products: usize) -> PyResult<StepSize> {
    if let Ok(alpha) = value.extract::<f32>() {
        return Ok(StepSize::Fixed(alpha));
    }
    if let Ok((kind, x)) = value.extract::<(String, f32)>() {
        match kind.as_str() {
            "scaled" => return Ok(StepSize::Scaled(x)),
            "curvature" => {
                let iterations = if products > 0 { products } else { PRODUCTS };
                return Ok(StepSize::Curvature { c: x, iterations });
            }
            _ => {}
        }
    }
    match value.extract::<String>().as_deref() {
        Ok("model") => Ok(StepSize::Model),
        Ok("armijo") => Ok(StepSize::ARMIJO),
        _ => Err(refused(r#"step_size: must be "model", "armijo", a number, ("scaled", eta) or ("curvature", c)"#)),
    }
}

/// "none", ("langevin", sigma), ("temperature", tau) or ("mala", tau).
fn noise(value: &Bound<'_, PyAny>) -> PyResult<Noise> {
    if value.extract::<String>().is_ok_and(|name| name == "none") {
        return Ok(Noise::None);
    }
    match value.extract::<(String, f32)>() {
        Ok((kind, x)) => match kind.as_str() {
            "langevin" => Ok(Noise::Langevin { sigma: x }),
            "temperature" => Ok(Noise::Temperature { tau: x }),
            "mala" => Ok(Noise::Metropolis { tau: x, warm_up: 0 }),
            _ => Err(refused("noise: must be langevin, temperature or mala, with a number")),
        },
        Err(_) => Err(refused(r#"noise: must be "none", ("langevin", sigma), ("temperature", tau) or ("mala", tau)"#)),
    }
}
