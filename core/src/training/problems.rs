//! Problems of a joint model: checked on the caller's side, and as arrays on the device.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::sequences::{NO_TARGET, Prior, Sequences};
use crate::compute::{Backend, Classes};
use crate::config::Config;
use crate::descent::problem::{HIDDEN, Problems};
use crate::error::{Error, Result};

/// Whether a set of allowed tokens holds a token.
fn holds(set: &[u32], token: usize) -> bool {
    set.get(token / 32).is_some_and(|word| word >> (token % 32) & 1 == 1)
}

impl Sequences {
    /// Problems of equal length from their sets of allowed tokens and what belongs there.
    pub fn problems(batch: usize, context: usize, allowed: Vec<u32>, targets: Vec<u32>) -> Self {
        Self { batch, context, tokens: Vec::new(), targets, allowed, ..Self::default() }
    }

    /// Checks problems against a joint model.
    pub(super) fn validate_problems(&self, config: &Config) -> Result<()> {
        let (n, words) = (self.batch * self.context, config.set_words());
        let shape = |message: String| Err(Error::Shape { what: String::from("problems"), message });
        if n == 0 || self.targets.len() != n || self.allowed.len() != n * words {
            let (batch, context) = (self.batch, self.context);
            let (sets, targets) = (self.allowed.len(), self.targets.len());
            return shape(format!(
                "{batch} problems of {context} need {n} (> 0) targets and {} words of allowed tokens, found {targets} and {sets}",
                n * words
            ));
        }
        if !self.tokens.is_empty() {
            return shape(String::from("a joint model takes sets of allowed tokens, not observed tokens"));
        }
        if self.context > config.context || (config.joint.grid.is_some() && self.context != config.context) {
            return shape(format!("{} positions do not fit a model of {}", self.context, config.context));
        }
        if !self.starts.is_empty() && self.starts.len() != n {
            return shape(format!("{n} starts expected, found {}", self.starts.len()));
        }
        // the balance of experts is taken over all positions, those of padding included
        let balanced = config.moe.as_ref().is_some_and(|moe| moe.aux_coeff > 0.0 || moe.bias_rate > 0.0);
        if balanced && self.starts.iter().any(|&start| start > 0) {
            return shape(String::from("padding would count in the balance of experts; set its weights to 0"));
        }
        for (i, set) in self.allowed.chunks_exact(words).enumerate() {
            let place = || format!("position {} of problem {}", i % self.context, i / self.context);
            let start = self.starts.get(i).copied().unwrap_or(0);
            let first = i / self.context * self.context;
            if start as usize >= self.context || start != self.starts.get(first).copied().unwrap_or(0) {
                return shape(format!("{} does not start where its problem does", place()));
            }
            if start > 0 && config.joint.grid.is_some() {
                return shape(format!("{}: a grid has no padding", place()));
            }
            let outside = (config.vocab..words * 32).find(|&token| holds(set, token));
            if let Some(token) = outside {
                return Err(Error::Token { id: token as u32, position: i, vocabulary: config.vocab });
            }
            if !self.is_padding(i) && set.iter().all(|&word| word == 0) {
                return shape(format!("no token is allowed at {}", place()));
            }
            match self.targets[i] {
                NO_TARGET => {}
                _ if set.iter().map(|word| word.count_ones()).sum::<u32>() == 1 => {
                    return shape(format!("{} is given and has a target", place()));
                }
                target if self.is_padding(i) || !holds(set, target as usize) => {
                    return shape(format!("target {target} is not allowed at {}", place()));
                }
                _ => {}
            }
        }
        for &Prior { at, token, logit } in &self.prior {
            let known = (at as usize) < n && (token as usize) < config.vocab;
            if !known || self.is_padding(at as usize) || !holds(self.sets(at as usize..at as usize + 1), token as usize)
            {
                return shape(format!("a prior at position {at} is of token {token}, which is not allowed there"));
            }
            if !logit.is_finite() {
                return shape(format!("the prior at position {at} is not finite"));
            }
        }
        Ok(())
    }

    /// 0 where a position is given, else 1.
    pub(super) fn flags(&self) -> Vec<u32> {
        let given = |i| self.sets(i..i + 1).iter().map(|word| word.count_ones()).sum::<u32>() == 1;
        (0..self.targets.len()).map(|i| u32::from(!given(i))).collect()
    }

    /// 1 at positions of problems, 0 at padding.
    fn present(&self) -> Vec<f64> {
        (0..self.targets.len()).map(|i| f64::from(u8::from(!self.is_padding(i)))).collect()
    }

