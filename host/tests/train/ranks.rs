//! A run of many ranks is the run of one: the same files, whatever number of ranks wrote them and went on with them.

use ebt_cpu::Ranks;
use ebt_ranks::{Collective, ThreadRank, threads};

use super::*;

/// Runs a session as one rank, asked to stop from outside or not.
fn run_one(
    rank: ThreadRank,
    place: &Place,
    out: &Path,
    resume: Option<State>,
    (stopped, stop_after): (bool, Option<u64>),
) -> anyhow::Result<Summary> {
    let ranks: Rc<dyn Collective> = Rc::new(rank);
    let backend = Cpu::<f32>::with_ranks(1, Ranks { collective: Rc::clone(&ranks), fast: false });
    let (stop, started) = (AtomicBool::new(stopped), Instant::now());
    let (config, task, ranks) = (&place.config, &place.task, &*ranks);
    let session = Session { backend: &backend, ranks, config, task, out, resume, stop: &stop, stop_after, started };
    self::train(session, &mut Silent)
}

/// Runs a session as `world` ranks, of which the first alone has the folder; what each of them returns.
fn run_as(
    place: &Place,
    world: usize,
    out: &Path,
    resume: Option<&State>,
    stop_after: Option<u64>,
) -> Vec<anyhow::Result<Summary>> {
    threads(world, |rank| {
        let nowhere = Path::new("/nowhere/at/all");
        let (out, resume) = if rank.place().is_first() { (out, resume.cloned()) } else { (nowhere, None) };
        run_one(rank, place, out, resume, (false, stop_after))
    })
}

/// A place whose runs have four lanes.
fn four_lanes() -> Place {
    let mut place = place();
    (place.config.train.accumulate, place.config.train.lanes) = (4, 4);
    place.config.objective.replay = 8;
    place.config.validate().unwrap();
    place
}

fn files(out: &Path) -> Vec<Vec<u8>> {
    let names = ["model.ebt", "config.toml", "checkpoints/step-00000006/model.ebt"];
    names.iter().map(|name| fs::read(out.join(name)).unwrap()).chain([state_file(out, 6)]).collect()
}

fn all(found: Vec<anyhow::Result<Summary>>) -> Summary {
    let mut found: Vec<Summary> = found.into_iter().map(Result::unwrap).collect();
    let first = found.remove(0);
    for other in found {
        assert_eq!((other.ending, other.step, other.tokens), (first.ending, first.step, first.tokens));
        assert_eq!(other.validation, first.validation);
    }
    first
}

#[test]
fn any_number_of_ranks_writes_the_same_files() {
    let place = four_lanes();
    let wanted = all(run_as(&place, 1, &place.out("1"), None, None));
    for world in [2, 4] {
        let out = place.out(&world.to_string());
        let summary = all(run_as(&place, world, &out, None, None));
        assert_eq!(summary.validation, wanted.validation);
        assert!(files(&out) == files(&place.out("1")), "{world} ranks");
    }
    let lines = |out: &Path| fs::read_to_string(out.join("metrics.jsonl")).unwrap().lines().count();
    assert_eq!(lines(&place.out("1")), lines(&place.out("4")));
}

#[test]
fn a_run_goes_on_with_another_number_of_ranks() {
    let place = four_lanes();
    all(run_as(&place, 1, &place.out("whole"), None, None));
    let out = place.out("broken");
    let mut state: Option<State> = None;
    for (world, steps) in [(4, Some(2)), (2, Some(2)), (1, None)] {
        let summary = all(run_as(&place, world, &out, state.as_ref(), steps));
        let ending = if steps.is_some() { Ending::Stopped } else { Ending::Finished };
        assert_eq!(summary.ending, ending);
        let saved = Store::new(&out, 2).latest().unwrap();
        resume::check(&saved.header, &place.config, &place.task, &out).unwrap();
        state = Some(saved);
    }
    assert!(files(&out) == files(&place.out("whole")));
}

#[test]
fn the_wish_of_one_rank_stops_all_after_the_same_step() {
    let place = four_lanes();
    let out = place.out("run");
    let found = threads(2, |rank| {
        let second = !rank.place().is_first();
        run_one(rank, &place, &out, None, (second, None))
    });
    let summary = all(found);
    assert_eq!((summary.ending, summary.step), (Ending::Stopped, 1));
    assert_eq!(Store::new(&out, 2).latest().unwrap().header.step, 1);
}

#[test]
fn ranks_that_cannot_share_lanes_and_data_that_differ_are_refused() {
    let place = four_lanes();
    for error in run_as(&place, 3, &place.out("three"), None, None) {
        let message = error.unwrap_err().to_string();
        assert!(
            message.contains("3 ranks cannot share `train.lanes` = 4") && message.contains("1 or 2 or 4"),
            "{message}"
        );
    }
    let mut other = four_lanes();
    fs::write(other.folder.path().join("train.txt"), text(9)).unwrap();
    other.task = other.config.load_data().unwrap();
    let found = threads(2, |rank| {
        let place = if rank.place().is_first() { &place } else { &other };
        run_one(rank, place, &place.out("differs"), None, (false, None)).unwrap_err().to_string()
    });
    assert!(
        found.iter().all(|message| message == "rank 1 has other training text (`data.train`) than rank 0"),
        "{found:?}"
    );
}
