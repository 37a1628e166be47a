//! A slice of the energy landscape around the end of a descent.
//!
//! `E(a, b) = E(softmax(Y + a u + b v))` on the last landscape: `Y` the state that was kept, `u` the way that its descent
//! went, `v` at a right angle to it towards the second-best candidate (with one candidate: the second principal direction
//! of the path). States count only up to a constant, so all are centred.

use anyhow::{Result, bail};
use ebt::engine::Session;
use ebt::engine::descent::{DescentOptions, Dynamics, Potential};
use ebt_core::config::ModelKind;
use ebt_core::random::{Purpose, Stream};

use super::trajectory::{Recorder, Trajectory};

/// A point `(a, b)` of the slice.
pub type Point = (f64, f64);

/// Energies on a grid, and paths across it.
#[derive(Clone, Debug, PartialEq)]
pub struct Landscape {
    /// Least and largest `a`.
    pub a: (f64, f64),
    /// Least and largest `b`.
    pub b: (f64, f64),
    /// Points of the grid along each axis.
    pub resolution: usize,
    /// Energies, `b` by `a`: row `j` holds those at the `j`-th `b`.
    pub energies: Vec<f64>,
    /// Projected states of every candidate, the start included.
    pub paths: Vec<Vec<Point>>,
    /// Which of these was kept; it ends at `(0, 0)`.
    pub chosen: usize,
    /// What `v` is, in words.
    pub second: &'static str,
    /// The landscape's number.
    pub landscape: usize,
    /// The descent's energies.
    pub trajectory: Trajectory,
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

fn difference(x: &[f64], y: &[f64]) -> Vec<f64> {
    x.iter().zip(y).map(|(x, y)| x - y).collect()
}

/// `x` less its part along `u`.
fn beside(x: &[f64], u: &[f64]) -> Vec<f64> {
    let share = dot(x, u) / dot(u, u).max(f64::MIN_POSITIVE);
    x.iter().zip(u).map(|(x, u)| x - share * u).collect()
}

/// `y` less its mean.
fn centred(y: &[f32]) -> Vec<f64> {
    let mean = y.iter().map(|&y| f64::from(y)).sum::<f64>() / y.len().max(1) as f64;
    y.iter().map(|&y| f64::from(y) - mean).collect()
}

/// The state that a candidate starts from, which a descent does not report.
fn initial(dynamics: &Dynamics, seed: u64, position: u64, candidate: usize, vocab: usize) -> Vec<f32> {
    let silent = dynamics.zero_start || dynamics.sigma0 == 0.0;
    if candidate == 0 && silent {
        return vec![0.0; vocab];
    }
    let sigma = if dynamics.sigma0 > 0.0 { f64::from(dynamics.sigma0) } else { 1.0 };
    let noise = Stream::new(seed, 0, Purpose::InitialState).detail(candidate as u16);
    let first = position.wrapping_mul(vocab as u64);
    (0..vocab as u64).map(|i| (sigma * noise.normal(first.wrapping_add(i))) as f32).collect()
}

impl Landscape {
    /// Thinks about the next token and evaluates the energy around where it ends, at `resolution` times `resolution`
    /// points, `rows` of them at a time (as many as the session has).
    ///
    /// # Errors
    ///
    /// The baseline, which has no energy, and those of the session.
    pub fn around(
        session: &mut Session<'_, '_>,
        think: &DescentOptions,
        resolution: usize,
        rows: usize,
    ) -> Result<Self> {
        if session.model().config.kind == ModelKind::Transformer {
            bail!("the model is a baseline transformer: it has no energy to draw");
        }
        let mut recorder = Recorder::new(think.candidates, true);
        let chosen = session.think(think, &mut |step| recorder.record(step))?.candidate;
        let trajectory = Trajectory { piece: String::new(), candidates: recorder.candidates, chosen };
        let states = recorder.states.unwrap_or_default();
        let dynamics = *session.dynamics_mut();
        let (vocab, position) = (session.model().config.vocab, session.position().saturating_sub(1));
        let paths: Vec<Vec<Vec<f64>>> = (states.iter().enumerate())
            .map(|(candidate, states)| {
                let start = initial(&dynamics, think.seed, position, candidate, vocab);
                std::iter::once(&start).chain(states).map(|y| centred(y)).collect()
            })
            .collect();
        let Some((start, end)) = paths.get(chosen).and_then(|path| Some((path.first()?, path.last()?))) else {
            bail!("the descent took no step");
        };
        let mut u = difference(end, start);
        if dot(&u, &u) < 1e-18 {
            // nothing moved: any direction will do
            u = direction(vocab, 0);
        }
        let (v, second) = second(&paths, &trajectory, end, &u);
        let (uu, vv) = (dot(&u, &u), dot(&v, &v));
        let project = |y: &Vec<f64>| {
            let moved = difference(y, end);
            (dot(&moved, &u) / uu, dot(&moved, &v) / vv)
        };
        let paths: Vec<Vec<Point>> = paths.iter().map(|path| path.iter().map(project).collect()).collect();
        let all = || paths.iter().flatten();
        let (a, b) = (limits(all().map(|p| p.0)), limits(all().map(|p| p.1)));
        let last = trajectory.candidates.get(chosen).and_then(|steps| steps.last());
        let landscape = last.map_or(0, |step| step.landscape as usize);
        let place = |(low, high): (f64, f64), i: usize| low + (high - low) * i as f64 / (resolution.max(2) - 1) as f64;
        let point = |i: usize| (place(a, i % resolution), place(b, i / resolution));
        let count = resolution * resolution;
        let mut energies = Vec::with_capacity(count);
        let mut potential = session.potential(rows)?;
        let mut p = vec![0.0f32; rows * vocab];
        for first in (0..count).step_by(rows) {
            let here = rows.min(count - first);
            for (i, p) in p.chunks_exact_mut(vocab).take(here).enumerate() {
                let (a, b) = point(first + i);
                softmax(end, &u, &v, (a, b), p);
            }
            let active: Vec<bool> = (0..rows).map(|row| row < here).collect();
            let mut found = vec![0.0f32; rows];
            potential.energy(landscape, &p, &active, &mut found);
            energies.extend(found.iter().take(here).map(|&e| f64::from(e)));
        }
        Ok(Self { a, b, resolution, energies, paths, chosen, second, landscape, trajectory })
    }

