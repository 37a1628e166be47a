//! What a joint energy is beside its blocks: how positions are told apart, and which relations attention knows.

use serde::{Deserialize, Serialize};

use crate::config_error::{ConfigError, require, require_choice};

/// What a model computes at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Head {
    /// An energy, whose descent moves the state.
    #[default]
    Energy,
    /// Logits, which are the next state: the same blocks as a loop, or as a single pass.
    Logits,
}

/// How positions are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Positions {
    /// Queries and keys are rotated.
    #[default]
    Rotary,
    /// A learned vector for the row, the column and the box of a cell, added up.
    Grid,
    /// A learned vector for every position.
    Learned,
    /// Not at all, but for relations.
    None,
}

/// What attention adds to a score by the relation of query and key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RelationKind {
    /// Nothing.
    #[default]
    None,
    /// A learned number for every class and head.
    Bias,
    /// Heads 0, 1 and 2 see only keys of the same row, column and box, and their own; nothing is learned.
    Mask,
}

/// A grid of cells with boxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// Rows of the grid.
    pub rows: usize,
    /// Columns of the grid.
    pub columns: usize,
    /// Rows of a box.
    pub box_rows: usize,
    /// Columns of a box.
    pub box_columns: usize,
}

impl Grid {
    /// Row, column and box of a cell.
    pub fn place(&self, cell: usize) -> [usize; 3] {
        // never 0 in a grid that was checked; said so that no code for a division by zero is left
        let [columns, box_rows, box_columns] = [self.columns, self.box_rows, self.box_columns].map(|x| x.max(1));
        let (row, column) = (cell / columns, cell % columns);
        [row, column, row / box_rows * (columns / box_columns) + column / box_columns]
    }
    /// Number of boxes.
    pub fn boxes(&self) -> usize {
        (self.rows / self.box_rows.max(1)) * (self.columns / self.box_columns.max(1))
    }
    /// Class of the relation of two cells: 1 for the same row, 2 for the same column, 4 for the same box, added up.
    pub fn class(&self, a: usize, b: usize) -> u32 {
        let same = self.place(a).into_iter().zip(self.place(b)).map(|(a, b)| u32::from(a == b));
        same.enumerate().map(|(bit, same)| same << bit).sum()
    }
}

/// Settings of a joint energy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JointConfig {
    /// How positions are told apart.
    pub positions: Positions,
    /// What attention adds by relation.
    pub relations: RelationKind,
    /// The cells, where positions or relations are those of a grid.
    pub grid: Option<Grid>,
    /// Relations by distance, without a grid: the classes are `key - query`, clipped to `-distance ..= distance`.
    pub distance: usize,
}

/// Classes of the relations of a grid.
const GRID_CLASSES: usize = 8;

impl JointConfig {
    /// Number of relation classes; 0 where no relation counts.
    pub fn classes(&self) -> usize {
        match (self.relations, self.grid) {
            (RelationKind::None, _) => 0,
            (_, Some(_)) => GRID_CLASSES,
            (_, None) => 2 * self.distance + 1,
        }
    }

    /// Whether the class of a relation depends on the distance alone.
    pub fn by_distance(&self) -> bool {
        self.grid.is_none()
    }

    /// Class of query `t` and key `u`.
    pub fn class(&self, t: usize, u: usize) -> u32 {
        match self.grid {
            Some(grid) => grid.class(t, u),
            None if u >= t => (self.distance + (u - t).min(self.distance)) as u32,
            None => (self.distance - (t - u).min(self.distance)) as u32,
        }
    }

    /// Rows of the table of positions, for `context` positions.
    pub fn position_rows(&self, context: usize) -> usize {
        match (self.positions, self.grid) {
            (Positions::Grid, Some(grid)) => grid.rows + grid.columns + grid.boxes(),
            (Positions::Learned, _) => context,
            _ => 0,
        }
    }

    /// Rows of the table of positions that position `t` adds up.
    pub fn position_of(&self, t: usize) -> impl Iterator<Item = usize> {
        let found = match (self.positions, self.grid) {
            (Positions::Grid, Some(grid)) => {
                let [row, column, of_box] = grid.place(t);
                [Some(row), Some(grid.rows + column), Some(grid.rows + grid.columns + of_box)]
            }
            (Positions::Learned, _) => [Some(t), None, None],
            _ => [None; 3],
        };
        found.into_iter().flatten()
    }

    /// What the bias of class `class` and head `head` holds before training, and for ever where it is a mask.
    pub fn bias(&self, class: usize, head: usize) -> f64 {
        let own = GRID_CLASSES - 1;
        let related = head < 3 && class >> head & 1 == 1;
        match (self.relations, self.grid) {
            (RelationKind::Bias, Some(_)) if related || (head == 3 && class == own) => 2.0,
            (RelationKind::Mask, Some(_)) if head < 3 && !related => HIDDEN,
            _ => 0.0,
        }
    }

    /// Refuses what cannot be built, naming the field.
    pub(super) fn check(&self, context: usize) -> Result<(), ConfigError> {
        if let Some(Grid { rows, columns, box_rows, box_columns }) = self.grid {
            for (field, found) in [
                ("joint.grid.rows", rows),
                ("joint.grid.columns", columns),
                ("joint.grid.box_rows", box_rows),
                ("joint.grid.box_columns", box_columns),
            ] {
                require(field, found as f64, (1..=1 << 12).contains(&found), "must be between 1 and 4096")?;
            }
            let cells = rows * columns;
            require("joint.grid.rows", rows as f64, cells == context, "times columns must be the context")?;
            let fits = rows.is_multiple_of(box_rows);
            require("joint.grid.box_rows", box_rows as f64, fits, "must divide the rows of the grid")?;
            let fits = columns.is_multiple_of(box_columns);
            require("joint.grid.box_columns", box_columns as f64, fits, "must divide the columns of the grid")?;
        }
        let gridded = self.positions != Positions::Grid || self.grid.is_some();
        require_choice("joint.positions", gridded, "by rows, columns and boxes need joint.grid")?;
        let known = self.relations == RelationKind::None || self.grid.is_some() || self.distance > 0;
        require_choice("joint.relations", known, "need joint.grid or joint.distance")?;
        let masked = self.relations != RelationKind::Mask || self.grid.is_some();
        require_choice("joint.relations", masked, "can be masks on a grid only")?;
        require("joint.distance", self.distance as f64, self.distance <= 1 << 12, "must be at most 4096")
    }
}

/// Added to a score that a mask hides: its weight is zero in every precision.
const HIDDEN: f64 = -1e4;
