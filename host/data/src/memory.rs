//! How much memory this process can still take: what the machine has, and what limits leave of it.
//!
//! A process that takes more is killed, or aborts, without a word; so whoever is about to take much asks first
//! ([`check`]). Only Linux is asked; elsewhere nothing is known and nothing is refused.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::progress::size;

/// Refuses work that takes more memory than there is. `what` begins the sentence (`a training step`), `remedy` ends it and
/// says what takes less.
///
/// # Errors
///
/// More bytes `wanted` than [`available`] reports: both, and the remedy.
pub fn check(what: &str, wanted: u64, remedy: &str) -> Result<()> {
    match available() {
        Some(there) if wanted > there => bail!(
            "{what} takes {} of memory, and {} are available here: {remedy}",
            size(wanted as f64),
            size(there as f64)
        ),
        _ => Ok(()),
    }
}

/// Address space of a thread: its stack, as long as the standard library makes it, and that of its signals, with their guards.
const THREAD: u64 = (2 << 20) + (64 << 10);

/// Refuses threads whose stacks do not fit in what a limit of the process (`ulimit -v`) leaves of the address space: those that
/// had started would abort, without a word, where their own little memory is refused.
///
/// # Errors
///
/// Too many; the message says how many, and ends in `advice`.
pub fn check_threads(threads: usize, advice: &str) -> Result<()> {
    let wanted = (threads as u64).saturating_mul(THREAD);
    match process_below(Path::new("/")) {
        Some(left) if wanted > left => bail!(
            "cannot start {threads} threads: their stacks take {} of address space, and a limit leaves {}; {advice}",
            size(wanted as f64),
            size(left as f64)
        ),
        _ => Ok(()),
    }
}

/// Bytes that this process can still take: free memory and swap space of the machine, or less where a control group or a
/// limit of the process (`ulimit -v`) leaves less. `None` where the system does not tell.
pub fn available() -> Option<u64> {
    available_below(Path::new("/"))
}

/// The same of a machine whose files lie below `root`.
fn available_below(root: &Path) -> Option<u64> {
    let read = |path: &str| fs::read_to_string(root.join(path)).ok();
    let machine = read("proc/meminfo").and_then(|text| machine(&text));
    let groups = read("proc/self/cgroup").map_or_else(Vec::new, |text| groups(&text));
    let groups = groups.iter().filter_map(|group| group.left(root));
    machine.into_iter().chain(process_below(root)).chain(groups).min()
}

/// What the limits of this process leave, by the files below `root`.
fn process_below(root: &Path) -> Option<u64> {
    let read = |path: &str| fs::read_to_string(root.join(path)).ok();
    process(&read("proc/self/limits")?, &read("proc/self/status")?)
}

/// What the machine can give without taking from another process.
fn machine(meminfo: &str) -> Option<u64> {
    Some(kibibytes(meminfo, "MemAvailable:")? + kibibytes(meminfo, "SwapFree:").unwrap_or(0))
}

/// What the limits of the address space and of data leave.
fn process(limits: &str, status: &str) -> Option<u64> {
    let limit =
        |name: &str| limits.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    let left = |name, used| Some(u64::saturating_sub(limit(name)?, kibibytes(status, used)?));
    left("Max address space", "VmSize:").into_iter().chain(left("Max data size", "VmData:")).min()
}

/// The bytes of a line such as `MemFree:   123 kB`.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// A control group: its folder, and the names of its files.
#[derive(Debug, PartialEq, Eq)]
struct Group {
    folder: PathBuf,
    limit: &'static str,
    usage: &'static str,
    /// The line of `memory.stat` with what the system can take back at once.
    inactive: &'static str,
}

/// The control groups of a process by `/proc/self/cgroup`, and all that hold them, in both versions.
fn groups(text: &str) -> Vec<Group> {
    let mut all = Vec::new();
    for line in text.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let version_1 = controllers.split(',').any(|name| name == "memory");
        if !version_1 && !controllers.is_empty() {
            continue;
        }
        let mount = if version_1 { "sys/fs/cgroup/memory" } else { "sys/fs/cgroup" };
        let (limit, usage, inactive) = match version_1 {
            true => ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
            false => ("memory.max", "memory.current", "inactive_file"),
        };
        let path = Path::new(path.trim_start_matches('/'));
        let group = |folder: &Path| Group { folder: Path::new(mount).join(folder), limit, usage, inactive };
        all.extend(path.ancestors().map(group));
    }
    all
}

