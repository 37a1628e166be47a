//! Many ranks are one: threads as ranks, bit for bit against a rank alone with the same lanes.
#![allow(clippy::unwrap_used)]

use std::rc::Rc;

use ebt_core::compute::Backend;
use ebt_core::config::{Config, ModelKind, UpdateRule};
use ebt_core::descent::replay_buffer::ReplayBuffer;
use ebt_core::objective::{Flow, LossSteps, Objective};
use ebt_core::training::{NO_TARGET, Part, Sequences, StepReport, StepSettings, Trainer};
use ebt_cpu::kernel::element::Element;
use ebt_cpu::{Cpu, Ranks};
use ebt_ranks::{Alone, Collective, Place, threads, tree};
use ebt_tests::model::{self, Kind, Sizes};
use ebt_tests::{Draw, Mat};

/// Sequences of a micro-batch, and micro-batches of a lane.
const BATCH: usize = 2;
const A_LANE: usize = 2;
const CONTEXT: usize = 5;

/// What a run leaves behind, in bits.
#[derive(Clone, Debug, PartialEq)]
struct Left {
    arrays: Vec<Vec<u64>>,
    replay: ReplayBuffer,
    reports: Vec<StepReport>,
}

struct Case {
    name: &'static str,
    config: Config,
    objective: Objective,
    /// Whether some positions have no target, by sequence in different number.
    padded: bool,
    lanes: usize,
}

impl Case {
    fn weights(&self) -> Vec<Mat> {
        model::weights(&Draw::new(7), &self.config)
    }

    /// The sequences of step `step`, of all ranks.
    fn sequences(&self, step: u32) -> Sequences {
        let sizes = Sizes {
            batch: BATCH * A_LANE * self.lanes,
            context: CONTEXT,
            layers: 1,
            landscapes: 1,
            vocab: self.config.vocab,
        };
        let mut s = model::sequences(&Draw::new(100 + u64::from(step)), sizes);
        s.starts.clear();
        for (row, targets) in s.targets.chunks_exact_mut(CONTEXT).enumerate().filter(|_| self.padded) {
            targets[CONTEXT - row % CONTEXT..].fill(NO_TARGET);
        }
        s
    }

    /// Three steps as one of many ranks, the last of which all leave after by the wish of the last rank.
    fn run<E: Element>(&self, ranks: Rc<dyn Collective>) -> Left {
        let place @ Place { rank, world } = ranks.place();
        let b = Cpu::<E>::with_ranks(1, Ranks { collective: ranks, fast: false });
        let weights = self.weights();
        let mut trainer = model::trainer(&b, &self.config, &self.objective, &weights);
        let mut reports = Vec::new();
        for step in 0..3 {
            let all = self.sequences(step);
            let own = all.batch / world;
            let settings = StepSettings {
                seed: 5,
                step,
                rate: 0.02,
                micro_batch: BATCH,
                ema_decay: 0.9,
                part: Some(Part {
                    first: rank * own,
                    stop: step == 2 && rank + 1 == world,
                    ..Part::whole(&all, self.lanes)
                }),
            };
            let report = trainer.step(&b, &all.slice(rank * own, own), &settings).unwrap();
            assert_eq!(report.stop, world > 1 && step == 2, "{place:?}");
            reports.push(StepReport { stop: false, ..report });
        }
        let replay = ReplayBuffer::join(&trainer.replay);
        Left { arrays: arrays(&b, &trainer), replay, reports }
    }

    /// Holds every number of ranks against one.
    fn check<E: Element>(&self) {
        let alone = self.run::<E>(Rc::new(Alone::default()));
        let lanes = alone.replay.clone().split(self.lanes).unwrap();
        for world in tree::worlds(self.lanes) {
            let found = threads(world, |rank| {
                let place = rank.place();
                (place, self.run::<E>(Rc::new(rank)))
            });
            for (place, left) in found {
                let (name, world) = (self.name, place.world);
                assert!(left.arrays == alone.arrays, "{name}: other weights, moments or averages on {place:?}");
                assert_eq!(left.reports, alone.reports, "{name}: {world} ranks");
                let own = ReplayBuffer::join(&lanes[tree::own(self.lanes, place)]);
                assert!(left.replay == own, "{name}: {place:?} remembers something else");
            }
        }
    }
}

