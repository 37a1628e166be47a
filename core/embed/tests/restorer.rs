//! Restoring as a library: whatever the model says, nothing changes that cannot be damaged.
#![allow(clippy::unwrap_used)]

mod support;

use ebt::packed::Storage;
use ebt::{Damage, DescentOptions, Letter, Restorer, SessionOptions};
use ebt_core::config::{Conditioning, Config, JointConfig, ModelKind, RelationKind, UpdateRule};
use ebt_tokenizer::letters::{SYMBOLS, symbol};
use proptest::prelude::*;

/// A packed model of letters with drawn weights.
fn model() -> Vec<u8> {
    let config = Config {
        kind: ModelKind::Joint,
        condition: Conditioning::None,
        vocab: SYMBOLS,
        dim: 8,
        heads: 2,
        ffn: 8,
        layers: 1,
        context: 16,
        update: UpdateRule::Mirror,
        tau: 1.0,
        joint: JointConfig { relations: RelationKind::Bias, distance: 4, ..JointConfig::default() },
        ..support::config()
    };
    let config = Config { alpha: 1.0, ..config };
    support::packed(&config, None, Storage::F32)
}

fn options() -> SessionOptions {
    SessionOptions { rows: 1, steps: 2, ..SessionOptions::default() }
}

fn restored(file: &[u8], text: &str, damage: Damage) -> Vec<Letter> {
    let mut memory = vec![0u32; Restorer::bytes_needed(file, &options()).unwrap().div_ceil(4)];
    let mut restorer = Restorer::new(file, &options(), bytemuck::cast_slice_mut(&mut memory)).unwrap();
    let mut letters = Vec::new();
    restorer.restore(text, damage, &DescentOptions::default(), &mut |letter| letters.push(letter)).unwrap();
    letters
}

/// Texts of letters, gaps, signs and anything else, some longer than many windows.
fn texts() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        4 => prop::sample::select("abcçdefgğhıijklmnoöprsştuüvyzCÇGĞIİOÖSŞUÜâîû".chars().collect::<Vec<_>>()),
        2 => Just(' '),
        1 => prop::sample::select("_@.'/:-1\u{307}\u{327}\n".chars().collect::<Vec<_>>()),
        1 => any::<char>(),
    ];
    prop::collection::vec(character, 0..120).prop_map(|all| all.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn a_letter_becomes_one_that_it_may_have_been_and_all_else_stays(text in texts(), kind in 0..Damage::ALL.len()) {
        let damage = Damage::ALL[kind].2;
        let letters = restored(&model(), &text, damage);
        let places: Vec<(usize, char)> = text.char_indices().collect();
        prop_assert_eq!(letters.iter().map(|letter| (letter.at, letter.was)).collect::<Vec<_>>(), places);
        for letter in &letters {
            let set = damage.set(letter.was);
            prop_assert!(letter.is == letter.was || set.holds(symbol(letter.is)), "{:?}", letter);
            prop_assert!(letter.in_doubt || (letter.is == letter.was && letter.probability == 1.0), "{:?}", letter);
            prop_assert!(letter.probability > 0.0 && letter.probability <= 1.0);
            if letter.was != Damage::GAP {
                prop_assert_eq!(letter.is.is_uppercase(), letter.was.is_uppercase());
            }
        }
    }

    #[test]
    fn a_text_comes_to_rest(text in texts()) {
        let file = model();
        let (mut now, mut passes) = (text.clone(), 0);
        loop {
            let next: String = restored(&file, &now, Damage::Circumflex).iter().map(|letter| letter.is).collect();
            // every pass puts at least one more letter out of doubt
            prop_assert!(passes <= text.chars().count());
            if next == now {
                break;
            }
            (now, passes) = (next, passes + 1);
        }
    }
}

#[test]
fn memory_and_models_that_do_not_do_are_refused() {
    let file = model();
    let needed = Restorer::bytes_needed(&file, &options()).unwrap();
    let mut memory = vec![0u32; needed.div_ceil(4)];
    let memory: &mut [u8] = bytemuck::cast_slice_mut(&mut memory);
    assert!(Restorer::new(&file, &options(), &mut memory[..needed - 1]).is_err());
    assert!(Restorer::new(&file, &options(), &mut memory[..needed]).is_ok());
    assert!(Restorer::new(&file, &options(), &mut []).is_err());
    for other in [support::model(), support::joint()] {
        let message = Restorer::bytes_needed(&other, &options()).unwrap_err().to_string();
        assert!(message.contains("knows no letters"), "{message}");
    }
}