    /// 1 where a token is allowed, else 0; padding allows all.
    fn allowed_values(&self, vocab: usize) -> Vec<f64> {
        let row = |i| {
            let (set, padding) = (self.sets(i..i + 1), self.is_padding(i));
            (0..vocab).map(move |token| f64::from(u8::from(padding || holds(set, token))))
        };
        (0..self.targets.len()).flat_map(row).collect()
    }

    /// Logits of what is held likely `(n,V)`.
    fn prior_values(&self, vocab: usize) -> Vec<f64> {
        let mut all = vec![0.0; self.targets.len() * vocab];
        for &Prior { at, token, logit } in &self.prior {
            all[at as usize * vocab + token as usize] = f64::from(logit);
        }
        all
    }

    /// The rows of the table of positions that every position adds up, one list for each that is added.
    fn places(&self, config: &Config) -> Vec<Vec<u32>> {
        let of = |i: usize| {
            let start = self.starts.get(i).map_or(0, |&start| start as usize);
            config.joint.position_of((i % self.context).saturating_sub(start))
        };
        let mut lists = vec![Vec::new(); of(0).count()];
        for i in 0..self.targets.len() {
            lists.iter_mut().zip(of(i)).for_each(|(list, row)| list.push(row as u32));
        }
        lists
    }
}

/// Problems on the device.
pub(super) struct DeviceProblems<B: Backend> {
    allowed: B::Array,
    hidden: B::Array,
    present: B::Array,
    prior: Option<B::Array>,
    places: Vec<B::Index>,
    classes: Option<B::Index>,
}

impl<B: Backend> DeviceProblems<B> {
    /// Uploads checked problems.
    pub(super) fn upload(b: &B, config: &Config, s: &Sequences) -> Self {
        let (n, v) = (s.targets.len(), config.vocab);
        let (t, joint) = (s.context, &config.joint);
        let classes = (joint.classes() > 0).then(|| {
            let all: Vec<u32> = if joint.by_distance() {
                (0..t).rev().map(|back| joint.class(back, 0)).chain((1..t).map(|ahead| joint.class(0, ahead))).collect()
            } else {
                (0..t * t).map(|at| joint.class(at / t, at % t)).collect()
            };
            b.index(&all)
        });
        let mut all = Self {
            allowed: b.fill(n, v, 0.0),
            hidden: b.fill(n, v, 0.0),
            present: b.fill(n, 1, 0.0),
            prior: (!s.prior.is_empty()).then(|| b.fill(n, v, 0.0)),
            places: s.places(config).iter().map(|list| b.index(list)).collect(),
            classes,
        };
        all.write(b, config, s);
        all
    }

    /// Replaces the problems by checked ones of the same shape, in place.
    pub(super) fn write(&mut self, b: &B, config: &Config, s: &Sequences) {
        let allowed = s.allowed_values(config.vocab);
        let hidden: Vec<f64> = allowed.iter().map(|&allowed| (1.0 - allowed) * HIDDEN).collect();
        b.write(&mut self.allowed, &allowed);
        b.write(&mut self.hidden, &hidden);
        b.write(&mut self.present, &s.present());
        if let Some(prior) = &mut self.prior {
            b.write(prior, &s.prior_values(config.vocab));
        }
        for (list, to) in s.places(config).iter().zip(&mut self.places) {
            b.write_index(to, list);
        }
    }

    /// What a rollout reads.
    pub(super) fn view(&self) -> Problems<'_, B::Array, B::Index> {
        let Self { allowed, hidden, present, prior, places, .. } = self;
        Problems { allowed, hidden, present, prior: prior.as_ref(), places }
    }

    /// Classes of the relations, where they count.
    pub(super) fn classes(&self, config: &Config) -> Option<Classes<'_, B::Index>> {
        let by_distance = config.joint.by_distance();
        self.classes.as_ref().map(|table| Classes { table, by_distance })
    }

    /// Whether these are problems with a prior.
    pub(super) fn has_prior(&self) -> bool {
        self.prior.is_some()
    }

    /// Where the arrays live, see [`Backend::address`].
    pub(super) fn addresses(&self, b: &B) -> impl Iterator<Item = u64> {
        let arrays = [&self.allowed, &self.hidden, &self.present].into_iter().chain(&self.prior);
        let arrays: Vec<u64> = arrays.map(|a| b.address(a)).collect();
        let indices: Vec<u64> = self.places.iter().chain(&self.classes).map(|i| b.address_of_index(i)).collect();
        arrays.into_iter().chain(indices)
    }
}