/// Weights, moments, averages and gradients.
fn arrays<B: Backend>(b: &B, trainer: &Trainer<B>) -> Vec<Vec<u64>> {
    let lists = [&trainer.weights, &trainer.optimizer.first, &trainer.optimizer.second, &trainer.average.weights];
    let bits = |a: &B::Array| {
        let (rows, columns) = b.shape(a);
        let mut values = vec![0.0; rows * columns];
        b.download_f64(a, &mut values);
        values.into_iter().map(f64::to_bits).collect()
    };
    lists.into_iter().flatten().chain(trainer.gradients()).map(bits).collect()
}

fn config(kind: Kind) -> Config {
    let sizes = Sizes { batch: 1, context: CONTEXT, layers: 2, landscapes: 2, vocab: 7 };
    Config { update: UpdateRule::Mirror, ..model::config(&Draw::new(3), sizes, kind) }
}

fn case(name: &'static str) -> Case {
    Case { name, config: config(Kind::Dense), objective: Objective::default(), padded: false, lanes: 4 }
}

#[test]
fn system_1() {
    case("system 1").check::<f32>();
    case("system 1, double").check::<f64>();
    for lanes in [2, 6, 12] {
        Case { lanes, ..case("other lanes") }.check::<f32>();
    }
}

#[test]
fn system_2_with_noise_and_replay() {
    let objective = Objective {
        min_steps: 1,
        max_steps: 3,
        flow: Flow::Unrolled,
        loss: LossSteps::Last,
        langevin: 0.3,
        alpha_jitter: 2.0,
        replay: 12,
        ..Objective::default()
    };
    let case = Case { objective, ..case("system 2") };
    case.check::<f32>();
    Case { padded: true, ..case }.check::<f32>();
}

#[test]
fn experts_and_their_balance() {
    let mut config = config(Kind::Experts);
    let moe = config.moe.as_mut().unwrap();
    (moe.bias_rate, moe.aux_coeff) = (0.01, 0.5);
    Case { config: config.clone(), ..case("experts") }.check::<f32>();
    config.moe.as_mut().unwrap().seq_aux = true;
    Case { config, ..case("experts, balanced by sequence") }.check::<f32>();
}

#[test]
fn padded_documents() {
    Case { padded: true, ..case("padded") }.check::<f32>();
}

#[test]
fn the_baseline() {
    let config = Config { kind: ModelKind::Transformer, ..config(Kind::Dense) };
    Case { config, ..case("baseline") }.check::<f32>();
}

#[test]
fn one_lane_is_a_step_without_lanes() {
    let case = Case { lanes: 1, ..case("one lane") };
    let b = Cpu::<f32>::new(1);
    let mut trainer = model::trainer(&b, &case.config, &case.objective, &case.weights());
    let settings = |step| StepSettings { seed: 5, step, rate: 0.02, micro_batch: BATCH, ema_decay: 0.9, part: None };
    let reports: Vec<_> = (0..3).map(|i| trainer.step(&b, &case.sequences(i), &settings(i)).unwrap()).collect();
    let alone = case.run::<f32>(Rc::new(Alone::default()));
    assert!(arrays(&b, &trainer) == alone.arrays);
    assert_eq!(reports, alone.reports);
}

#[test]
fn a_rank_that_is_gone_is_an_error_of_the_others() {
    let case = case("a rank less");
    let found = threads(2, |rank| {
        if rank.place().rank == 1 {
            return String::new();
        }
        let b = Cpu::<f32>::with_ranks(1, Ranks { collective: Rc::new(rank), fast: false });
        let mut trainer = model::trainer(&b, &case.config, &case.objective, &case.weights());
        let all = case.sequences(0);
        let part = Some(Part::whole(&all, case.lanes));
        let settings = StepSettings { part, ..model::settings(5) };
        trainer.step(&b, &all.slice(0, all.batch / 2), &settings).unwrap_err().to_string()
    });
    assert_eq!(found[0], "device: rank 1 ended");
}
