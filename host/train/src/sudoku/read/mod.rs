//! Boards in files: one a line, as text or as JSON. Lines of both kinds may follow one another; empty lines are passed over.
//!
//! A line of text has a character for every cell in reading order: a symbol, or `.`, `0` or `_` where it is not known.
//! Spaces may stand anywhere.
//!
//! A line of JSON is an object. `given` is such a line of text; without it no cell is given. `allowed` restricts cells to
//! symbols: either an object from cells to strings of symbols, or an array of `N` rows of `N` strings, in which `.` leaves a
//! cell as it is. A cell is named `r1c2` (row 1, column 2) or by its index from 0 in reading order.
//!
//! ```text
//! 3..5.. ..1... .2...4 ...6.. 4...1. ..5..3
//! {"given": "3..5....................4...1......3", "allowed": {"r1c2": "12", "35": "36"}}
//! ```

mod fault;
mod json;

pub use fault::{Fault, ReadError, Within};

use super::board::Board;
use super::grid::{Grid, Place};
use super::symbol::from_char;
use json::Json;

/// The boards of a file, with what is wrong in place of each line that is none.
pub fn boards(grid: Grid, bytes: &[u8]) -> impl Iterator<Item = Result<Board, ReadError>> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    bytes.split(|&byte| byte == b'\n').enumerate().filter_map(move |(before, line)| {
        let board = match std::str::from_utf8(line) {
            Ok(line) if line.trim().is_empty() => return None,
            Ok(line) => board(grid, line),
            Err(_) => Err(Fault::NotText),
        };
        Some(board.map_err(|fault| ReadError { line: before + 1, fault }))
    })
}

/// The board of one line.
///
/// # Errors
///
/// What is wrong with it.
pub fn board(grid: Grid, line: &str) -> Result<Board, Fault> {
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.trim_start().starts_with(['{', '[', '"']) { object(grid, line) } else { cells(grid, line, Within::Line) }
}

/// A board from a character for every cell.
fn cells(grid: Grid, text: &str, within: Within) -> Result<Board, Fault> {
    let mut sets = Vec::with_capacity(grid.cells());
    for (before, c) in text.chars().enumerate() {
        match c {
            ' ' | '\t' => {}
            '.' | '0' | '_' => sets.push(grid.all()),
            _ => sets.push(symbol(grid, c).ok_or(Fault::Character { within, column: before + 1, found: c, grid })?),
        }
    }
    if sets.len() != grid.cells() {
        return Err(Fault::Length { within, found: sets.len(), grid });
    }
    Ok(Board::of(grid, sets))
}

/// A symbol of the grid, as a set.
fn symbol(grid: Grid, c: char) -> Option<u32> {
    from_char(c).filter(|&v| usize::from(v) < grid.symbols()).map(|v| 1 << v)
}

/// A board from a line of JSON.
fn object(grid: Grid, line: &str) -> Result<Board, Fault> {
    let Json::Object(fields) = json::read(line)? else {
        return Err(Fault::Kind { within: Within::Line, expected: "an object of JSON" });
    };
    let (mut given, mut allowed) = (None, None);
    for (key, value) in fields {
        let field = match &*key {
            "given" => &mut given,
            "allowed" => &mut allowed,
            _ => return Err(Fault::Field(key)),
        };
        if field.replace(value).is_some() {
            return Err(Fault::Twice(key));
        }
    }
    let mut sets = match given {
        None => vec![grid.all(); grid.cells()],
        Some(Json::Text(text)) => cells(grid, &text, Within::Given)?.allowed().to_vec(),
        Some(_) => return Err(Fault::Kind { within: Within::Given, expected: "a string" }),
    };
    match allowed {
        None => {}
        Some(Json::Object(pairs)) => {
            let mut met = vec![false; grid.cells()];
            for (key, value) in pairs {
                let cell = cell(grid, &key)?;
                if std::mem::replace(&mut met[cell], true) {
                    return Err(Fault::Twice(key));
                }
                restrict(grid, &mut sets, cell, &value, false)?;
            }
        }
        Some(Json::Array(rows)) => table(grid, &mut sets, &rows)?,
        Some(_) => return Err(Fault::Kind { within: Within::Allowed, expected: "an object or an array of rows" }),
    }
    Ok(Board::of(grid, sets))
}

