//! A run of many ranks is the run of one: the same files, whatever number of ranks wrote them and went on with them.

use std::cell::Cell;

use ebt_core::parameters::ParameterLayout;
use ebt_core::training::Trainer;
use ebt_cpu::Ranks;
use ebt_ranks::{Collective, Lost, Place as Rank, Scratch, ThreadRank, threads};

use ebt_train::checkpoint::download;
use ebt_train::run_config::LoraConfig;

use super::*;

/// A rank that ends in place of one of its exchanges, and counts those before.
#[derive(Debug)]
struct Mortal {
    rank: ThreadRank,
    done: Rc<Cell<usize>>,
    /// The exchange that it does not come to.
    end: usize,
}

impl Mortal {
    fn alive(&self) -> Result<(), Lost> {
        if self.done.get() == self.end {
            self.rank.abandon("was killed");
            return Err(Lost(String::from("killed")));
        }
        self.done.set(self.done.get() + 1);
        Ok(())
    }
}

impl Collective for Mortal {
    fn place(&self) -> Rank {
        self.rank.place()
    }
    fn exchange(&self, send: &[u8], into: &mut [u8]) -> Result<(), Lost> {
        self.alive().and_then(|()| self.rank.exchange(send, into))
    }
    fn gather(&self, mine: &[u8], all: &mut [u8]) -> Result<(), Lost> {
        self.alive().and_then(|()| self.rank.gather(mine, all))
    }
    fn broadcast(&self, bytes: &mut [u8]) -> Result<(), Lost> {
        self.alive().and_then(|()| self.rank.broadcast(bytes))
    }
    fn all_reduce(&self, values: &mut [f32]) -> Result<(), Lost> {
        self.alive().and_then(|()| self.rank.all_reduce(values))
    }
    fn abandon(&self, why: &str) {
        self.rank.abandon(why);
    }
    fn scratch(&self) -> &Scratch {
        self.rank.scratch()
    }
}

/// Runs a session as one rank, asked to stop from outside or not.
fn run_one(
    rank: impl Collective + 'static,
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
    place.config.train.keep_best = true;
    place.config.train.freeze = vec![String::from("blocks.0.attention")];
    place.config.validate().unwrap();
    place
}

fn files(out: &Path) -> Vec<Vec<u8>> {
    let names = ["model.ebt", "best.ebt", "config.toml", "checkpoints/step-00000006/model.ebt"];
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

/// In the middle of a sum, in a validation, while the ranks come together for a checkpoint: whoever ends in place of an exchange
/// ends all, and what was saved goes on to the bits of a run that nobody disturbed.
#[test]
fn a_rank_that_ends_at_any_exchange_costs_what_was_not_saved() {
    let place = four_lanes();
    let run = |out: &Path, (victim, end): (usize, usize)| {
        threads(4, |rank| {
            let own = rank.place().rank == victim;
            let done = Rc::default();
            let rank = Mortal { rank, done: Rc::clone(&done), end: if own { end } else { usize::MAX } };
            (run_one(rank, &place, out, None, (false, None)).map_err(|error| error.to_string()), done.get())
        })
    };
    let whole = place.out("whole");
    let exchanges = run(&whole, (0, usize::MAX))[0].1;
    let mut saved = Vec::new();
    for end in 0..exchanges {
        let (out, victim) = (place.out(&format!("ended-{end}")), end % 4);
        let found = run(&out, (victim, end));
        for (rank, (summary, _)) in found.into_iter().enumerate() {
            let why = summary.expect_err("nobody goes on alone");
            let other = format!("rank {victim} gave up: was killed");
            assert!(why.ends_with(if rank == victim { "killed" } else { &other }), "{end}: rank {rank}: {why}");
        }
        if let Ok(state) = Store::new(&out, 2).latest() {
            saved.push(state.header.step);
            all(run_as(&place, 1, &out, Some(&state), None));
            assert!(files(&out) == files(&whole), "{end}");
        }
    }
    saved.dedup();
    assert_eq!(saved, [2, 4, 6]);
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

#[test]
fn adapters_go_on_with_any_number_of_ranks_and_change_nothing_else() {
    let mut place = four_lanes();
    place.config.train.freeze.clear();
    place.config.lora = Some(LoraConfig { rank: 2, alpha: 4.0, on: vec![String::from("wq"), String::from("w2")] });
    place.config.validate().unwrap();
    let (whole, out) = (place.out("whole"), place.out("broken"));
    all(run_as(&place, 1, &whole, None, None));
    let mut state: Option<State> = None;
    for (world, steps) in [(4, Some(2)), (2, Some(2)), (1, None)] {
        all(run_as(&place, world, &out, state.as_ref(), steps));
        state = Some(Store::new(&out, 2).latest().unwrap());
    }
    assert!(files(&out) == files(&whole));
    let (state, layout) = (state.unwrap(), ParameterLayout::new(&place.config.model));
    let adapters = state.lora.as_ref().unwrap();
    assert!(adapters.weights.iter().all(|list| list.iter().any(|&x| x != 0.0)), "all of them have moved");
    let fresh = Trainer::new(
        &Cpu::<f32>::new(1),
        place.config.model.clone(),
        place.config.objective.clone(),
        place.config.optimizer.clone(),
        place.config.train.seed,
    )
    .unwrap();
    let begun = download(&Cpu::<f32>::new(1), &fresh.weights);
    for (entry, (weights, begun)) in layout.entries.iter().zip(state.weights.iter().zip(&begun)) {
        let adapted = entry.parts.iter().any(|part| part.name.contains("wq") || part.name.contains("w2"));
        assert_eq!(weights != begun, adapted, "{}", entry.name);
    }
    // the model is whole: it is read like any other, and holds the average of the adapted weights
    assert!(ebt_model::load(&out.join("model.ebt")).unwrap().weights == state.average);

    // what was started with adapters keeps them
    let mut other = place.config.clone();
    other.lora = None;
    let message = resume::check(&state.header, &other, &place.task, &out).unwrap_err().to_string();
    assert!(message.contains("`lora."), "{message}");
}
