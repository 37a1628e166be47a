//! The C interface with options, settings and texts as a careless caller fills them in. What it cannot check, that pointers
//! point to what they say, is kept.
#![allow(unsafe_code)]

use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use ebt::c::{
    COptions, CSettings, CToken, GeneratorHandle, Status, ebt_accept, ebt_bytes_needed, ebt_close, ebt_energies,
    ebt_next, ebt_open, ebt_prompt, ebt_reset, ebt_token_bytes, ebt_vocabulary,
};

use super::pinned;

/// Most memory that a body lends.
pub const LENT: usize = 16 << 20;

pub fn seeds() -> Vec<Vec<u8>> {
    let words = |list: &[u32]| list.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let (one, half) = (1f32.to_bits(), 0.5f32.to_bits());
    let usual = [4, 2, 4, 64, 1, 1];
    let think =
        |step_size: u32, noise: u32| [7, 0, 3, 2, 0, 1, 1, step_size, half, noise, half, 2, 0, 0, 0, one, 0, one, 0];
    let mut all = Vec::new();
    for (step_size, noise) in [(0, 0), (1, 1), (2, 0), (3, 0), (1, 2), (1, 3)] {
        let calls = b"\x00\x06Ankara\x02\x02\x01\x05\x03\x04\x02\x05";
        all.push([words(&usual), words(&think(step_size, noise)), calls.to_vec()].concat());
    }
    all
}

/// Reads an input from its start.
pub struct Input<'a>(pub &'a [u8]);

impl Input<'_> {
    pub fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or_default()
    }

    pub fn word(&mut self) -> u32 {
        u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    pub fn number(&mut self) -> f32 {
        f32::from_bits(self.word())
    }

    fn bytes(&mut self, length: usize) -> &[u8] {
        let length = length.min(self.0.len());
        self.0.split_off(..length).unwrap_or_default()
    }

    pub fn options(&mut self) -> COptions {
        COptions {
            block: self.word(),
            rows: self.word(),
            steps: self.word(),
            prompt: self.word(),
            trials: self.word(),
            curvature: self.word(),
            cache: u32::from(self.byte() % 6),
        }
    }

    fn settings(&mut self) -> CSettings {
        CSettings {
            seed: u64::from(self.word()) | u64::from(self.word()) << 32,
            steps: self.word(),
            candidates: self.word(),
            choose: self.word(),
            certify: self.word(),
            curvature: self.word(),
            step_size: self.word(),
            step_value: self.number(),
            noise: self.word(),
            noise_value: self.number(),
            warm_up: self.word(),
            tolerance_energy: self.number(),
            tolerance_dissipation: self.number(),
            min_steps: self.word(),
            temperature: self.number(),
            top_k: self.word(),
            top_p: self.number(),
            min_p: self.number(),
        }
    }
}

/// Opens a generator, calls it, closes it. Every call gives a status.
pub fn calls(bytes: &[u8]) {
    static MODEL: OnceLock<Vec<u8>> = OnceLock::new();
    let model = MODEL.get_or_init(|| pinned("int8-2.ebp"));
    let mut input = Input(bytes);
    let (options, settings) = (input.options(), input.settings());
    let mut needed = 0usize;
    // SAFETY: the pointers are to values that live, the lengths theirs.
    let status = unsafe { ebt_bytes_needed(model.as_ptr(), model.len(), &options, &mut needed) };
    // thousands of steps are right but slow
    let long = options.steps > 64 || options.curvature > 64 || settings.curvature > 64 || options.rows > 64;
    if status != Status::Ok.code() || needed > LENT || long {
        return;
    }
    let mut memory = vec![0u8; needed];
    let mut handle: *mut GeneratorHandle = null_mut();
    let lent = if settings.seed % 16 == 15 { needed / 2 } else { needed };
    // SAFETY: as above; the memory is used by the generator alone until the end of this function.
    let status =
        unsafe { ebt_open(model.as_ptr(), model.len(), &options, memory.as_mut_ptr().cast(), lent, &mut handle) };
    if status != Status::Ok.code() {
        assert!(handle.is_null() && lent < needed, "a generator with all the memory it asked for: {status}");
        return;
    }
    let mut vocabulary = 0;
    // SAFETY: an open generator.
    assert_eq!(unsafe { ebt_vocabulary(handle, &mut vocabulary) }, Status::Ok.code());
    for _ in 0..8 {
        if input.0.is_empty() {
            break;
        }
        call(&mut input, handle, &settings, vocabulary);
    }
    // SAFETY: an open generator; a second time it is told that it is closed.
    let closed = unsafe { [ebt_close(handle), ebt_close(handle)] };
    assert!(closed[0] == Status::Ok.code() && closed[1] != Status::Ok.code());
}

/// One call, of which the next bytes say which.
fn call(input: &mut Input<'_>, handle: *mut GeneratorHandle, settings: &CSettings, vocabulary: usize) {
    match input.byte() {
        0 => {
            let length = usize::from(input.byte());
            let text = input.bytes(length);
            // SAFETY: an open generator, and as many bytes as there are.
            unsafe { ebt_prompt(handle, text.as_ptr().cast(), text.len()) };
        }
        1 => {
            let ids = [input.word(), u32::from(input.byte())];
            // SAFETY: an open generator, and two ids.
            unsafe { ebt_accept(handle, ids.as_ptr(), ids.len()) };
        }
        2 => {
            let (mut token, mut piece) = (std::mem::MaybeUninit::<CToken>::zeroed(), [0u8; 512]);
            let room = piece.len() / (1 + usize::from(input.byte() % 8));
            // SAFETY: an open generator, settings, and places with as much room as is said.
            unsafe {
                ebt_next(handle, settings, None, null_mut(), piece.as_mut_ptr().cast(), room, token.as_mut_ptr())
            };
        }
        3 => {
            let (mut bytes, mut length) = (null(), 0);
            // SAFETY: an open generator and places for the answer.
            unsafe { ebt_token_bytes(handle, input.word(), &mut bytes, &mut length) };
        }
        4 => {
            let (points, mut energies) = (vec![1.0 / vocabulary as f32; vocabulary], [0.0f32]);
            // SAFETY: an open generator, one point and a place for its energy.
            unsafe { ebt_energies(handle, input.word(), points.as_ptr(), 1, energies.as_mut_ptr()) };
        }
        _ => {
            // SAFETY: an open generator.
            unsafe { ebt_reset(handle) };
        }
    }
}
