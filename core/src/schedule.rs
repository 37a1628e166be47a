//! Learning-rate schedule: linear warm-up, a stretch at the peak, then cosine to `rate / min_scale`.

use serde::{Deserialize, Serialize};

/// Warm-up, plateau and cosine.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// Peak learning rate.
    pub rate: f64,
    /// Optimiser updates of linear warm-up.
    pub warmup: u64,
    /// The rate ends at `rate / min_scale`.
    pub min_scale: f64,
    /// Share of the run after warm-up over which the rate falls, in `(0, 1]`: 1 is a cosine all along, less is
    /// warm-up-stable-decay (Hu et al., arXiv 2404.06395).
    pub decay: f64,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { rate: 1.2e-3, warmup: 10, min_scale: 10.0, decay: 1.0 }
    }
}

impl Schedule {
    /// Rate of update `update` (from 0) of `total`.
    pub fn at(&self, update: u64, total: u64) -> f64 {
        if update < self.warmup {
            return self.rate * (update + 1) as f64 / self.warmup as f64;
        }
        let span = total.saturating_sub(self.warmup).max(1) as f64;
        self.at_progress((update - self.warmup) as f64 / span)
    }

    /// Rate at a share `progress` of the run after warm-up, 0 to 1.
    pub fn at_progress(&self, progress: f64) -> f64 {
        let low = self.rate / self.min_scale;
        let progress = ((progress - 1.0) / self.decay + 1.0).clamp(0.0, 1.0);
        low + (self.rate - low) * 0.5 * (1.0 + libm::cos(core::f64::consts::PI * progress))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_warms_up_linearly_and_ends_at_the_floor() {
        let s = Schedule { rate: 1.0, warmup: 4, min_scale: 10.0, decay: 1.0 };
        assert_eq!(s.at(0, 100), 0.25);
        assert_eq!(s.at(3, 100), 1.0);
        assert_eq!(s.at(4, 100), 1.0);
        assert!((s.at(100, 100) - 0.1).abs() < 1e-12);
        assert!((5..100).all(|i| s.at(i, 100) <= s.at(i - 1, 100)));
    }

    #[test]
    fn it_stays_at_the_peak_until_it_falls() {
        let whole = Schedule { rate: 1.0, warmup: 0, min_scale: 10.0, decay: 1.0 };
        let late = Schedule { decay: 0.25, ..whole };
        assert!((0..=75).all(|i| late.at(i, 100) == 1.0));
        // the fall is that of a whole cosine, four times as fast
        assert!((0..=25).all(|i| (late.at(75 + i, 100) - whole.at(4 * i, 100)).abs() < 1e-12));
    }
}