/// Restricts every cell, from rows of strings.
fn table(grid: Grid, sets: &mut [u32], rows: &[Json]) -> Result<(), Fault> {
    let n = grid.symbols();
    if rows.len() != n {
        return Err(Fault::Rows { found: rows.len(), grid });
    }
    for (row, values) in rows.iter().enumerate() {
        let Json::Array(values) = values else {
            return Err(Fault::Kind { within: Within::Row(row), expected: "an array of strings" });
        };
        if values.len() != n {
            return Err(Fault::Columns { row, found: values.len(), grid });
        }
        for (column, value) in values.iter().enumerate() {
            restrict(grid, sets, row * n + column, value, true)?;
        }
    }
    Ok(())
}

/// Restricts a cell to the symbols of a string; `.` alone may leave it as it is.
fn restrict(grid: Grid, sets: &mut [u32], cell: usize, value: &Json, or_free: bool) -> Result<(), Fault> {
    let place = grid.place(cell);
    let within = Within::Cell(place);
    let Json::Text(text) = value else { return Err(Fault::Kind { within, expected: "a string of symbols" }) };
    if or_free && text == "." {
        return Ok(());
    }
    let mut set = 0;
    for (before, c) in text.chars().enumerate().filter(|(_, c)| !matches!(c, ' ' | '\t')) {
        let column = before + 1;
        let one = symbol(grid, c).ok_or(Fault::Character { within, column, found: c, grid })?;
        if set & one != 0 {
            return Err(Fault::Again { place, found: c });
        }
        set |= one;
    }
    if set == 0 {
        return Err(Fault::Empty(place));
    }
    let both = sets[cell] & set;
    if both == 0 {
        return Err(Fault::GivenNotAllowed { place, given: sets[cell].trailing_zeros() as u8 });
    }
    sets[cell] = both;
    Ok(())
}

