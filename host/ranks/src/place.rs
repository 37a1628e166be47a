//! Which rank a process is.

/// Which rank this is, and how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// From 0; below `world`.
    pub rank: usize,
    /// At least 1.
    pub world: usize,
}

impl Place {
    /// The only one.
    pub const ALONE: Self = Self { rank: 0, world: 1 };

    /// Whether this rank speaks and writes for all.
    pub fn is_first(self) -> bool {
        self.rank == 0
    }
}

/// Holds the lengths of an exchange against their contract: `all` holds equal parts, of `each` bytes if that is given.
pub fn check_parts(place: Place, all: usize, each: Option<usize>) {
    let each = each.unwrap_or(all / place.world);
    assert_eq!(all, each * place.world, "{all} bytes are not {} parts of {each}", place.world);
}
