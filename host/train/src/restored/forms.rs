//! The most frequent form of every word: the least that a restorer has to beat.

use std::collections::HashMap;

use anyhow::Result;
use ebt_data::Tokens;
use ebt_tokenizer::letters::{Damage, Symbol};

use crate::task::letters::truth;

/// A word: the numbers of its symbols.
type Word = Box<[u8]>;

/// Words as they are typed, with the form that most of them have in a text.
#[derive(Clone, Debug, Default)]
pub struct Forms {
    damage: Damage,
    best: HashMap<Word, Word>,
}

impl Forms {
    /// Counts the words of a text.
    ///
    /// # Errors
    ///
    /// Text that cannot be read.
    pub fn of(text: &Tokens, damage: Damage) -> Result<Self> {
        let mut counts: HashMap<Word, u32> = HashMap::new();
        let mut ids = Vec::new();
        for document in 0..text.documents() {
            ids.clear();
            text.gather(text.document(document), &mut ids)?;
            let letters: Vec<Option<u8>> = ids.iter().map(|&id| letter(id, damage)).collect();
            for word in letters.split(Option::is_none).filter(|word| !word.is_empty()) {
                *counts.entry(word.iter().copied().flatten().collect()).or_default() += 1;
            }
        }
        let mut best: HashMap<Word, (u32, Word)> = HashMap::new();
        for (form, count) in counts {
            let entry = best.entry(typed(&form)).or_default();
            // of equally frequent forms that which is first
            if (count, std::cmp::Reverse(&form)) > (entry.0, std::cmp::Reverse(&entry.1)) {
                *entry = (count, form);
            }
        }
        Ok(Self { damage, best: best.into_iter().map(|(typed, (_, form))| (typed, form)).collect() })
    }

    /// The form of a word of this truth, by what is typed of it; of an unknown word, what is typed.
    pub fn form(&self, ids: &[u32]) -> Vec<u32> {
        let word: Vec<u8> = ids.iter().filter_map(|&id| letter(id, self.damage)).collect();
        let typed = typed(&word);
        self.best.get(&typed).unwrap_or(&typed).iter().map(|&symbol| u32::from(symbol)).collect()
    }
}

fn letter(id: u32, damage: Damage) -> Option<u8> {
    let symbol = truth(id, damage);
    symbol.letter().map(|_| symbol.index() as u8)
}

fn typed(form: &[u8]) -> Word {
    let plain = |&symbol: &u8| {
        let symbol = Symbol::of_index(usize::from(symbol)).unwrap_or(Symbol::EDGE);
        Damage::ascii_symbol(symbol).index() as u8
    };
    form.iter().map(plain).collect()
}
