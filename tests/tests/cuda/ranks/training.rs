//! Training steps of several ranks have the bits of one process with the same lanes.

use ebt_core::config::{Config, ModelKind, MoeConfig};
use ebt_core::objective::Objective;
use ebt_core::optimizer::OptimizerConfig;
use ebt_core::training::{NO_TARGET, Part, Sequences, StepSettings, Trainer};
use ebt_cuda::{Cuda, Options, Precision, Sums};
use ebt_tests::{Draw, Mat, stand_in};

use super::{Rank, Team, several_devices};
use crate::cuda::device::open;

const LANES: usize = 4;
const BATCH: usize = 4;
/// The second step is recorded, the third is a replay.
const STEPS: u32 = 3;
const PRECISIONS: [Precision; 3] = [Precision::F32, Precision::Bf16, Precision::F16];

struct Case {
    name: &'static str,
    config: Config,
    objective: Objective,
    padded: bool,
}

fn cases() -> Vec<Case> {
    let config = || Config { vocab: 12, dim: 8, layers: 1, heads: 2, ffn: 8, context: 4, ..Config::default() };
    let case = |name, config| Case { name, config, objective: Objective::default(), padded: false };
    let moe = MoeConfig { n_routed: 4, top_k: 2, hidden: 6, bias_rate: 0.125, ..MoeConfig::default() };
    vec![
        case("System 1", Config { layers: 2, window: Some(3), ..config() }),
        case("experts", Config { moe: Some(moe), ..config() }),
        Case { padded: true, ..case("padded positions", config()) },
        Case {
            objective: Objective { replay: 4 * LANES, replay_share: 0.5, ..Objective::default() },
            ..case("replay", config())
        },
        case("baseline", Config { kind: ModelKind::Transformer, ..config() }),
    ]
}

/// The whole batch of a step. Padded, its sequences end early, each elsewhere, and hold two documents.
fn sequences(case: &Case, step: u32) -> Sequences {
    let (draw, context) = (Draw::new(u64::from(step)), case.config.context);
    let draw_all = || draw.indices(BATCH * context, case.config.vocab);
    let (tokens, mut targets, mut starts) = (draw_all(), draw_all(), Vec::new());
    if case.padded {
        for (i, target) in targets.iter_mut().enumerate() {
            if i % context > i / context % context {
                *target = NO_TARGET;
            }
        }
        starts = (0..BATCH * context).map(|i| if i % context < 2 { 0 } else { 2 }).collect();
    }
    Sequences { batch: BATCH, context, tokens, targets, starts, ..Sequences::default() }
}

/// Trains what rank `rank` of `world` has of a case. All of the state that ranks share, and what this one remembers, as text in
/// which every bit shows; device memory taken in all.
fn state(b: &Cuda, case: &Case, (rank, world): (usize, usize)) -> (String, String, usize) {
    let optimizer = OptimizerConfig::default();
    let mut trainer =
        Trainer::new(b, case.config.clone(), case.objective.clone(), optimizer, 7).expect("a valid model");
    let own = BATCH / world;
    let mut shared = String::new();
    for step in 0..STEPS {
        let (whole, last) = (sequences(case, step), step + 1 == STEPS);
        let (first, positions) = (rank * own, whole.positions());
        let stop = last && world > 1 && rank + 1 == world;
        let part = Some(Part { lanes: LANES, first, sequences: BATCH, positions, stop });
        let settings = StepSettings { seed: 3, step, rate: 0.01, micro_batch: 1, ema_decay: 0.9, part };
        let steady = (b.memory_report().allocations, stand_in::counts());
        let mut report = trainer.step(b, &whole.slice(first, own), &settings).expect("a step");
        if last && case.objective.replay == 0 && b.steps().iter().any(|s| s.recorded) {
            assert_eq!(b.memory_report().allocations, steady.0, "{}: allocations", case.name);
            assert_eq!(stand_in::counts().allocations, steady.1.allocations, "{}: allocations", case.name);
            let replays = stand_in::counts().replays - steady.1.replays;
            assert_eq!(replays, if world == 1 { 1 } else { 2 }, "{}: replays", case.name);
        }
        assert_eq!(std::mem::take(&mut report.stop), last && world > 1, "one rank's wish to stop is known to all");
        shared += &format!("{report:?}\n");
    }
    let taken = b.memory_report().most_reserved;
    let (optimizer, average) = (&trainer.optimizer, &trainer.average);
    for list in [&trainer.weights, &optimizer.first, &optimizer.second, &average.weights] {
        for m in list {
            shared += &format!("{:?}\n", Mat::download(b, m).data);
        }
    }
    shared += &format!("{} {}", optimizer.updates, average.updates);
    let remembered = trainer.replay.iter().map(|lane| format!("{lane:?}\n")).collect();
    (shared, remembered, taken)
}

