//! MinHash signatures of documents (Broder 1997): the share of equal places of two signatures estimates the Jaccard
//! similarity of the sets they stand for.
//!
//! The set of a document is that of its runs of five words ([`SHINGLE`]); a word is a longest run of letters and digits,
//! in lower case, with one letter for the two i of Turkish ([`case::folded`]): a text and its copy in capitals are alike
//! by the rules of every language. A document of fewer words has no signature: short texts are often alike and yet others.
//!
//! With [`PLACES`] places the estimate of a similarity `s` has a standard deviation of `sqrt(s (1 - s) / 128)`, 0.035 at
//! 0.8. A signature holds the low 16 bits of every minimum: two different minima look equal once in 65,536 times.

use ebt_data::text::case;
use twox_hash::XxHash3_64;

/// Words of a shingle.
pub const SHINGLE: usize = 5;
/// Places of a signature.
pub const PLACES: usize = 128;

/// The minima of 128 hash functions over the shingles of a document.
pub type Minima = [u32; PLACES];

/// The minima of a text; `None` if it has fewer than [`SHINGLE`] words.
pub fn minima(text: &str) -> Option<Box<Minima>> {
    let mut least = Box::new([u32::MAX; PLACES]);
    let mut recent = [0u64; SHINGLE];
    let mut words = 0;
    for_each_word(text, |word| {
        recent.rotate_left(1);
        recent[SHINGLE - 1] = XxHash3_64::oneshot(word.as_bytes());
        words += 1;
        if words >= SHINGLE {
            let mut bytes = [0; 8 * SHINGLE];
            for (to, word) in bytes.chunks_exact_mut(8).zip(recent) {
                to.copy_from_slice(&word.to_le_bytes());
            }
            let shingle = XxHash3_64::oneshot(&bytes);
            for (least, &(factor, term)) in least.iter_mut().zip(&FUNCTIONS) {
                *least = (*least).min((shingle as u32).wrapping_mul(factor).wrapping_add(term));
            }
        }
    });
    (words >= SHINGLE).then_some(least)
}

/// Hash functions `x -> factor x + term` modulo 2^32, permutations as the factors are odd.
const FUNCTIONS: [(u32, u32); PLACES] = {
    let mut functions = [(0, 0); PLACES];
    // SplitMix64 (Steele, Lea and Flood 2014)
    let mut state: u64 = 0x6562_7420_7475_726B;
    let mut i = 0;
    while i < PLACES {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        functions[i] = ((z >> 32) as u32 | 1, z as u32);
        i += 1;
    }
    functions
};

/// Calls `each` for every word in lower case.
fn for_each_word(text: &str, mut each: impl FnMut(&str)) {
    let mut word = String::new();
    for c in case::folded(text) {
        if c.is_alphanumeric() {
            word.push(c);
        } else if !word.is_empty() {
            each(&word);
            word.clear();
        }
    }
    if !word.is_empty() {
        each(&word);
    }
}

/// How minima are stored.
pub type Signature = [u16; PLACES];

/// The low bits of minima.
pub fn signature(minima: &Minima) -> Signature {
    minima.map(|x| x as u16)
}

/// Estimated similarity of the documents of two signatures.
pub fn similarity(a: &Signature, b: &Signature) -> f64 {
    let equal = a.iter().zip(b).filter(|(a, b)| a == b).count();
    equal as f64 / PLACES as f64
}

/// Bands of a signature (locality-sensitive hashing): documents whose minima agree on all places of any band are
/// compared. Two documents of similarity `s` are with probability `1 - (1 - s^rows)^bands`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bands {
    /// Number of bands.
    pub bands: usize,
    /// Places of a band.
    pub rows: usize,
}

impl Bands {
    /// Least probability that documents of exactly the similarity asked for are compared.
    pub const RECALL: f64 = 0.98;

    /// The bands with most rows (fewest needless comparisons) that reach [`Bands::RECALL`] at `similarity`.
    pub fn for_similarity(similarity: f64) -> Self {
        let reaches = |rows: &usize| {
            let bands = (PLACES / rows) as i32;
            1.0 - (1.0 - similarity.powi(*rows as i32)).powi(bands) >= Self::RECALL
        };
        let rows = (1..=PLACES).rev().find(reaches).unwrap_or(1);
        Self { bands: PLACES / rows, rows }
    }

    /// The key of every band of a document.
    pub fn keys(self, minima: &Minima) -> impl Iterator<Item = u64> {
        minima.chunks_exact(self.rows).take(self.bands).enumerate().map(|(band, rows)| {
            let mut bytes = [0; 4 * (PLACES + 1)];
            for (to, x) in bytes.chunks_exact_mut(4).zip(std::iter::once(&(band as u32)).chain(rows)) {
                to.copy_from_slice(&x.to_le_bytes());
            }
            XxHash3_64::oneshot(&bytes[..4 * (rows.len() + 1)])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn words(numbers: &[u32]) -> String {
        numbers.iter().map(|n| format!("sözcük{n}")).collect::<Vec<_>>().join(" ")
    }

    fn jaccard(a: &[u32], b: &[u32]) -> f64 {
        let set = |x: &[u32]| x.windows(SHINGLE).map(<[u32]>::to_vec).collect::<HashSet<_>>();
        let (a, b) = (set(a), set(b));
        a.intersection(&b).count() as f64 / a.union(&b).count() as f64
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn signatures_estimate_the_jaccard_similarity(seed in 0u32..1_000_000, shared in 0u32..400) {
            let of = |own: u32| (seed..seed + shared).chain(own..own + 400 - shared).collect::<Vec<u32>>();
            let (a, b) = (of(seed + 10_000), of(seed + 20_000));
            let get = |x: &[u32]| signature(&minima(&words(x)).unwrap());
            let (estimate, exact) = (similarity(&get(&a), &get(&b)), jaccard(&a, &b));
            // five standard deviations
            prop_assert!((estimate - exact).abs() <= 5.0 * (exact * (1.0 - exact) / 128.0).sqrt() + 0.01, "{estimate} {exact}");
        }
    }

    #[test]
    fn case_and_punctuation_do_not_count_and_short_texts_have_no_signature() {
        let of = |text: &str| minima(text).map(|m| signature(&m));
        assert!(of("bir iki üç dört beş").is_some());
        assert_eq!(of("Bir İKİ, üç; DÖRT... beş!"), of("bir iki üç dört beş"));
        let (turkish, english) = ("ışığı içinde iki ılık kıyı", "this is in its first inch");
        assert_eq!(of("IŞIĞI İÇİNDE İKİ ILIK KIYI"), of(turkish));
        assert_eq!(of(&english.to_uppercase()), of(english));
        assert_ne!(of(turkish), of(english));
        assert_eq!(of("bir iki üç dört"), None);
        assert_eq!(of(""), None);
    }

    #[test]
    fn bands_find_documents_of_the_similarity_asked_for() {
        for (s, rows) in [(0.3, 2), (0.5, 3), (0.8, 7), (0.9, 11), (1.0, 128)] {
            assert_eq!(Bands::for_similarity(s), Bands { bands: 128 / rows, rows }, "{s}");
        }
        let minima = minima("bir iki üç dört beş altı").unwrap();
        let bands = Bands::for_similarity(0.8);
        assert_eq!(bands.keys(&minima).collect::<HashSet<_>>().len(), bands.bands);
    }
}