/// The cell that a key names.
fn cell(grid: Grid, key: &str) -> Result<usize, Fault> {
    let number =
        |text: &str| Some(text).filter(|text| text.bytes().all(|b| b.is_ascii_digit())).and_then(|t| t.parse().ok());
    let n = grid.symbols();
    let named = match key.strip_prefix('r') {
        None => number(key).filter(|&cell: &usize| cell < grid.cells()),
        Some(rest) => rest.split_once('c').and_then(|(row, column)| {
            let line = |text| number(text).filter(|line| (1..=n).contains(line)).map(|line| line - 1);
            Some(grid.cell(Place { row: line(row)?, column: line(column)? }))
        }),
    };
    named.ok_or_else(|| Fault::Cell { key: key.to_owned(), grid })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::board::tests::any_board;
    use super::*;

    fn said(line: &str) -> String {
        match boards(Grid::FOUR, format!("\n{line}").as_bytes()).next().unwrap() {
            Ok(board) => board.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn lines_of_text_are_read() {
        let file = "\u{feff}1234 3412 2143 4321\r\n\n  \t\r\n._0. ____ 0000 ...1\n";
        let found: Vec<_> = boards(Grid::FOUR, file.as_bytes()).map(|board| board.unwrap().to_string()).collect();
        assert_eq!(found, ["1234341221434321", "...............1"]);
        assert_eq!(said("12.4"), "line 2: the line has 4 cells, a board of 4 x 4 has 16");
        assert_eq!(said("1234 5"), "line 2: character 6 of the line is '5': the symbols of 4 x 4 are 1 to 4");
        assert_eq!(
            said("12x4"),
            "line 2: character 3 of the line is 'X': a cell is a symbol from 1 to 4, or one of . 0 _ where it is not known"
                .replace("'X'", "'x'")
        );
        let bytes = boards(Grid::FOUR, b"\n\n1\xff").next().unwrap().unwrap_err();
        assert_eq!(bytes.to_string(), "line 3 is not text in UTF-8");
    }

    #[test]
    fn lines_of_json_are_read() {
        let all = r#"{"given": "3...............", "allowed": {"r1c2": "12", "r4c4": "1"}}"#;
        assert_eq!(said(all), r#"{"given": "3..............1", "allowed": {"r1c2": "12"}}"#);
        let by_index = r#"{"allowed": {"1": "21", "15": "1", "0": "3"}}"#;
        assert_eq!(said(by_index), said(all));
        let rows = r#"{"given": "3...............", "allowed": [["34", "1 2", ".", "."],
            [".", ".", ".", "."], [".", ".", ".", "."], [".", ".", ".", "1"]]}"#;
        assert_eq!(said(&rows.replace('\n', " ")), said(all));
        assert_eq!(said("{}"), "................");
    }

    #[test]
    fn what_is_wrong_with_json_is_said() {
        for (line, sentence) in [
            (r#"{"given": "1"#, " is not JSON: EOF while parsing a string, at byte 12"),
            (r#"[1]"#, ": the line is not an object of JSON"),
            (r#"{"given": 1}"#, ": `given` is not a string"),
            (r#"{"given": "1", "given": "1"}"#, ": \"given\" is there twice"),
            (r#"{"board": "1"}"#, ": there is no field \"board\": a board has `given` and `allowed`"),
            (r#"{"given": "1"}"#, ": `given` has 1 cells, a board of 4 x 4 has 16"),
            (r#"{"given": ".9"}"#, ": character 2 of `given` is '9': the symbols of 4 x 4 are 1 to 4"),
            (r#"{"allowed": 7}"#, ": `allowed` is not an object or an array of rows"),
            (r#"{"allowed": []}"#, ": `allowed` has 0 rows, a board of 4 x 4 has 4"),
            (r#"{"allowed": [1, 2, 3, 4]}"#, ": row 1 of `allowed` is not an array of strings"),
            (r#"{"allowed": [["."], 2, 3, 4]}"#, ": row 1 of `allowed` has 1 cells, a board of 4 x 4 has 4"),
            (r#"{"allowed": {"0": null}}"#, ": what `allowed` has for row 1, column 1 is not a string of symbols"),
            (r#"{"allowed": {"0": " "}}"#, ": `allowed` has no symbol for row 1, column 1"),
            (
                r#"{"allowed": {"0": "."}}"#,
                ": character 1 of what `allowed` has for row 1, column 1 is '.': a symbol is one of 1 to 4",
            ),
            (r#"{"allowed": {"0": "11"}}"#, ": `allowed` has 1 twice for row 1, column 1"),
            (r#"{"allowed": {"0": "1", "r1c1": "1"}}"#, ": \"r1c1\" is there twice"),
            (
                r#"{"given": "3...............", "allowed": {"0": "12"}}"#,
                ": row 1, column 1 is given 3, which `allowed` does not have for it",
            ),
        ] {
            assert_eq!(said(line), format!("line 2{sentence}"));
        }
        for key in ["16", "r0c1", "r1c5", "r1", "c1r1", "", "+1", "-1", "99999999999999999999", "r1c1c1", "1 "] {
            let end = "in `allowed` is no cell of 4 x 4: cells are r1c1 to r4c4, or 0 to 15 in reading order";
            assert_eq!(said(&format!(r#"{{"allowed": {{"{key}": "1"}}}}"#)), format!("line 2: {key:?} {end}"));
        }
        let long = said(&format!(r#"{{"{}": 1}}"#, "ü".repeat(1000)));
        assert!(long.len() < 200, "{long}");
        assert!(said(&"[".repeat(100_000)).contains("recursion limit"));
    }

    /// Something like a file of boards: pieces of sound lines among anything.
    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let words = [
            "{",
            "}",
            "[",
            "]",
            "\"",
            ":",
            ",",
            "\"given\"",
            "\"allowed\"",
            "\"r1c2\"",
            "\"12\"",
            "\"3\"",
            "1234341221434321",
            "................",
            "\n",
            "\r",
            ".",
            "0",
            "_",
            " ",
            "7",
            "null",
            "\\u00e7",
            "\u{feff}",
            "ş",
        ];
        let piece = prop_oneof![
            9 => prop::sample::select(words.to_vec()).prop_map(|word| word.as_bytes().to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..4),
        ];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(board in any_board()) {
            let (grid, line) = (board.grid(), board.to_string());
            prop_assert_eq!(super::board(grid, &line), Ok(board.clone()));
            prop_assert_eq!(boards(grid, line.as_bytes()).collect::<Vec<_>>(), [Ok(board)]);
        }

        #[test]
        fn any_bytes_are_boards_or_sentences(bytes: Vec<u8>, pieces in pieces()) {
            for bytes in [bytes, pieces] {
                for board in boards(Grid::FOUR, &bytes) {
                    match board {
                        Ok(board) => prop_assert_eq!(super::board(Grid::FOUR, &board.to_string()), Ok(board)),
                        Err(error) => prop_assert!(error.to_string().starts_with("line ")),
                    }
                }
            }
        }
    }
}