impl Group {
    /// What the limit leaves, files that are only kept in memory not counted; `None` without a limit.
    fn left(&self, root: &Path) -> Option<u64> {
        let read = |name: &str| fs::read_to_string(root.join(&self.folder).join(name)).ok();
        let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
        let (limit, usage) = (number(self.limit)?, number(self.usage)?);
        let stat = read("memory.stat").unwrap_or_default();
        let inactive = stat.lines().find_map(|line| line.strip_prefix(self.inactive)?.trim().parse::<u64>().ok());
        Some(limit.saturating_sub(usage.saturating_sub(inactive.unwrap_or(0))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// A machine with 100 MiB free, 20 of them swap space, and these files beside.
    fn with(files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        let meminfo =
            "MemTotal: 9999999 kB\nMemFree: 1 kB\nMemAvailable:   81920 kB\nSwapTotal: 99999 kB\nSwapFree:  20480 kB\n";
        for (path, text) in [("proc/meminfo", meminfo)].iter().chain(files) {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        available_below(root.path())
    }

    #[test]
    fn the_least_of_machine_groups_and_limits_counts() {
        assert_eq!(with(&[]), Some(100 * MIB));
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max data size             unlimited            unlimited            bytes     \n\
                      Max address space         73400320             unlimited            bytes     \n";
        let status = "VmSize:\t   10240 kB\nVmData:\t 9 kB\n";
        assert_eq!(with(&[("proc/self/limits", limits), ("proc/self/status", status)]), Some(60 * MIB));
        let unlimited = limits.replace("73400320 ", "unlimited");
        assert_eq!(with(&[("proc/self/limits", &unlimited), ("proc/self/status", status)]), Some(100 * MIB));
    }

    #[test]
    fn control_groups_limit_what_is_below_them() {
        let mib = |n: u64| (n * MIB).to_string();
        let (forty, thirty, ten) = (mib(40), mib(30), mib(10));
        let stat = format!("anon 5\ninactive_file {ten}\n");
        // the outer group has the limit, files that are only kept in memory do not count
        let two = [
            ("proc/self/cgroup", "0::/outer/inner\n"),
            ("sys/fs/cgroup/outer/inner/memory.max", "max\n"),
            ("sys/fs/cgroup/outer/inner/memory.current", "5\n"),
            ("sys/fs/cgroup/outer/memory.max", &forty),
            ("sys/fs/cgroup/outer/memory.current", &thirty),
            ("sys/fs/cgroup/outer/memory.stat", &stat),
        ];
        assert_eq!(with(&two), Some(20 * MIB));
        let stat = format!("inactive_file 0\ntotal_inactive_file {ten}\n");
        let one = [
            ("proc/self/cgroup", "4:cpu,memory:/job\n3:cpuset:/\n0::/\n"),
            ("sys/fs/cgroup/memory/job/memory.limit_in_bytes", &forty),
            ("sys/fs/cgroup/memory/job/memory.usage_in_bytes", &thirty),
            ("sys/fs/cgroup/memory/job/memory.stat", &stat),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "7\n"),
        ];
        assert_eq!(with(&one), Some(20 * MIB));
        // inside a container the path may be one of outside
        let inside = [("proc/self/cgroup", "0::/of/outside\n"), ("sys/fs/cgroup/memory.max", &forty)];
        let inside = inside.into_iter().chain([("sys/fs/cgroup/memory.current", &*thirty)]).collect::<Vec<_>>();
        assert_eq!(with(&inside), Some(10 * MIB));
    }

    #[test]
    fn what_is_not_there_is_refused_with_a_remedy() {
        assert_eq!(available_below(Path::new("/nowhere")), None);
        check("nothing", 0, "").unwrap();
        if available().is_some() {
            let message = check("a step", u64::MAX, "lower `train.batch`").unwrap_err().to_string();
            assert!(message.starts_with("a step takes 16777216.00 TiB of memory, and "), "{message}");
            assert!(message.ends_with("are available here: lower `train.batch`"), "{message}");
        }
    }
}