/// All of the runs that ranks make: case, precision, recorded or not.
fn runs() -> impl Iterator<Item = (Case, Options)> {
    let options = |(precision, graphs)| Options { precision, graphs, ..Options::default() };
    let all = PRECISIONS.into_iter().flat_map(|precision| [(precision, true), (precision, false)]);
    all.map(options).flat_map(|options| cases().into_iter().map(move |case| (case, options.clone())))
}

/// What a rank does and tells.
pub(super) fn train(rank: &Rank) {
    let mut told = Vec::new();
    for (case, options) in runs() {
        let place = (rank.rank, rank.world);
        let b = rank.open(&options, &rank.ranks(Sums::Fixed));
        let (shared, remembered, taken) = state(&b, &case, place);
        told.push((shared, remembered));
        // without a device: the first rank's memory, to the byte
        if options.graphs && rank.rank == 0 {
            let dry = Cuda::dry_with_ranks(options.precision, rank.world, Sums::Fixed);
            assert_eq!(planned(&dry, &case, place), taken, "{} {:?}: the plan", case.name, options.precision);
        }
    }
    rank.tell(&serde_json::to_string(&told).expect("text"));
}

/// Memory of a run without a device.
fn planned(b: &Cuda, case: &Case, (rank, world): (usize, usize)) -> usize {
    let (optimizer, own) = (OptimizerConfig::default(), BATCH / world);
    let mut trainer =
        Trainer::new(b, case.config.clone(), case.objective.clone(), optimizer, 7).expect("a valid model");
    for step in 0..STEPS {
        let (whole, first) = (sequences(case, step), rank * own);
        let part = Some(Part { lanes: LANES, first, sequences: BATCH, positions: whole.positions(), stop: false });
        let settings = StepSettings { seed: 3, step, rate: 0.01, micro_batch: 1, ema_decay: 0.9, part };
        trainer.step(b, &whole.slice(first, own), &settings).expect("a step");
    }
    b.memory_report().most_reserved
}

/// Weights, moments, averages, reports and what is remembered, on 2 and 4 ranks, recorded and not.
#[test]
fn ranks_have_the_bits_of_one_process() {
    if !several_devices() {
        return;
    }
    let one: Vec<(String, String)> = runs()
        .filter(|(_, options)| !options.graphs)
        .map(|(case, options)| state(&open(&options, 0), &case, (0, 1)))
        .map(|(shared, remembered, _)| (shared, remembered))
        .collect();
    let count = cases().len();
    for world in [2, 4] {
        let told = Team::start("train", world, runs().count()).finish();
        let told: Vec<Vec<(String, String)>> =
            told.iter().map(|text| serde_json::from_str(text).expect("text")).collect();
        for (i, (case, options)) in runs().enumerate() {
            let (shared, remembered) = &one[i / (2 * count) * count + i % count];
            let what = format!("{} in {:?}, recorded {}, {world} ranks", case.name, options.precision, options.graphs);
            for (rank, told) in told.iter().enumerate() {
                assert!(told[i].0 == *shared, "{what}: rank {rank} has other bits\n{}\n{shared}", told[i].0);
            }
            let joined: String = told.iter().map(|told| told[i].1.as_str()).collect();
            assert!(joined == *remembered, "{what}: other states are remembered");
        }
    }
}
