//! The search behind everything that is exact: cells are filled as long as one is forced, then the cell with the fewest
//! candidates is tried with each of them.

use std::ops::ControlFlow;

use super::board::Board;
use super::grid::{Grid, MOST_SYMBOLS};

/// How far a search is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// This empty cell has no candidate.
    NoSymbol(usize),
    /// This unit has no place for this symbol that it lacks.
    NoPlace(usize, u8),
    /// No cell is empty.
    Full,
    /// Nothing is forced; this empty cell has the fewest candidates.
    Open(usize),
}

/// Why a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// There is nothing more to find.
    Complete,
    /// Whoever asked has found enough.
    Enough,
    /// All steps are spent.
    Spent,
}

/// A board that is being filled. The candidates of an empty cell are the symbols it is allowed that its three units lack.
#[derive(Clone, Debug)]
pub struct Search {
    grid: Grid,
    units: Vec<[u8; 3]>,
    /// A set for every cell, whatever its units hold.
    allowed: Vec<u32>,
    /// The symbols that a unit lacks.
    lacking: [u32; 3 * MOST_SYMBOLS],
    /// All cells: first those that are empty, then the others, the one filled last before those filled earlier.
    order: Vec<u16>,
    empty: usize,
    values: Vec<u8>,
    /// Choices tried by the latest [`Search::run`], each with what it forces.
    pub steps: u64,
}

/// The lowest member of a set that is not empty, as a set.
pub fn lowest(set: u32) -> u32 {
    set & set.wrapping_neg()
}

impl Search {
    /// Nothing filled, everything allowed.
    pub fn new(grid: Grid) -> Self {
        let cells = grid.cells();
        Self {
            grid,
            units: (0..cells).map(|cell| grid.units_of(cell).map(|unit| unit as u8)).collect(),
            allowed: vec![grid.all(); cells],
            lacking: [grid.all(); 3 * MOST_SYMBOLS],
            order: (0..cells as u16).collect(),
            empty: cells,
            values: vec![0; cells],
            steps: 0,
        }
    }

    /// The given cells of a board filled, its sets allowed; `None` if a unit is given a symbol twice.
    pub fn of(board: &Board) -> Option<Self> {
        let mut search = Self { allowed: board.allowed().to_vec(), ..Self::new(board.grid()) };
        let mut at = 0;
        while at < search.empty {
            let set = search.allowed[usize::from(search.order[at])];
            if !set.is_power_of_two() {
                at += 1;
            } else if search.candidates(usize::from(search.order[at])) == 0 {
                return None;
            } else {
                search.fill(at, set);
            }
        }
        Some(search)
    }

    /// All cells filled with the symbols of a solution.
    pub fn solved(grid: Grid, solution: &[u8]) -> Self {
        let lacking = [0; 3 * MOST_SYMBOLS];
        Self { lacking, empty: 0, values: solution.to_vec(), ..Self::new(grid) }
    }

    /// Number of empty cells.
    pub fn empty(&self) -> usize {
        self.empty
    }

    /// The filled cells.
    pub fn filled(&self) -> &[u16] {
        &self.order[self.empty..]
    }

    /// Empties a filled cell, which then may hold what is `allowed`.
    pub fn reopen(&mut self, cell: usize, allowed: u32) {
        let filled = &mut self.order[self.empty..];
        if let Some(at) = filled.iter().position(|&other| usize::from(other) == cell) {
            filled.swap(0, at);
            self.undo(self.empty + 1);
            // what was emptied last is met first
            self.order.swap(0, self.empty - 1);
        }
        self.allowed[cell] = allowed;
    }

    /// What an empty cell may hold.
    pub fn allow(&mut self, cell: usize, allowed: u32) {
        self.allowed[cell] = allowed;
    }

    /// Fills an empty cell with one of its candidates, a set of one symbol.
    pub fn close(&mut self, cell: usize, symbol: u32) {
        if let Some(at) = self.order[..self.empty].iter().position(|&other| usize::from(other) == cell) {
            self.fill(at, symbol);
        }
    }

    /// Visits solutions until `found` returns false or `limit` steps are spent; a cell's candidates are tried in the order
    /// in which `choose` picks members from what is left of them. The board is afterwards as before.
    pub fn run(&mut self, limit: u64, choose: &mut dyn FnMut(u32) -> u32, found: &mut dyn FnMut(&[u8]) -> bool) -> End {
        self.steps = 0;
        match self.descend(limit, choose, found) {
            ControlFlow::Continue(()) => End::Complete,
            ControlFlow::Break(end) => end,
        }
    }

