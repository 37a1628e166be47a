//! Sound inputs, changed in a few places as damage, haste and malice change them.

use std::fmt;

use proptest::prelude::*;
use proptest::sample::Index;

/// An input.
#[derive(Clone)]
pub struct Input(pub Vec<u8>);

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes: {}", self.0.len(), self.0.escape_ascii())
    }
}

/// One change. Places are shares of the length.
#[derive(Clone, Debug)]
enum Change {
    Flip(Index, u8),
    Set(Index, u8),
    Cut(Index, usize),
    End(Index),
    Insert(Index, Vec<u8>),
    Repeat(Index, usize, Index),
    Splice(Index, Index, Index, usize),
    Length(Index, usize, u64),
    Digits(Index, &'static str),
}

/// Numbers at which lengths and sizes go wrong.
const NUMBERS: [u64; 12] =
    [0, 1, 2, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 1 << 32, 1 << 40, i64::MAX as u64, u64::MAX];

/// The same in text.
const DIGITS: [&str; 12] = [
    "0",
    "-1",
    "1e999",
    "1e-400",
    "null",
    "\"\"",
    "[]",
    "{}",
    "18446744073709551615",
    "18446744073709551616",
    "true",
    "99999999",
];

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        (at(), 0..8u8).prop_map(|(place, bit)| Change::Flip(place, bit)),
        (at(), any::<u8>()).prop_map(|(place, byte)| Change::Set(place, byte)),
        (at(), 1..64usize).prop_map(|(place, length)| Change::Cut(place, length)),
        at().prop_map(Change::End),
        (at(), prop::collection::vec(any::<u8>(), 1..16)).prop_map(|(place, bytes)| Change::Insert(place, bytes)),
        (at(), 1..256usize, at()).prop_map(|(from, length, to)| Change::Repeat(from, length, to)),
        (at(), at(), at(), 1..256usize).prop_map(|(other, from, to, length)| Change::Splice(other, from, to, length)),
        (at(), prop::sample::select(vec![1usize, 2, 4, 8]), prop::sample::select(NUMBERS.to_vec()))
            .prop_map(|(place, width, number)| Change::Length(place, width, number)),
        (at(), prop::sample::select(DIGITS.to_vec())).prop_map(|(place, text)| Change::Digits(place, text)),
    ]
}

impl Change {
    fn make(&self, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        if bytes.is_empty() {
            return;
        }
        let length = bytes.len();
        let range = |from: &Index, n: usize| {
            let from = from.index(length);
            from..(from + n).min(length)
        };
        match self {
            Self::Flip(place, bit) => bytes[place.index(length)] ^= 1 << bit,
            Self::Set(place, byte) => bytes[place.index(length)] = *byte,
            Self::Cut(place, n) => drop(bytes.drain(range(place, *n))),
            Self::End(place) => bytes.truncate(place.index(length)),
            Self::Insert(place, new) => insert(bytes, place.index(length), new),
            Self::Repeat(from, n, to) => {
                let copy = bytes[range(from, *n)].to_vec();
                insert(bytes, to.index(length), &copy);
            }
            Self::Splice(other, from, to, n) => {
                let other = other.get(seeds);
                if !other.is_empty() {
                    let from = from.index(other.len());
                    let copy = other[from..(from + n).min(other.len())].to_vec();
                    let range = range(to, copy.len());
                    let n = range.len();
                    bytes[range].copy_from_slice(&copy[..n]);
                }
            }
            Self::Length(place, width, number) => {
                let range = range(place, *width);
                let n = range.len();
                bytes[range].copy_from_slice(&number.to_le_bytes()[..n]);
            }
            Self::Digits(place, text) => replace_number(bytes, place.index(length), text),
        }
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, new: &[u8]) {
    bytes.splice(at..at, new.iter().copied());
}

/// Puts `text` in the place of the first number at or behind a place.
fn replace_number(bytes: &mut Vec<u8>, at: usize, text: &str) {
    let is_number = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit) else { return };
    let start = at + start;
    let end = bytes[start..].iter().position(|byte| !is_number(byte)).map_or(bytes.len(), |n| start + n);
    bytes.splice(start..end, text.bytes());
}

/// One of the seeds with up to six changes.
pub fn of(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Input> {
    (any::<Index>(), prop::collection::vec(change(), 1..=6)).prop_map(move |(seed, changes)| {
        let mut bytes = seed.get(&seeds).clone();
        changes.iter().for_each(|change| change.make(&mut bytes, &seeds));
        Input(bytes)
    })
}
