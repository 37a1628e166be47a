//! What is generated: drawn from a fixed seed, so that every run and every language has the same cases.

use ebt::{DescentOptions, Noise, Sampling, Selection, StepSize, Tolerance};
use ebt_core::random::{Purpose, Stream};
use serde_json::{Value, json};

/// One request.
#[derive(Clone, Debug)]
pub struct Case {
    pub prompt: String,
    pub tokens: usize,
    pub think: DescentOptions,
    pub sampling: Sampling,
}

/// Bits of numbers, in hexadecimal.
pub trait Hex {
    fn hex(&self) -> String;
}

impl Hex for f32 {
    fn hex(&self) -> String {
        format!("{:08x}", self.to_bits())
    }
}

impl Hex for [f32] {
    fn hex(&self) -> String {
        self.iter().map(|x| format!(" {}", x.hex())).collect()
    }
}

const PROMPTS: [&str; 6] =
    ["", "Ankara", "Türkiye'nin 81 ilinde", "Bir varmış, bir yokmuş.\n\n", "İSTANBUL 1453 \u{feff}", "ağ🙂 "];

/// Draws from a stream, one number after the other.
struct Draws(Stream, u64);

impl Draws {
    fn below(&mut self, n: usize) -> usize {
        self.1 += 1;
        self.0.below(self.1, n as u64) as usize
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// Every kind of prompt, seed, temperature, filter, step size, noise and number of candidates.
pub fn cases() -> Vec<Case> {
    (0..40).map(|number| case(&mut Draws(Stream::new(11, number, Purpose::Test), 0))).collect()
}

fn case(d: &mut Draws) -> Case {
    let sampling = Sampling {
        temperature: d.of(&[0.0, 0.7, 1.0, 1.7]),
        top_k: d.of(&[0, 0, 1, 40]),
        top_p: d.of(&[1.0, 0.95, 0.3]),
        min_p: d.of(&[0.0, 0.0, 0.05]),
    };
    let noise = d.of(&[
        Noise::None,
        Noise::None,
        Noise::Langevin { sigma: 0.1 },
        Noise::Temperature { tau: 0.01 },
        Noise::Metropolis { tau: 0.01, warm_up: 2 },
    ]);
    let curvature = d.of(&[0, 0, 3]);
    let free = matches!(noise, Noise::None | Noise::Langevin { .. });
    let sampled = matches!(noise, Noise::Metropolis { .. });
    let step_size = match d.below(if free { 4 } else { 2 }) {
        0 => StepSize::Model,
        1 => StepSize::Fixed(0.5),
        2 => StepSize::ARMIJO,
        // C takes the products of both from one field
        _ => StepSize::Curvature { c: 0.8, iterations: curvature.max(1) },
    };
    let curvature = match step_size {
        StepSize::Curvature { iterations, .. } => iterations,
        _ if sampled => 0,
        _ => curvature,
    };
    let tolerance = if sampled { 0.0 } else { d.of(&[0.0, 0.0, 1e-3]) };
    let think = DescentOptions {
        steps: d.of(&[0, 1, 4, 8]),
        step_size,
        noise,
        tolerance: Tolerance { energy: tolerance, dissipation: tolerance * 1e-3, min_steps: d.below(3) },
        candidates: d.of(&[1, 1, 2, 4]),
        choose: d.of(&[Selection::Energy, Selection::Drop]),
        certify: true,
        curvature,
        seed: d.of(&[0, 7, u64::MAX, 1 << 40]) ^ d.below(1000) as u64,
        ..DescentOptions::default()
    };
    Case { prompt: d.of(&PROMPTS).to_owned(), tokens: 1 + d.below(12), think, sampling }
}

impl Case {
    /// Flags of `ebt generate`.
    pub fn flags(&self) -> Vec<String> {
        let (t, s) = (&self.think, &self.sampling);
        let step_size = match t.step_size {
            StepSize::Model => "model".to_owned(),
            StepSize::Fixed(x) => x.to_string(),
            StepSize::Armijo { .. } => "armijo".to_owned(),
            StepSize::Curvature { c, .. } => format!("curvature:{c}"),
            other => panic!("{other:?} has no flag"),
        };
        let noise = match t.noise {
            Noise::None => "none".to_owned(),
            Noise::Langevin { sigma } => format!("langevin:{sigma}"),
            Noise::Temperature { tau } => format!("temperature:{tau}"),
            Noise::Metropolis { tau, warm_up } => format!("mala:{tau}:{warm_up}"),
            other => panic!("{other:?} has no flag"),
        };
        let choose = if t.choose == Selection::Drop { "drop" } else { "energy" };
        let mut flags = vec![
            format!("--prompt={}", self.prompt),
            format!("--tokens={}", self.tokens),
            format!("--seed={}", t.seed),
            format!("--temperature={}", s.temperature),
            format!("--top-k={}", s.top_k),
            format!("--top-p={}", s.top_p),
            format!("--min-p={}", s.min_p),
            format!("--step-size={step_size}"),
            format!("--noise={noise}"),
            format!("--tolerance={}", t.tolerance.energy),
            format!("--dissipation={}", t.tolerance.dissipation),
            format!("--min-steps={}", t.tolerance.min_steps),
            format!("--candidates={}", t.candidates),
            format!("--choose={choose}"),
            format!("--curvature={}", t.curvature),
        ];
        flags.extend((t.steps > 0).then(|| format!("--think={}", t.steps)));
        flags
    }

    /// The kinds of step size and of noise with their numbers, as C and JavaScript have them.
    fn kinds(&self) -> [(usize, &'static str, f32); 2] {
        let step_size = match self.think.step_size {
            StepSize::Model => (0, "model", 0.0),
            StepSize::Fixed(x) => (1, "fixed", x),
            StepSize::Armijo { .. } => (2, "armijo", 0.0),
            StepSize::Curvature { c, .. } => (3, "curvature", c),
            other => panic!("{other:?} has no number"),
        };
        let noise = match self.think.noise {
            Noise::None => (0, "none", 0.0),
            Noise::Langevin { sigma } => (1, "langevin", sigma),
            Noise::Temperature { tau } => (2, "temperature", tau),
            Noise::Metropolis { tau, .. } => (3, "metropolis", tau),
            other => panic!("{other:?} has no number"),
        };
        [step_size, noise]
    }

    fn warm_up(&self) -> u32 {
        if let Noise::Metropolis { warm_up, .. } = self.think.noise { warm_up } else { 0 }
    }

    /// Arguments of the C program, in the order in which it reads them.
    pub fn words(&self) -> Vec<String> {
        let (t, s) = (&self.think, &self.sampling);
        let [(size, _, value), (noise, _, noise_value)] = self.kinds();
        let numbers: [&dyn std::fmt::Display; 18] = [
            &t.seed,
            &t.steps,
            &t.candidates,
            &u8::from(t.choose == Selection::Drop),
            &t.curvature,
            &size,
            &value,
            &noise,
            &noise_value,
            &self.warm_up(),
            &t.tolerance.energy,
            &t.tolerance.dissipation,
            &t.tolerance.min_steps,
            &s.temperature,
            &s.top_k,
            &s.top_p,
            &s.min_p,
            &self.tokens,
        ];
        std::iter::once(self.prompt.clone()).chain(numbers.iter().map(|x| x.to_string())).collect()
    }

    /// Settings of JavaScript.
    pub fn settings(&self) -> Value {
        let (t, s) = (&self.think, &self.sampling);
        let [(_, size, value), (_, noise, noise_value)] = self.kinds();
        let single = |x: f32| x.to_string().parse::<f64>().unwrap();
        json!({
            "seed": t.seed.to_string(),
            "steps": t.steps,
            "candidates": t.candidates,
            "choose": if t.choose == Selection::Drop { "drop" } else { "energy" },
            "certify": t.certify,
            "curvature": t.curvature,
            "stepSize": size,
            "stepValue": single(value),
            "noise": noise,
            "noiseValue": single(noise_value),
            "warmUp": self.warm_up(),
            "toleranceEnergy": single(t.tolerance.energy),
            "toleranceDissipation": single(t.tolerance.dissipation),
            "minSteps": t.tolerance.min_steps,
            "temperature": single(s.temperature),
            "topK": s.top_k,
            "topP": single(s.top_p),
            "minP": single(s.min_p),
        })
    }
}
