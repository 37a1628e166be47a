//! Runs a case plainly, under `Dual`, and under `Dual<Dual>`.

use ebt_core::compute::{Backend, Compute};
use ebt_core::dual::{Dual, DualTensor};

use crate::case::{Args, Case, Operation};
use crate::{Check, Draw, Mat, close, same_bits};

/// Two directions and the mixed part; nothing is an exact zero.
#[derive(Clone, Debug)]
pub struct Directions {
    /// First direction, of every tensor.
    pub u: Vec<Option<Mat>>,
    /// Second direction, of every tensor.
    pub v: Vec<Option<Mat>>,
    /// Mixed part: the change of `u` along the second direction.
    pub w: Vec<Option<Mat>>,
}

impl Directions {
    /// Random directions for a case; some are absent.
    pub fn draw<O: Operation>(draw: &Draw, case: &Case<O>) -> Self {
        let all = || case.tensors.iter().map(|t| draw.perhaps(t)).collect();
        Self { u: all(), v: all(), w: all() }
    }
}

/// Results of a run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Names and values of all parts of all results.
    pub parts: Vec<(String, Mat)>,
    /// Gradient slots after the call.
    pub slots: Vec<Mat>,
    /// Results at each part: `parts[k * results + i]` is part `k` of result `i`.
    pub results: usize,
}

impl Run {
    fn new<B: Backend>(b: &B, names: &[&str], parts: Vec<Vec<B::Array>>, slots: &[B::Array]) -> Self {
        let results = parts.first().map_or(0, Vec::len);
        let named = names.iter().zip(&parts).flat_map(|(name, part)| {
            part.iter().enumerate().map(move |(i, a)| (format!("{name} of result {i}"), Mat::download(b, a)))
        });
        Self { parts: named.collect(), slots: slots.iter().map(|s| Mat::download(b, s)).collect(), results }
    }
    /// Part `k` of every result.
    pub fn part(&self, k: usize) -> Vec<&Mat> {
        self.parts.iter().skip(k * self.results).take(self.results).map(|p| &p.1).collect()
    }
    /// Every part is within `tolerance` of the other run's.
    pub fn close_to(&self, other: &Self, tolerance: f64) -> Check {
        for ((name, a), (_, b)) in self.parts.iter().zip(&other.parts) {
            close(name, a, b, tolerance)?;
        }
        for (i, (a, b)) in self.slots.iter().zip(&other.slots).enumerate() {
            close(&format!("slot {i}"), a, b, tolerance)?;
        }
        Ok(())
    }
    /// Every part is the other run's to the bit.
    pub fn same_as(&self, other: &Self) -> Check {
        for ((name, a), (_, b)) in self.parts.iter().zip(&other.parts) {
            same_bits(name, a, b)?;
        }
        self.slots.iter().zip(&other.slots).try_for_each(|(a, b)| same_bits("slot", a, b))
    }
}

/// An adapter whose values live on `B`.
pub trait On<B: Backend>: Compute<Leaf = B::Array, Tensor = B::Array, Index = B::Index> {}
impl<B: Backend, C: Compute<Leaf = B::Array, Tensor = B::Array, Index = B::Index>> On<B> for C {}

fn args<B, C, O>(b: &B, case: &Case<O>, t: Vec<C::Tensor>) -> Args<C>
where
    B: Backend,
    C: Compute<Leaf = B::Array, Index = B::Index>,
{
    Args {
        t,
        l: case.leaves.iter().map(|m| m.upload(b)).collect(),
        i: case.indices.iter().map(|i| b.index(i)).collect(),
        slots: case.slots.iter().map(|m| m.upload(b)).collect(),
        route: case.route.as_ref().map(|r| r.upload(b)),
    }
}

fn explicit<B: Backend>(b: &B, a: &B::Array, t: Option<B::Array>) -> B::Array {
    let (rows, columns) = b.shape(a);
    t.unwrap_or_else(|| b.fill(rows, columns, 0.0))
}

/// The values alone.
pub fn plain<B: Backend, C: On<B>, O: Operation>(b: &B, c: &C, case: &Case<O>) -> Run {
    let mut x = args::<B, C, O>(b, case, case.tensors.iter().map(|m| m.upload(b)).collect());
    let out = case.op.run(c, &mut x);
    Run::new(b, &["value"], vec![out], &x.slots)
}

/// Values and derivatives along `u`.
pub fn first<B: Backend, C: On<B>, O: Operation>(b: &B, c: &C, case: &Case<O>, u: &[Option<Mat>]) -> Run {
    let lift =
        |(m, u): (&Mat, &Option<Mat>)| DualTensor { value: m.upload(b), tangent: u.as_ref().map(|u| u.upload(b)) };
    let d = Dual::new(c);
    let mut x = args::<B, Dual<'_, C>, O>(b, case, case.tensors.iter().zip(u).map(lift).collect());
    let (mut values, mut tangents) = (Vec::new(), Vec::new());
    for out in case.op.run(&d, &mut x) {
        tangents.push(explicit(b, &out.value, out.tangent));
        values.push(out.value);
    }
    Run::new(b, &["value", "derivative"], vec![values, tangents], &x.slots)
}

/// Values, derivatives along `u` and `v`, and the mixed second derivative.
pub fn second<B: Backend, C: On<B>, O: Operation>(b: &B, c: &C, case: &Case<O>, along: &Directions) -> Run {
    let up = |m: &Option<Mat>| m.as_ref().map(|m| m.upload(b));
    let lift = |(i, m): (usize, &Mat)| {
        let value = DualTensor { value: m.upload(b), tangent: up(&along.u[i]) };
        let tangent = match (&along.v[i], &along.w[i]) {
            (None, None) => None,
            (v, w) => {
                let value = v.as_ref().map_or_else(|| Mat::zeros(m.rows, m.columns), Mat::clone).upload(b);
                Some(DualTensor { value, tangent: up(w) })
            }
        };
        DualTensor { value, tangent }
    };
    let inner = Dual::new(c);
    let d = Dual::new(&inner);
    let tensors = case.tensors.iter().enumerate().map(lift).collect();
    let mut x = args::<B, Dual<'_, Dual<'_, C>>, O>(b, case, tensors);
    let mut parts = vec![Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    for out in case.op.run(&d, &mut x) {
        let (v, uv) = out.tangent.map_or((None, None), |t| (Some(t.value), t.tangent));
        parts[1].push(explicit(b, &out.value.value, out.value.tangent));
        parts[2].push(explicit(b, &out.value.value, v));
        parts[3].push(explicit(b, &out.value.value, uv));
        parts[0].push(out.value.value);
    }
    let names = ["value", "derivative along u", "derivative along v", "second derivative"];
    Run::new(b, &names, parts, &x.slots)
}
