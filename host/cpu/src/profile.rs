//! Where the time goes, by scope and operation.

use std::collections::BTreeMap;
use std::time::Duration;

use ebt_core::compute::Scope;

/// Time of one operation in one scope.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileEntry {
    /// Part of the computation.
    pub scope: Scope,
    /// Name of the operation.
    pub operation: &'static str,
    /// Wall-clock seconds of all its calls together.
    pub seconds: f64,
    /// Number of calls since the profile was last reset.
    pub calls: u64,
}

/// Time spent and number of calls since the last reset, by scope and operation.
#[derive(Debug, Default)]
pub(super) struct Profile(BTreeMap<(Scope, &'static str), (Duration, u64)>);

impl Profile {
    pub(super) fn add(&mut self, scope: Scope, operation: &'static str, time: Duration) {
        let entry = self.0.entry((scope, operation)).or_default();
        entry.0 += time;
        entry.1 += 1;
    }

    /// All entries, the one that took longest first.
    pub(super) fn entries(&self) -> Vec<ProfileEntry> {
        let entry = |(&(scope, operation), &(time, calls)): (&(Scope, &'static str), &(Duration, u64))| ProfileEntry {
            scope,
            operation,
            seconds: time.as_secs_f64(),
            calls,
        };
        let mut all: Vec<_> = self.0.iter().map(entry).collect();
        all.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        all
    }
}
