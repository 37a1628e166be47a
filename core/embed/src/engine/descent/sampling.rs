//! Choosing a token from logits: temperature, then top-k, top-p and min-p, then one draw; in the caller's memory.
//!
//! Every filter keeps a prefix of the tokens sorted by probability (lower ids first among equals), so a heap gives up
//! tokens in that order for as long as they are needed: `O(V + k log V)` for a prefix of `k`.

use serde::{Deserialize, Serialize};

use crate::engine::Error;
use crate::engine::arena::Arena;
use crate::engine::math::exp;

/// How a token is chosen. The filters are applied in the order of the fields, each to what the one before left.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// Logits are divided by this; 0 takes the most probable token.
    pub temperature: f32,
    /// Only the `top_k` most probable tokens; 0 = off.
    pub top_k: usize,
    /// Only the most probable tokens that together reach this probability; 1 = off.
    pub top_p: f32,
    /// Only tokens with at least this share of the most probable token's probability; 0 = off.
    pub min_p: f32,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0 }
    }
}

impl Sampling {
    /// Refuses impossible settings, naming the field.
    ///
    /// # Errors
    ///
    /// The first field out of its range.
    pub fn validate(&self) -> Result<(), Error> {
        let refuse = |field, requirement| Err(Error::Option { field, requirement });
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            return refuse("temperature", "must be 0 or more");
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return refuse("top_p", "must be above 0 and at most 1");
        }
        if !(0.0..=1.0).contains(&self.min_p) {
            return refuse("min_p", "must lie between 0 and 1");
        }
        Ok(())
    }
}

/// A token that was drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Drawn {
    /// Id of the token: its index into the logits.
    pub id: u32,
    /// Its probability among the tokens that could have been drawn.
    pub probability: f32,
}

/// Memory of one draw: one word for every token of the vocabulary.
#[derive(Debug)]
pub struct Sampler<'a> {
    ids: &'a mut [u32],
}

impl<'a> Sampler<'a> {
    /// Allocates the memory for at most `vocab` logits.
    ///
    /// # Errors
    ///
    /// Those of the arena.
    pub fn alloc(arena: &mut Arena<'a>, vocab: usize) -> Result<Self, Error> {
        Ok(Self { ids: arena.words(vocab)? })
    }

    /// Draws a token at `uniform` (in `[0, 1)`) of the cumulative distribution of the tokens that are left, most
    /// probable first. `banned` says which ids do not exist.
    ///
    /// # Errors
    ///
    /// Settings out of their range, logits that are not numbers or `+inf`, more logits than were allocated for, and
    /// [`Error::NoToken`].
    pub fn draw(
        &mut self,
        logits: &[f32],
        sampling: &Sampling,
        uniform: f64,
        mut banned: impl FnMut(u32) -> bool,
    ) -> Result<Drawn, Error> {
        sampling.validate()?;
        if logits.len() > self.ids.len() {
            return Err(Error::Shape { what: "logits to sample", expected: self.ids.len(), given: logits.len() });
        }
        let mut heap = Heap { logits, ids: self.ids, size: 0 };
        let mut largest = f32::NEG_INFINITY;
        for (id, &x) in (0u32..).zip(logits) {
            if banned(id) {
                continue;
            }
            if x.is_nan() || x == f32::INFINITY {
                return Err(Error::Logit { id });
            }
            largest = if x > largest { x } else { largest };
            heap.append(id);
        }
        if largest == f32::NEG_INFINITY {
            return Err(Error::NoToken);
        }
        heap.order();
        let allowed = heap.size;
        let weight = |id: u32| {
            let x = logits.get(id as usize).copied().unwrap_or(f32::NEG_INFINITY);
            // the largest first: 0 / t, never an overflow
            let scaled = (f64::from(x) - f64::from(largest)) / f64::from(sampling.temperature);
            f64::from(if x == largest { 1.0 } else { exp(scaled as f32) })
        };
        let most = match (sampling.temperature == 0.0, sampling.top_k) {
            (true, _) => 1,
            (false, 0) => allowed,
            (false, k) => k.min(allowed),
        };
        let mut kept = Kept { heap, allowed, limit: most };
        if sampling.top_p < 1.0 && most > 1 {
            let total = kept.sum(weight);
            kept.shorten(|id, before| (before < f64::from(sampling.top_p) * total).then(|| weight(id)));
        }
        if most > 1 {
            // the most probable token has weight 1, and tokens of weight 0 go
            let least = f64::from(sampling.min_p);
            kept.shorten(|id, _| Some(weight(id)).filter(|w| *w > 0.0 && *w >= least));
        }
        let total = kept.sum(weight);
        let (mut sum, mut drawn) = (0.0, None);
        for at in 0..kept.limit {
            let Some(id) = kept.get(at) else { break };
            let w = weight(id);
            sum += w;
            drawn = Some(Drawn { id, probability: (w / total) as f32 });
            if uniform * total < sum {
                break;
            }
        }
        drawn.ok_or(Error::NoToken)
    }
}

