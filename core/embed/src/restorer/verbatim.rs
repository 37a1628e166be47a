//! What is no prose: addresses, paths, names of files, code, names like `iOS`.

use ebt_tokenizer::letters::{Damage, lower_letter};

/// Bytes on either side of a place that are looked at.
const REACH: usize = 256;

/// Ends of names in the net and of files.
const ENDS: [&str; 26] = [
    "com", "net", "org", "edu", "gov", "info", "io", "co", "tr", "de", "uk", "eu", "html", "htm", "php", "pdf", "txt",
    "doc", "docx", "xml", "json", "csv", "py", "rs", "js", "exe",
];

/// Whether the run that is being passed is verbatim: one without white space, or a name up to the apostrophe of its suffix.
pub(super) struct Verbatim<'t> {
    text: &'t str,
    gap: bool,
    /// Where the run ends, in bytes.
    end: usize,
    verbatim: bool,
}

impl<'t> Verbatim<'t> {
    /// At a place in a text, which may be in the midst of a run.
    pub fn at(text: &'t str, start: usize, damage: Damage) -> Self {
        let least = start.saturating_sub(REACH);
        let before = text.as_bytes().get(least..start).unwrap_or_default();
        let space = before.iter().rposition(u8::is_ascii_whitespace);
        let mut at = Self { text, gap: damage == Damage::Missing, end: 0, verbatim: false };
        // a run that began out of reach is looked at from here on
        at.enter(space.map_or(if least == 0 { 0 } else { start }, |space| least + space + 1));
        at
    }

    /// Looks at the run from `start` on.
    fn enter(&mut self, start: usize) {
        let rest = self.text.get(start..).unwrap_or_default();
        let most = REACH.min(rest.len());
        let seen = (0..=most).rev().find_map(|end| rest.get(..end)).unwrap_or_default();
        let run = seen.split(char::is_whitespace).next().unwrap_or_default();
        let name = run.split(['\'', '’']).next().unwrap_or_default();
        let whole = is_verbatim(run, self.gap);
        (self.verbatim, self.end) = match has_capital_inside(name) {
            true if !whole => (true, start + name.len()),
            _ => (whole, start + run.len()),
        };
    }

    /// Whether the character `c` at `at`, the next one or a later one, is left as it is.
    pub fn covers(&mut self, at: usize, c: char) -> bool {
        if c.is_whitespace() {
            return false;
        }
        if at >= self.end {
            self.enter(at);
        }
        self.verbatim
    }
}

fn is_verbatim(run: &str, gap: bool) -> bool {
    let signs =
        |c: char| matches!(c, '@' | '\\' | '=' | '<' | '>' | '{' | '}' | '|' | '~' | '^' | '#') || (c == '_' && !gap);
    let beside =
        |[a, b]: [char; 2]| (a.is_ascii_digit() && b.is_alphabetic()) || (a.is_alphabetic() && b.is_ascii_digit());
    let mixed = run.chars().zip(run.chars().skip(1)).any(|(a, b)| beside([a, b]));
    run.contains(signs)
        || run.as_bytes().windows(3).any(|part| part == b"://")
        || mixed
        || run.starts_with("www.")
        || ends_like_a_name(run)
}

/// Whether a capital follows a letter that is none: `iOS`, `activeIndex`, `JavaScript`.
fn has_capital_inside(name: &str) -> bool {
    let is_capital = |c: char| lower_letter(c) != c;
    name.chars().zip(name.chars().skip(1)).any(|(a, b)| a.is_alphabetic() && !is_capital(a) && is_capital(b))
}

/// Whether a run is `name.end` with an end of [`ENDS`], whatever stands after an apostrophe or as punctuation.
fn ends_like_a_name(run: &str) -> bool {
    let run = run.split(['\'', '’', '/', '?']).next().unwrap_or_default();
    let run = run.trim_end_matches(|c: char| !c.is_alphanumeric());
    let stop = run.bytes().rposition(|byte| byte == b'.').unwrap_or(run.len());
    let (name, end) = (run.get(..stop).unwrap_or_default(), run.get(stop.saturating_add(1)..).unwrap_or_default());
    name.ends_with(|c: char| c.is_alphanumeric()) && ENDS.iter().any(|known| known.eq_ignore_ascii_case(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_prose_is_known() {
        for run in [
            "https://a.b/c",
            "www.ornek",
            "ali@ornek",
            "ornek.com.tr'den",
            "(hurriyet.com).",
            "main.rs",
            "C:\\dosya",
            "x_y",
            "#etiket",
            "i5",
            "h264",
            "a=b",
            "<i>",
        ] {
            assert!(is_verbatim(run, false), "{run}");
        }
        for run in
            ["Turkiye'nin", "geldi.Sonra", "12'nci", "ve/veya", "(gun)", "3.", "%20'si", "A.S.", "", "...", "gitti.ama"]
        {
            assert!(!is_verbatim(run, false), "{run}");
        }
        assert!(!is_verbatim("T_rk_ye", true));
    }

    #[test]
    fn a_name_is_left_alone_and_its_suffix_is_not() {
        let text = "bu activeIndex'in (JavaScript’in) İstanbul'un eklerI";
        let mut verbatim = Verbatim::at(text, 0, Damage::Ascii);
        let left: std::string::String =
            text.char_indices().filter(|&(at, c)| verbatim.covers(at, c)).map(|(_, c)| c).collect();
        assert_eq!(left, "activeIndex(JavaScripteklerI");
        for start in (0..text.len()).filter(|&i| text.is_char_boundary(i)) {
            let (mut from, mut verbatim) =
                (Verbatim::at(text, start, Damage::Ascii), Verbatim::at(text, 0, Damage::Ascii));
            for (at, c) in text.char_indices() {
                let whole = verbatim.covers(at, c);
                assert!(at < start || from.covers(at, c) == whole, "{start} {at}");
            }
        }
    }

    #[test]
    fn a_run_is_known_from_its_midst() {
        let text = "gel https://ornek.com/sicak su x";
        for start in (0..text.len()).filter(|&i| text.is_char_boundary(i)) {
            let mut verbatim = Verbatim::at(text, start, Damage::Ascii);
            for (offset, c) in text[start..].char_indices() {
                let at = start + offset;
                assert_eq!(verbatim.covers(at, c), (4..27).contains(&at), "{start} {at}");
            }
        }
        // a run without an end is looked at piece by piece
        let long = "şi".repeat(5000);
        let mut verbatim = Verbatim::at(&long, 3000, Damage::Ascii);
        assert!(long[3000..].char_indices().all(|(offset, c)| !verbatim.covers(3000 + offset, c)));
    }
}