    fn descend(
        &mut self,
        limit: u64,
        choose: &mut dyn FnMut(u32) -> u32,
        found: &mut dyn FnMut(&[u8]) -> bool,
    ) -> ControlFlow<End> {
        if self.steps >= limit {
            return ControlFlow::Break(End::Spent);
        }
        self.steps += 1;
        let before = self.empty;
        let mut flow = ControlFlow::Continue(());
        match self.force() {
            State::NoSymbol(_) | State::NoPlace(..) => {}
            State::Full if found(&self.values) => {}
            State::Full => flow = ControlFlow::Break(End::Enough),
            State::Open(cell) => {
                let mut left = self.candidates(cell);
                while left != 0 && flow.is_continue() {
                    let symbol = choose(left);
                    left &= !symbol;
                    self.close(cell, symbol);
                    flow = self.descend(limit, choose, found);
                    self.undo(self.empty + 1);
                }
            }
        }
        self.undo(before);
        flow
    }

    /// Fills cells as long as one is forced: because it has one candidate, or because it is the only place that a unit has for a
    /// symbol.
    pub fn force(&mut self) -> State {
        loop {
            let before = self.empty;
            let mut fewest = (u32::MAX, 0);
            // symbols that are candidates of at least one and of at least two cells of a unit
            let (mut once, mut twice) = ([0u32; 3 * MOST_SYMBOLS], [0u32; 3 * MOST_SYMBOLS]);
            let mut at = 0;
            while at < self.empty {
                let cell = usize::from(self.order[at]);
                let candidates = self.candidates(cell);
                match candidates.count_ones() {
                    0 => return State::NoSymbol(cell),
                    // another empty cell takes its place
                    1 => self.fill(at, candidates),
                    number => {
                        for unit in self.units[cell].map(usize::from) {
                            twice[unit] |= once[unit] & candidates;
                            once[unit] |= candidates;
                        }
                        fewest = fewest.min((number, cell));
                        at += 1;
                    }
                }
            }
            if self.empty == 0 {
                return State::Full;
            }
            if self.empty < before {
                continue;
            }
            let mut any = 0;
            for unit in 0..3 * self.grid.symbols() {
                let missing = self.lacking[unit] & !once[unit];
                if missing != 0 {
                    return State::NoPlace(unit, missing.trailing_zeros() as u8);
                }
                once[unit] &= !twice[unit];
                any |= once[unit];
            }
            if any == 0 {
                return State::Open(fewest.1);
            }
            self.fill_only_places(&once);
        }
    }

    /// Fills every empty cell that is a unit's only place for one of the symbols in `only`. Where two symbols need one cell, or two
    /// cells one symbol, the next look at the units finds a place missing.
    fn fill_only_places(&mut self, only: &[u32]) {
        let mut at = 0;
        while at < self.empty {
            let cell = usize::from(self.order[at]);
            let [row, column, in_box] = self.units[cell].map(|unit| only[usize::from(unit)]);
            match self.candidates(cell) & (row | column | in_box) {
                0 => at += 1,
                symbols => self.fill(at, lowest(symbols)),
            }
        }
    }

    fn candidates(&self, cell: usize) -> u32 {
        let [row, column, in_box] = self.units[cell].map(|unit| self.lacking[usize::from(unit)]);
        self.allowed[cell] & row & column & in_box
    }

    /// Fills the empty cell that is number `at` in the order.
    fn fill(&mut self, at: usize, symbol: u32) {
        let cell = usize::from(self.order[at]);
        self.values[cell] = symbol.trailing_zeros() as u8;
        for unit in self.units[cell] {
            self.lacking[usize::from(unit)] &= !symbol;
        }
        self.empty -= 1;
        self.order.swap(at, self.empty);
    }

    /// Empties the cells filled last until `empty` are.
    fn undo(&mut self, empty: usize) {
        while self.empty < empty {
            let cell = usize::from(self.order[self.empty]);
            self.empty += 1;
            for unit in self.units[cell] {
                self.lacking[usize::from(unit)] |= 1 << self.values[cell];
            }
        }
    }
}
