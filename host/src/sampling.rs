//! Choosing a token from logits: temperature, then top-k, top-p and min-p, then one draw.

use anyhow::{Result, bail};

/// How a token is chosen. The filters are applied in the order of the fields, each to what the one before left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Logits are divided by this; 0 takes the most probable token.
    pub temperature: f64,
    /// Only the `top_k` most probable tokens; 0 = off.
    pub top_k: usize,
    /// Only the most probable tokens that together reach this probability; 1 = off.
    pub top_p: f64,
    /// Only tokens with at least this share of the most probable token's probability; 0 = off.
    pub min_p: f64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0 }
    }
}

/// A token with its probability.
pub type Candidate = (u32, f64);

impl Sampling {
    /// Refuses impossible settings, naming the flag.
    ///
    /// # Errors
    ///
    /// The first flag out of its range.
    pub fn validate(&self) -> Result<()> {
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            bail!("--temperature {}: must be 0 or more", self.temperature);
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            bail!("--top-p {}: must be above 0 and at most 1", self.top_p);
        }
        if !(0.0..=1.0).contains(&self.min_p) {
            bail!("--min-p {}: must lie between 0 and 1", self.min_p);
        }
        Ok(())
    }

    /// The tokens that may be drawn, most probable first (lower ids first among equals), with probabilities that sum
    /// to 1. `allowed` says which ids exist at all.
    ///
    /// # Errors
    ///
    /// Logits that are not numbers, and no allowed token.
    pub fn candidates(&self, logits: &[f32], allowed: impl Fn(u32) -> bool) -> Result<Vec<Candidate>> {
        let ids = (0..logits.len() as u32).zip(logits).filter(|(id, _)| allowed(*id));
        let mut list: Vec<Candidate> = ids.map(|(id, &x)| (id, f64::from(x))).collect();
        if let Some((id, x)) = list.iter().find(|(_, x)| x.is_nan() || *x == f64::INFINITY) {
            bail!("the model's logit of token {id} is {x}");
        }
        list.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let Some(&(_, largest)) = list.first() else { bail!("no token may be generated: the vocabulary is empty") };
        if largest == f64::NEG_INFINITY {
            bail!("the model gives every token probability zero");
        }
        if self.temperature == 0.0 {
            list.truncate(1);
        } else if self.top_k > 0 {
            list.truncate(self.top_k);
        }
        for (_, x) in &mut list {
            // the largest first: 0 / t, never an overflow
            *x = if *x == largest { 1.0 } else { ((*x - largest) / self.temperature).exp() };
        }
        normalize(&mut list);
        if self.top_p < 1.0 {
            let mut sum = 0.0;
            let short = |(_, p): &&Candidate| {
                let before = sum;
                sum += p;
                before < self.top_p
            };
            let kept = list.iter().take_while(short).count();
            list.truncate(kept.max(1));
            normalize(&mut list);
        }
        let least = self.min_p * list.first().map_or(0.0, |(_, p)| *p);
        list.retain(|(_, p)| *p > 0.0 && *p >= least);
        normalize(&mut list);
        Ok(list)
    }
}

fn normalize(list: &mut [Candidate]) {
    let sum: f64 = list.iter().map(|(_, p)| p).sum();
    list.iter_mut().for_each(|(_, p)| *p /= sum);
}

/// The candidate at `uniform` (in `[0, 1)`) of the cumulative distribution; none of an empty list.
pub fn draw(candidates: &[Candidate], uniform: f64) -> Option<Candidate> {
    let mut sum = 0.0;
    let found = candidates.iter().find(|(_, p)| {
        sum += p;
        uniform < sum
    });
    found.or(candidates.last()).copied()
}
