//! Model files, training states, packed models.

use std::ops::ControlFlow;
use std::path::Path;

use ebt::packed::{Model, Storage};
use ebt::{DescentOptions, Generator, Options, SessionOptions, Settings};
use ebt_core::reference::{Arena, Reference};
use ebt_host::packing;
use ebt_model::import::Foreign;
use ebt_model::infer::Hints;
use ebt_model::{Dtype, LoadedModel, ModelFile, TensorFile};
use ebt_train::checkpoint::State;

use super::{pinned, refused, seal};

/// Most bytes of a session that a body makes.
const SESSION: usize = 16 << 20;

pub fn model_seeds() -> Vec<Vec<u8>> {
    ["model-3.ebt", "baseline-3.ebt", "exported-2.safetensors", "model-2.ebt"].map(pinned).into()
}

/// A model file, and the same file as one of another program. What is accepted is written and read again, packed, and
/// generates a token.
pub fn model(bytes: &[u8]) {
    let (path, bytes) = (Path::new("input.ebt"), seal::digest(bytes));
    let open = || TensorFile::from_bytes(path, bytes.clone());
    match open().and_then(ModelFile::of).and_then(|file| file.load(|_| false)) {
        Ok(model) => use_model(&model),
        Err(error) => refused(&error, "input.ebt"),
    }
    let imported = open().and_then(Foreign::of).and_then(|foreign| {
        let hints = Hints { heads: Some(2), top_k: Some(1), ..Hints::default() };
        let config = foreign.config()?.map_or_else(|| foreign.infer(&hints), Ok)?;
        foreign.read(config, &[])
    });
    match imported {
        Ok(imported) => use_model(&imported.model),
        Err(error) => refused(&error, "input.ebt"),
    }
}

fn use_model(model: &LoadedModel) {
    let mut written = Vec::new();
    model.write(Dtype::F32, &mut written).unwrap();
    let again = TensorFile::from_bytes(Path::new("again.ebt"), written).and_then(ModelFile::of);
    let again = again.and_then(|file| file.load(|_| false)).unwrap();
    assert_eq!((&again.config, &again.fingerprint), (&model.config, &model.fingerprint));
    let bits = |weights: &[Vec<f32>]| weights.concat().into_iter().map(f32::to_bits).collect::<Vec<_>>();
    assert!(bits(&again.weights) == bits(&model.weights));
    // weights may be too large for a storage, and a tokenizer may have no compact form
    if let Ok(packed) = packing::pack(model, Storage::F32) {
        Model::read(&packed).unwrap();
        generate(&packed);
    }
}

pub fn state_seeds() -> Vec<Vec<u8>> {
    ["state-3.ebs", "state-2.ebs"].map(pinned).into()
}

/// A training state. What is accepted is written and read again, and goes to a device.
pub fn state(bytes: &[u8]) {
    let state = match State::from_bytes(Path::new("input.ebs"), seal::digest(bytes)) {
        Ok(state) => state,
        Err(error) => return refused(&error, "input.ebs"),
    };
    let mut written = Vec::new();
    state.write(&mut written).unwrap();
    let again = State::from_bytes(Path::new("again.ebs"), written.clone()).unwrap();
    let mut rewritten = Vec::new();
    again.write(&mut rewritten).unwrap();
    assert!(written == rewritten);
    let config = state.header.run_config().unwrap();
    // a run refuses a configuration that is not valid before it goes on
    if config.validate().is_ok() {
        let arena = Arena::new(1 << 18, 1 << 12);
        // what is too large for the arena is refused
        let _ = state.restore(&Reference::<f32>::new(&arena), &config);
    }
}

pub fn packed_seeds() -> Vec<Vec<u8>> {
    ["f32-2.ebp", "int8-2.ebp"].map(pinned).into()
}

/// A packed model. What is accepted generates a token.
pub fn packed(bytes: &[u8]) {
    let bytes = seal::last_crc(bytes);
    if let Ok(model) = Model::read(&bytes) {
        assert!(model.provenance().count() <= bytes.len());
        generate(&bytes);
    }
}

/// Generates a token, if the session is small and the model has a tokenizer.
fn generate(packed: &[u8]) {
    let session =
        SessionOptions { block: 4, rows: 1, steps: 2, trials: false, curvature: false, ..SessionOptions::default() };
    let options = Options { session, prompt: 32 };
    let needed = match Generator::bytes_needed(packed, &options) {
        Ok(needed) if needed <= SESSION => needed,
        _ => return,
    };
    let mut memory = vec![0u32; needed.div_ceil(4)];
    let arena: &mut [u8] = bytemuck::cast_slice_mut(&mut memory);
    let mut generator = Generator::new(packed, &options, arena).unwrap();
    let settings = Settings { think: DescentOptions { steps: 2, ..DescentOptions::default() }, ..Settings::default() };
    if generator.prompt("Ankara'da ").is_ok() {
        // numbers may leave their range
        if let Ok(Some(token)) = generator.next(&settings, &mut |_| ControlFlow::Continue(())) {
            assert!((0.0..=1.0).contains(&token.probability));
        }
    }
}
