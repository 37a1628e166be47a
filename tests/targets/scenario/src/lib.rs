//! What every target runs: a prompt is read, tokens are thought of in every way there is, a board is filled in, damaged text is
//! restored, and text, answers and energies are printed with all their bits, so that two machines can be compared byte by byte.
//!
//! Nothing here formats numbers by `core::fmt`, and no error is printed in words: the proof that no code panics is about
//! the model's own code.

#![no_std]

mod boards;
mod letters;
mod print;
mod words;

pub use boards::run as solve;
pub use letters::run as restore;

use core::ops::ControlFlow;
use ebt::packed::Storage;
use ebt::{
    Selection, Error, Generator, Noise, Options, Sampling, SessionOptions, Settings, StepReport, StepSize,
    DescentOptions, Tolerance,
};
use print::{decimal, hexadecimal, size};

/// What is generated from.
pub const PROMPT: &str = "Türkiye'nin 81 ilinde, Ankara'da ve İstanbul'da";

/// A way to think, and how many tokens are found that way.
struct Way {
    name: &'static str,
    settings: Settings,
    tokens: u32,
}

/// Extents with everything that may be asked for.
pub fn options() -> Options {
    let session = SessionOptions { block: 8, rows: 2, steps: 8, curvature: true, ..SessionOptions::default() };
    Options { session, prompt: 64 }
}

/// The least that generates: one candidate, the steps of the model.
pub fn small_options() -> Options {
    let session = SessionOptions { block: 1, rows: 1, steps: 3, trials: false, ..SessionOptions::default() };
    Options { session, prompt: 64 }
}

/// Every setting that leads to code of its own.
fn ways() -> [Way; 8] {
    let think = DescentOptions { seed: 7, certify: true, ..DescentOptions::default() };
    let sampling = Sampling { temperature: 0.7, top_k: 40, top_p: 0.95, min_p: 0.01 };
    let way = |name, tokens, think| Way { name, settings: Settings { think, sampling }, tokens };
    let drawn = Sampling { temperature: 0.0, ..sampling };
    let greedy = Way {
        name: "greedy",
        settings: Settings { think: DescentOptions { certify: false, ..think }, sampling: drawn },
        tokens: 4,
    };
    let tolerance = Tolerance { energy: 1e-4, dissipation: 1e-9, min_steps: 1 };
    let fixed = DescentOptions { step_size: StepSize::Fixed(0.5), ..think };
    [
        way("model", 12, think),
        greedy,
        way("armijo", 3, DescentOptions { steps: 6, step_size: StepSize::ARMIJO, tolerance, ..think }),
        way("curvature", 2, DescentOptions { steps: 3, step_size: StepSize::Curvature { c: 1.0, iterations: 4 }, ..think }),
        way("langevin", 2, DescentOptions { steps: 4, noise: Noise::Langevin { sigma: 0.1 }, ..fixed }),
        way("temperature", 2, DescentOptions { steps: 4, noise: Noise::Temperature { tau: 0.01 }, ..fixed }),
        way("metropolis", 2, DescentOptions { steps: 8, noise: Noise::Metropolis { tau: 0.01, warm_up: 2 }, ..fixed }),
        way("two starts", 2, DescentOptions { steps: 4, candidates: 2, choose: Selection::Drop, curvature: 2, ..think }),
    ]
}

/// Runs everything with `model` in `arena`; what is printed goes to `out`.
///
/// # Errors
///
/// The number of the step that failed, for an exit status.
pub fn run(model: &[u8], arena: &mut [u8], out: &mut dyn FnMut(&[u8])) -> Result<(), u32> {
    sizes(model, out).map_err(|_| 10u32)?;
    let mut generator = Generator::new(model, &options(), arena).map_err(|_| 11u32)?;
    for (number, way) in (20u32..).zip(&ways()) {
        generator.reset();
        generator.prompt(PROMPT).map_err(|_| 12u32)?;
        out(way.name.as_bytes());
        out(b":\n");
        generate(&mut generator, way, out).map_err(|_| number)?;
    }
    landscape(&mut generator, out).map_err(|_| 13u32)?;
    words::run(&mut generator, out).map_err(|_| 14u32)?;
    CACHES.into_iter().try_for_each(|(name, cache)| cached(model, arena, name, cache, out)).map_err(|_| 15u32)
}

/// Caches that are smaller than the usual one.
const CACHES: [(&[u8], Storage); 3] = [(b"f16", Storage::F16), (b"int8", Storage::Int8), (b"int4", Storage::Int4)];

fn of_cache(options: Options, cache: Storage) -> Options {
    Options { session: SessionOptions { cache, ..options.session }, ..options }
}

/// Some tokens with keys and values in another storage.
fn cached(model: &[u8], arena: &mut [u8], name: &[u8], cache: Storage, out: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
    let mut generator = Generator::new(model, &of_cache(options(), cache), arena)?;
    generator.prompt(PROMPT)?;
    out(b"cache ");
    out(name);
    out(b":\n");
    let [model, ..] = ways();
    generate(&mut generator, &Way { tokens: 3, ..model }, out)
}

/// What the model and two configurations take.
fn sizes(model: &[u8], out: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
    let least = Generator::bytes_needed(model, &small_options())?;
    let usual = Generator::bytes_needed(model, &Options::default())?;
    let most = Generator::bytes_needed(model, &options())?;
    for (name, bytes) in
        [(&b"model"[..], model.len()), (b"arena least", least), (b"arena usual", usual), (b"arena most", most)]
    {
        size(name, bytes, out);
    }
    for (name, cache) in CACHES {
        out(b"size arena ");
        out(name);
        decimal(Generator::bytes_needed(model, &of_cache(small_options(), cache))?, out);
    }
    Ok(())
}

/// One way: text, then every token with its probability and energies.
fn generate(generator: &mut Generator<'_, '_>, way: &Way, out: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
    for _ in 0..way.tokens {
        let mut states = 0u32;
        let watch = &mut |step: &StepReport<'_>| {
            // all of the state takes part
            states = step.probabilities.iter().fold(states, |sum, p| sum.rotate_left(5) ^ p.to_bits());
            ControlFlow::Continue(())
        };
        let Some(token) = generator.next(&way.settings, watch)? else {
            out(b"  end\n");
            break;
        };
        out(b"  ");
        for piece in token.text.pieces() {
            out(piece.as_bytes());
        }
        out(b"|");
        for bits in [token.id, token.probability.to_bits(), states] {
            hexadecimal(bits, out);
        }
        let certificate = token.certificate;
        let lists =
            [certificate.energies, certificate.energies_after, certificate.step_sizes, certificate.alpha_lambda];
        for x in lists.into_iter().flatten() {
            hexadecimal(x.to_bits(), out);
        }
        out(b"\n");
    }
    Ok(())
}

/// Energies of distributions that no descent led to.
fn landscape(generator: &mut Generator<'_, '_>, out: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
    const MOST: usize = 1 << 15;
    let mut even = [0.0; MOST];
    let count = generator.vocabulary();
    let Some(even) = even.get_mut(..count) else { return Ok(()) };
    even.fill(1.0 / count as f32);
    let mut energy = [0.0];
    generator.energies(0, even, &mut energy)?;
    out(b"even:");
    hexadecimal(f32::to_bits(energy.into_iter().sum()), out);
    out(b"\n");
    Ok(())
}
