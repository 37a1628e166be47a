//! How fast a tokenizer encodes.

use std::fs;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::thread;
use std::time::Instant;

use anyhow::Result;

use super::{Source, Subject};

/// Encodes all documents `runs` times on one thread; bytes a second, the median of the runs, for every tokenizer. The
/// tokenizers take turns, so that other work of the machine meets all of them.
///
/// # Errors
///
/// A failure of a tokenizer.
pub fn bytes_per_second(subjects: &[&Subject], sources: &[Source], runs: NonZeroUsize) -> Result<Vec<f64>> {
    let documents = || sources.iter().flat_map(|source| &source.documents);
    let bytes: usize = documents().map(String::len).sum();
    let mut seconds = vec![Vec::with_capacity(runs.get()); subjects.len()];
    for _ in 0..runs.get() {
        for (subject, seconds) in subjects.iter().zip(&mut seconds) {
            let started = Instant::now();
            for document in documents() {
                black_box(subject.ids(black_box(document))?);
            }
            seconds.push(started.elapsed().as_secs_f64());
        }
    }
    Ok(seconds.into_iter().map(|seconds| bytes as f64 / median(seconds)).collect())
}

/// The middle value, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = |at: usize| values.get(at).copied().unwrap_or(f64::NAN);
    (middle(values.len().saturating_sub(1) / 2) + middle(values.len() / 2)) / 2.0
}

/// The processor and operating system of this machine, as far as they are known.
pub fn machine() -> String {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let system = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    let cpu = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    match cpu {
        Some(cpu) => format!("{cpu}, {cores} threads, {system}"),
        None => format!("{cores} threads, {system}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), 2.5);
        assert!(!machine().is_empty());
    }
}
