//! Ranks that are processes: this test program, started once more for each of them, on the stand-in's devices.

mod failures;
mod sums;
mod training;

use std::cell::Cell;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use ebt_cuda::{Cuda, Options, Ranks, Sums, UniqueId};
use ebt_tests::stand_in;

/// Job, rank, number of ranks and folder of a rank that a test started.
const RANK: &str = "EBT_TEST_RANK";
/// Longest life of a team.
const PATIENCE: Duration = Duration::from_secs(100);

/// What a rank is told by the test that started it.
struct Rank {
    rank: usize,
    world: usize,
    folder: PathBuf,
    /// Communicators made so far.
    opened: Cell<usize>,
}

impl Rank {
    /// The next communicator of the team.
    fn ranks(&self, sums: Sums) -> Ranks {
        let ids = fs::read(self.folder.join("ids")).expect("identities");
        let id = ids.chunks_exact(128).nth(self.opened.replace(self.opened.get() + 1)).expect("an identity");
        let id = UniqueId(id.try_into().expect("128 bytes"));
        Ranks { rank: self.rank, world: self.world, id, sums, patience: Duration::from_secs(60), lost: None }
    }

    /// A backend on a device of its own.
    fn open(&self, options: &Options, ranks: &Ranks) -> Cuda {
        stand_in::install();
        Cuda::with_ranks(&Options { device: self.rank, ..options.clone() }, ranks).unwrap_or_else(|why| panic!("{why}"))
    }

    /// Leaves a text for the test.
    fn tell(&self, text: &str) {
        let (name, whole) = (format!("told-{}", self.rank), self.folder.join("whole"));
        let whole = whole.with_extension(self.rank.to_string());
        fs::write(&whole, text).and_then(|()| fs::rename(&whole, self.folder.join(name))).expect("a file");
    }
}

/// A rank of a team: does nothing where no test started it.
#[test]
#[ignore = "a process of the tests beside it"]
fn a_rank() {
    let Ok(told) = std::env::var(RANK) else { return };
    let mut words = told.splitn(4, ' ');
    let mut word = || words.next().expect("four words").to_owned();
    let (job, rank, world, folder) = (word(), word(), word(), word());
    let number = |word: String| word.parse().expect("a number");
    let rank = Rank { rank: number(rank), world: number(world), folder: folder.into(), opened: Cell::new(0) };
    match job.as_str() {
        "train" => training::train(&rank),
        "sum" => sums::sum(&rank),
        "endless" => failures::endless(&rank),
        job => panic!("no job {job}"),
    }
    assert_eq!(stand_in::last_failure(), None);
}

/// The processes of a job; those that still run end with this.
struct Team {
    folder: tempfile::TempDir,
    children: Vec<Child>,
}

impl Team {
    /// Starts a job on so many ranks, with identities for so many communicators.
    fn start(job: &str, world: usize, communicators: usize) -> Self {
        stand_in::install();
        let folder = tempfile::tempdir().expect("a folder");
        let ids = (0..communicators).flat_map(|_| UniqueId::new().unwrap_or_else(|why| panic!("{why}")).0);
        fs::write(folder.path().join("ids"), ids.collect::<Vec<u8>>()).expect("a file");
        let mut team = Self { folder, children: Vec::new() };
        for rank in 0..world {
            let log = File::create(team.log(rank)).expect("a file");
            let mut command = Command::new(std::env::current_exe().expect("this program"));
            command.args(["--exact", "cuda::ranks::a_rank", "--ignored", "--nocapture"]);
            command.env(RANK, format!("{job} {rank} {world} {}", team.folder.path().display()));
            command.env("EBT_STAND_IN_DEVICES", world.to_string());
            command.stdout(log.try_clone().expect("a handle")).stderr(log);
            team.children.push(command.spawn().expect("a process"));
        }
        team
    }

    fn log(&self, rank: usize) -> PathBuf {
        self.folder.path().join(format!("log-{rank}"))
    }

    fn said(&self, rank: usize) -> String {
        fs::read_to_string(self.log(rank)).unwrap_or_default()
    }

    fn told(&self, rank: usize) -> Option<String> {
        fs::read_to_string(self.folder.path().join(format!("told-{rank}"))).ok()
    }

    /// Waits for the end of a rank.
    fn end(&mut self, rank: usize) -> ExitStatus {
        self.wait(|team| team.children[rank].try_wait().expect("a process of this one"))
    }

    /// Waits for something of a team.
    fn wait<T>(&mut self, mut found: impl FnMut(&mut Self) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            if begun.elapsed() > PATIENCE {
                let logs: Vec<String> = (0..self.children.len()).map(|rank| self.said(rank)).collect();
                panic!("nothing for {PATIENCE:?}; the ranks said {logs:?}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What all ranks told, after they ended well.
    fn finish(mut self) -> Vec<String> {
        let world = self.children.len();
        let rank = |rank| {
            let status = self.end(rank);
            assert!(status.success(), "rank {rank}: {status}\n{}", self.said(rank));
            self.told(rank).unwrap_or_default()
        };
        (0..world).map(rank).collect()
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Whether several devices can be had: the stand-in's, since nobody ran this on several GPUs.
fn several_devices() -> bool {
    let stand_in = !super::device::gpu_required();
    if !stand_in {
        eprintln!("not run: it needs a GPU a rank");
    }
    stand_in
}

/// A file that is there once it is whole.
fn read(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}