/// The tokens that are left: the first `limit` in order of probability.
struct Kept<'h> {
    heap: Heap<'h>,
    allowed: usize,
    limit: usize,
}

impl Kept<'_> {
    /// The token of rank `at`, popping as many as it takes.
    fn get(&mut self, at: usize) -> Option<u32> {
        while self.allowed.saturating_sub(self.heap.size) <= at {
            self.heap.pop()?;
        }
        // popped tokens lie behind the heap, last popped first
        let place = self.allowed.checked_sub(at)?.checked_sub(1)?;
        self.heap.ids.get(place).copied()
    }

    /// Sum of the weights of the tokens that are left; of all allowed tokens without ordering them.
    fn sum(&mut self, weight: impl Fn(u32) -> f64) -> f64 {
        if self.limit == self.allowed {
            return self.heap.ids.iter().take(self.allowed).map(|id| weight(*id)).sum();
        }
        let mut sum = 0.0;
        for at in 0..self.limit {
            sum += self.get(at).map_or(0.0, &weight);
        }
        sum
    }

    /// Keeps tokens while `keep(id, sum of the weights before)` gives their weight; always the first.
    fn shorten(&mut self, keep: impl Fn(u32, f64) -> Option<f64>) {
        let mut before = 0.0;
        let mut kept = 0usize;
        while kept < self.limit {
            match self.get(kept).and_then(|id| keep(id, before)) {
                Some(w) => before += w,
                None => break,
            }
            kept = kept.saturating_add(1);
        }
        self.limit = kept.max(1);
    }
}

/// Ids ordered as a binary heap: larger logits first, lower ids among equals.
struct Heap<'h> {
    logits: &'h [f32],
    ids: &'h mut [u32],
    size: usize,
}

impl Heap<'_> {
    fn append(&mut self, id: u32) {
        if let Some(slot) = self.ids.get_mut(self.size) {
            *slot = id;
            self.size = self.size.saturating_add(1);
        }
    }

    /// Whether the token at place `a` comes before that at `b`.
    fn before(&self, a: usize, b: usize) -> bool {
        let of = |at: usize| {
            let id = self.ids.get(at).copied().unwrap_or(u32::MAX);
            (self.logits.get(id as usize).copied().unwrap_or(f32::NEG_INFINITY), id)
        };
        let ((x, i), (y, j)) = (of(a), of(b));
        // -0 after 0, as a total order has it
        match x.total_cmp(&y) {
            core::cmp::Ordering::Greater => true,
            core::cmp::Ordering::Less => false,
            core::cmp::Ordering::Equal => i < j,
        }
    }

    fn exchange(&mut self, a: usize, b: usize) {
        if let (Some(&x), Some(&y)) = (self.ids.get(a), self.ids.get(b)) {
            crate::engine::slices::put(self.ids, a, y);
            crate::engine::slices::put(self.ids, b, x);
        }
    }

    /// Moves the token at `at` down to its place.
    fn sift(&mut self, mut at: usize) {
        loop {
            let left = at.saturating_mul(2).saturating_add(1);
            let right = left.saturating_add(1);
            let mut best = at;
            for child in [left, right] {
                if child < self.size && self.before(child, best) {
                    best = child;
                }
            }
            if best == at {
                return;
            }
            self.exchange(at, best);
            at = best;
        }
    }

    /// Makes the heap of what was appended.
    fn order(&mut self) {
        for at in (0..self.size / 2).rev() {
            self.sift(at);
        }
    }

    /// Takes the first token off, to the place behind the heap.
    fn pop(&mut self) -> Option<()> {
        self.size = self.size.checked_sub(1)?;
        self.exchange(0, self.size);
        self.sift(0);
        Some(())
    }
}
