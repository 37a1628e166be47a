//! The suffixes by the letter they may begin with.

use super::letter::can_be;
use super::suffix::Suffix;
use super::{nominal, verbal};

/// The suffixes that may begin with a lower-case letter.
pub(super) fn beginning_with(letter: char) -> impl Iterator<Item = &'static Suffix> {
    let row: &[u8] = row(letter).map_or(&[], |row| {
        let (indices, count) = &BEGINNERS[row];
        &indices[..*count]
    });
    row.iter().map(|&index| SUFFIXES[usize::from(index)])
}

/// How many suffixes there are; an index of one fits a byte.
const COUNT: usize = count(nominal::ALL) + count(verbal::ALL);
const _: () = assert!(COUNT <= 256);

/// Every suffix, in the order of the grammar.
pub(super) static SUFFIXES: [&Suffix; COUNT] = {
    let mut all = [&nominal::ALL[0][0]; COUNT];
    let (mut filled, mut part) = (0, 0);
    while part < 2 {
        let groups = if part == 0 { nominal::ALL } else { verbal::ALL };
        let mut group = 0;
        while group < groups.len() {
            let mut index = 0;
            while index < groups[group].len() {
                all[filled] = &groups[group][index];
                filled += 1;
                index += 1;
            }
            group += 1;
        }
        part += 1;
    }
    all
};

/// The letters of suffixes besides a to z.
const OTHERS: [char; 6] = ['ç', 'ğ', 'ı', 'ö', 'ş', 'ü'];
const ROWS: usize = 26 + OTHERS.len();

/// The most suffixes that begin with one letter.
const WIDTH: usize = 64;

/// For the letter of every row, the indices of the suffixes that may begin with it, and how many they are.
static BEGINNERS: [([u8; WIDTH], usize); ROWS] = {
    let mut rows = [([0; WIDTH], 0); ROWS];
    let mut row = 0;
    while row < ROWS {
        let letter = if row < 26 { (b'a' + row as u8) as char } else { OTHERS[row - 26] };
        let mut index = 0;
        while index < COUNT {
            let form = SUFFIXES[index].form.as_bytes();
            let bracketed = form[0] == b'(';
            let (first, after) = symbol(form, bracketed as usize);
            // a letter in brackets may be left out, and then the one after the brackets comes first
            if can_be(first, letter) || bracketed && can_be(symbol(form, after + 1).0, letter) {
                rows[row].0[rows[row].1] = index as u8;
                rows[row].1 += 1;
            }
            index += 1;
        }
        row += 1;
    }
    rows
};

/// The row of a letter that a suffix may begin with.
fn row(letter: char) -> Option<usize> {
    match letter {
        'a'..='z' => Some(letter as usize - 'a' as usize),
        _ => OTHERS.iter().position(|&other| other == letter).map(|place| 26 + place),
    }
}

/// The symbol at a byte of a form, and the byte after it. Forms are ASCII and letters of two bytes.
const fn symbol(form: &[u8], at: usize) -> (char, usize) {
    let first = form[at];
    if first < 0x80 {
        return (first as char, at + 1);
    }
    let code = (first as u32 & 0x1F) << 6 | form[at + 1] as u32 & 0x3F;
    match char::from_u32(code) {
        Some(letter) => (letter, at + 2),
        None => panic!("a form holds letters only"),
    }
}

/// How many suffixes there are in groups.
const fn count(groups: &[&[Suffix]]) -> usize {
    let (mut sum, mut group) = (0, 0);
    while group < groups.len() {
        sum += groups[group].len();
        group += 1;
    }
    sum
}
