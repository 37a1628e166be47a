//! The shape of a board: rows, columns and boxes, each of which holds every symbol once.

use std::error::Error;
use std::fmt;

/// Most symbols that a grid may have: a set of them is a word, and each is written as one character.
pub const MOST_SYMBOLS: usize = 25;

/// `N` rows and `N` columns, cut into `N` boxes of `box_rows` x `box_columns = N` cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Grid {
    box_rows: u8,
    box_columns: u8,
}

/// Why four numbers are no grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GridError {
    /// Rows, columns, rows of a box, columns of a box.
    pub found: [usize; 4],
}

/// A cell by its row and its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Row, from 0.
    pub row: usize,
    /// Column, from 0.
    pub column: usize,
}

/// Cells that hold every symbol once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// A row, from 0.
    Row(usize),
    /// A column, from 0.
    Column(usize),
    /// A box, from 0 in reading order.
    Box(usize),
}

impl Grid {
    /// 4 x 4 with boxes of 2 x 2.
    pub const FOUR: Self = Self { box_rows: 2, box_columns: 2 };
    /// 6 x 6 with boxes of 2 rows and 3 columns.
    pub const SIX: Self = Self { box_rows: 2, box_columns: 3 };
    /// 9 x 9 with boxes of 3 x 3.
    pub const NINE: Self = Self { box_rows: 3, box_columns: 3 };

    /// The grid of these numbers.
    ///
    /// # Errors
    ///
    /// Rows and columns are not both `box_rows * box_columns`, or there are fewer than 2 or more than 25 of them.
    pub fn new(rows: usize, columns: usize, box_rows: usize, box_columns: usize) -> Result<Self, GridError> {
        let error = GridError { found: [rows, columns, box_rows, box_columns] };
        let fits =
            rows == columns && (2..=MOST_SYMBOLS).contains(&rows) && box_rows.checked_mul(box_columns) == Some(rows);
        // both divide a number of at most 25
        if fits { Ok(Self { box_rows: box_rows as u8, box_columns: box_columns as u8 }) } else { Err(error) }
    }

    /// `N`: symbols, and cells of a unit.
    pub fn symbols(self) -> usize {
        usize::from(self.box_rows) * usize::from(self.box_columns)
    }

    /// `T = N * N`.
    pub fn cells(self) -> usize {
        self.symbols() * self.symbols()
    }

    /// Rows of a box.
    pub fn box_rows(self) -> usize {
        usize::from(self.box_rows)
    }

    /// Columns of a box.
    pub fn box_columns(self) -> usize {
        usize::from(self.box_columns)
    }

    /// The set of all symbols.
    pub fn all(self) -> u32 {
        (1 << self.symbols()) - 1
    }

    /// Whether rows and columns may change places.
    pub fn transposes(self) -> bool {
        self.box_rows == self.box_columns
    }

    /// Row and column of a cell.
    pub fn place(self, cell: usize) -> Place {
        Place { row: cell / self.symbols(), column: cell % self.symbols() }
    }

    /// The cell at a place.
    pub fn cell(self, place: Place) -> usize {
        place.row * self.symbols() + place.column
    }

    /// Box of a cell.
    pub fn box_of(self, cell: usize) -> usize {
        let Place { row, column } = self.place(cell);
        row / self.box_rows() * self.box_rows() + column / self.box_columns()
    }

    /// The numbers of a cell's units among all `3 N`: its row, `N` + its column, `2 N` + its box.
    pub fn units_of(self, cell: usize) -> [usize; 3] {
        let Place { row, column } = self.place(cell);
        [row, self.symbols() + column, 2 * self.symbols() + self.box_of(cell)]
    }

    /// Unit number `unit`: rows, then columns, then boxes.
    pub fn unit(self, unit: usize) -> Unit {
        let n = self.symbols();
        match unit / n {
            0 => Unit::Row(unit),
            1 => Unit::Column(unit - n),
            _ => Unit::Box(unit - 2 * n),
        }
    }

    /// The cells of unit number `unit`, ascending.
    pub fn cells_of(self, unit: usize) -> impl Iterator<Item = usize> {
        let n = self.symbols();
        let (first, width, line) = match self.unit(unit) {
            Unit::Row(row) => (row * n, n, 0),
            Unit::Column(column) => (column, 1, n),
            Unit::Box(index) => {
                let (band, stack) = (index / self.box_rows(), index % self.box_rows());
                (band * self.box_rows() * n + stack * self.box_columns(), self.box_columns(), n)
            }
        };
        (0..n).map(move |i| first + i / width * line + i % width)
    }
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{0} x {0}", self.symbols())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {}, column {}", self.row + 1, self.column + 1)
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Row(i) => write!(f, "row {}", i + 1),
            Self::Column(i) => write!(f, "column {}", i + 1),
            Self::Box(i) => write!(f, "box {}", i + 1),
        }
    }
}

impl fmt::Display for GridError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [rows, columns, box_rows, box_columns] = self.found;
        write!(
            f,
            "a grid of {rows} x {columns} cells with boxes of {box_rows} x {box_columns}: rows and columns must both be the \
             number of cells of a box, from 2 to {MOST_SYMBOLS}"
        )
    }
}

impl Error for GridError {}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Grids of every kind: square and other boxes, boxes that are rows or columns, the smallest and the largest.
    pub fn grids() -> impl Iterator<Item = Grid> {
        let shapes = [(2, 2), (2, 3), (3, 2), (3, 3), (2, 4), (4, 2), (1, 2), (5, 1), (1, 25), (3, 4), (4, 4), (5, 5)];
        shapes.into_iter().map(|(rows, columns)| Grid::new(rows * columns, rows * columns, rows, columns).unwrap())
    }

    #[test]
    fn every_unit_holds_each_of_its_cells_once() {
        for grid in grids() {
            let n = grid.symbols();
            let mut seen = vec![0; grid.cells()];
            for unit in 0..3 * n {
                let cells: Vec<_> = grid.cells_of(unit).collect();
                assert!(cells.len() == n && cells.is_sorted_by(|a, b| a < b));
                assert!(cells.iter().all(|&cell| grid.units_of(cell)[unit / n] == unit), "{grid}, unit {unit}");
                cells.iter().for_each(|&cell| seen[cell] += 1);
            }
            assert!(seen.iter().all(|&times| times == 3));
            assert!((0..grid.cells()).all(|cell| grid.cell(grid.place(cell)) == cell));
        }
    }

    #[test]
    fn boxes_of_six_are_two_rows_high() {
        let boxes: String = (0..36).map(|cell| char::from(b'0' + Grid::SIX.box_of(cell) as u8)).collect();
        assert_eq!(boxes, "000111000111222333222333444555444555");
    }

    #[test]
    fn numbers_that_are_no_grid_are_refused() {
        assert_eq!(Grid::new(9, 9, 3, 3), Ok(Grid::NINE));
        for [rows, columns, box_rows, box_columns] in
            [[6, 7, 2, 3], [6, 6, 2, 2], [0; 4], [1; 4], [26, 26, 2, 13], [6, 6, usize::MAX, 2]]
        {
            Grid::new(rows, columns, box_rows, box_columns).unwrap_err();
        }
        let sentence = Grid::new(6, 6, 2, 2).unwrap_err().to_string();
        assert!(sentence.starts_with("a grid of 6 x 6 cells with boxes of 2 x 2: "), "{sentence}");
    }
}
