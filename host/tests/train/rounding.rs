//! Training with rounded matrices.

use ebt::packed::{self, Model, Storage};
use ebt_core::average::Average;
use ebt_core::compute::Backend;
use ebt_core::parameters::ParameterLayout;
use ebt_core::training::{StepSettings, Trainer};
use ebt_cpu::Cpu;
use ebt_data::{Loader, Worker};
use ebt_train::checkpoint::{Store, download};
use ebt_train::rounding::{self, Rounding};

use super::{Place, place, state_file};

fn place_of(storage: Storage) -> Place {
    let mut place = place();
    place.config.train.storage = storage;
    place
}

/// A step with rounding adds to weights and averages what a step from rounded weights adds to them.
#[test]
fn what_a_step_from_rounded_weights_adds_is_added_to_the_weights() {
    let place = place_of(Storage::Int4);
    let (b, config) = (Cpu::<f64>::new(1), &place.config);
    let layout = ParameterLayout::new(&config.model);
    let plain = download(&b, &layout.draw(&b, 5));
    let mut rounded = plain.clone();
    for id in packed::matrices(&layout) {
        packed::round(Storage::Int4, layout.entries[id].columns, &mut rounded[id]).unwrap();
    }
    assert_ne!(plain, rounded);
    let trainer = |weights: &[Vec<f32>]| {
        let of = |(e, w): (&ebt_core::parameters::ParameterInfo, &Vec<f32>)| b.upload(e.rows, e.columns, w);
        let weights = layout.entries.iter().zip(weights).map(of).collect();
        let (model, objective) = (config.model.clone(), config.objective.clone());
        Trainer::with_weights(&b, model, objective, config.optimizer.clone(), weights).unwrap()
    };
    let (mut ours, mut theirs) = (trainer(&plain), trainer(&rounded));
    let batches = place.task.batches(config, Worker { rank: 0, world: 1 });
    let settings = |step| StepSettings { seed: 1, step, rate: 1e-3, micro_batch: 2, ema_decay: 0.9, part: None };
    let with = Rounding::of(Storage::Int4, &layout).unwrap();
    let mut loader = Loader::new(batches, 0..1, 1).unwrap();
    let batch = loader.next_batch().unwrap();
    let told = rounding::step(Some(&with), &b, &mut ours, &batch, &settings(0)).unwrap();
    assert_eq!(told.loss, theirs.step(&b, &batch, &settings(0)).unwrap().loss);
    let keep = Average::<<Cpu<f64> as Backend>::Array>::keep(0.9, 0) as f32;
    for (id, entry) in layout.entries.iter().enumerate() {
        let values = |list: &[_]| download(&b, &list[id..=id]).remove(0);
        let (found, moved) = (values(&ours.weights), values(&theirs.weights));
        let average = values(&ours.average.weights);
        for (i, found) in found.iter().enumerate() {
            let expected = plain[id][i] + (moved[i] - rounded[id][i]);
            assert!((found - expected).abs() < 1e-6, "{}: {found} for {expected}", entry.name);
            let expected = keep * plain[id][i] + (1.0 - keep) * expected;
            assert!((average[i] - expected).abs() < 1e-6, "{}: average {} for {expected}", entry.name, average[i]);
        }
    }
}

#[test]
fn a_run_goes_on_bit_for_bit_and_leaves_a_model_that_is_held_as_it_is() {
    let place = place_of(Storage::Int4);
    let (straight, broken) = (place.out("straight"), place.out("broken"));
    let whole = place.run(&straight, None, None, 1).unwrap();
    place.run(&broken, None, Some(3), 1).unwrap();
    let state = Store::new(&broken, 2).latest().unwrap();
    let rest = place.run(&broken, Some(state), None, 1).unwrap();
    assert_eq!(rest.validation, whole.validation);
    assert_eq!(state_file(&straight, 6), state_file(&broken, 6));
    let state = Store::new(&straight, 2).latest().unwrap();
    let model = ebt_model::model::load(&straight.join("model.ebt")).unwrap();
    let mut expected = state.average.clone();
    Rounding::of(Storage::Int4, &model.layout).unwrap().round(&mut expected).unwrap();
    assert_eq!(model.weights, expected);
    assert_ne!(state.average, expected, "averages are kept as they are");
    let bytes = packed::pack(&packed::Contents {
        config: &model.config,
        objective: &model.objective,
        provenance: &[],
        weights: &model.weights,
        storage: Storage::Int4,
        language: None,
    });
    let bytes = bytes.unwrap();
    let (held, columns) = (Model::read(&bytes).unwrap().embedding(), model.config.dim);
    let mut row = vec![0.0; columns];
    for (i, expected) in model.weights[model.layout.embedding].chunks(columns).enumerate() {
        assert!(held.row_into(i, &mut row));
        assert_eq!(row, expected);
    }
}