    /// Place of a grid point.
    pub fn point(&self, i: usize, j: usize) -> Point {
        let place = |(low, high): Point, i: usize| low + (high - low) * i as f64 / (self.resolution.max(2) - 1) as f64;
        (place(self.a, i), place(self.b, j))
    }

    /// Energy at a grid point.
    pub fn energy(&self, i: usize, j: usize) -> f64 {
        self.energies.get(j * self.resolution + i).copied().unwrap_or(f64::NAN)
    }
}

/// `p = softmax(y + a u + b v)`.
fn softmax(y: &[f64], u: &[f64], v: &[f64], (a, b): Point, p: &mut [f32]) {
    let logits: Vec<f64> = y.iter().zip(u).zip(v).map(|((y, u), v)| y + a * u + b * v).collect();
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|x| (x - largest).exp()).sum();
    p.iter_mut().zip(&logits).for_each(|(p, x)| *p = ((x - largest).exp() / sum) as f32);
}

/// A random centred direction.
fn direction(vocab: usize, detail: u16) -> Vec<f64> {
    let noise = Stream::new(0, 0, Purpose::Test).detail(detail);
    centred(&(0..vocab as u64).map(|i| noise.normal(i) as f32).collect::<Vec<f32>>())
}

/// The direction across `u`, and what it is.
fn second(paths: &[Vec<Vec<f64>>], trajectory: &Trajectory, end: &[f64], u: &[f64]) -> (Vec<f64>, &'static str) {
    let far = |v: &[f64]| dot(v, v) > 1e-9 * dot(u, u);
    let energy = |candidate: usize| {
        let last = trajectory.candidates.get(candidate).and_then(|steps| steps.last());
        last.map_or(f64::INFINITY, |step| step.after.unwrap_or(step.before))
    };
    let others = (0..paths.len()).filter(|&c| c != trajectory.chosen);
    let best = others.min_by(|&x, &y| energy(x).total_cmp(&energy(y)));
    if let Some(other) = best.and_then(|c| paths.get(c)?.last()) {
        let v = beside(&difference(other, end), u);
        if far(&v) {
            return (v, "towards the second-best candidate");
        }
    }
    let path = paths.get(trajectory.chosen).map_or(&[][..], Vec::as_slice);
    let rest: Vec<Vec<f64>> = path.iter().map(|y| beside(&difference(y, end), u)).collect();
    // power iteration on the path's scatter beside u, from the state farthest off
    let farthest = rest.iter().max_by(|x, y| dot(x, x).total_cmp(&dot(y, y)));
    if let Some(v) = farthest.filter(|v| far(v)) {
        let length = dot(v, v).sqrt();
        let mut v = v.clone();
        for _ in 0..50 {
            let mut next = vec![0.0; v.len()];
            for x in &rest {
                let share = dot(x, &v);
                next.iter_mut().zip(x).for_each(|(n, x)| *n += share * x);
            }
            let scale = length / dot(&next, &next).sqrt();
            v = next.iter().map(|n| n * scale).collect();
        }
        return (v, "the second principal direction of the path");
    }
    let v = beside(&direction(u.len(), 1), u);
    let scale = (dot(u, u) / dot(&v, &v)).sqrt();
    (v.iter().map(|v| v * scale).collect(), "a random direction as long as the path")
}

/// What the coordinates span, at least from -0.5 to 0.5, with a margin.
fn limits(coordinates: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = coordinates.fold((-0.5f64, 0.5f64), |(low, high), x| (low.min(x), high.max(x)));
    let margin = 0.15 * (high - low);
    (low - margin, high + margin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direction_beside_another_is_at_a_right_angle_to_it() {
        let (u, x) = (direction(40, 0), direction(40, 1));
        let v = beside(&x, &u);
        assert!(dot(&u, &v).abs() < 1e-9 * dot(&u, &u) && dot(&v, &v) > 0.0);
        assert!(u.iter().sum::<f64>().abs() < 1e-4);
    }

    #[test]
    fn limits_hold_all_points_and_a_still_path_has_room() {
        let (low, high) = limits([-1.0, 0.25, 3.0].into_iter());
        assert!(low < -1.0 && high > 3.0);
        let (low, high) = limits([0.0].into_iter());
        assert!(low < -0.4 && high > 0.4);
    }
}
