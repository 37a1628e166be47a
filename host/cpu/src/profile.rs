//! Where the time goes, by scope and operation.

use std::collections::BTreeMap;
use std::time::Duration;

use ebt_core::compute::Scope;

/// Time of one operation in one scope.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileEntry {
    /// Part of the computation.
    pub scope: Scope,
    /// Operation.
    pub operation: &'static str,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Calls.
    pub calls: u64,
}

/// Accumulated times.
#[derive(Debug, Default)]
pub(super) struct Profile(BTreeMap<(Scope, &'static str), (Duration, u64)>);

impl Profile {
    pub(super) fn add(&mut self, scope: Scope, operation: &'static str, time: Duration) {
        let entry = self.0.entry((scope, operation)).or_default();
        entry.0 += time;
        entry.1 += 1;
    }

    /// Longest first.
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
