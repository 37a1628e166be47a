//! Tiles of brain floats, a kibibyte each.

/// Rows of a tile of `A`, columns of one of `B`.
pub const SIDE: usize = 16;
/// Depth of a tile.
pub const DEEP: usize = 32;
/// Rows and columns of `C` that are summed at a time.
pub const BLOCK: usize = 2 * SIDE;

/// A row of a tile.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Line(pub [u16; DEEP]);

/// A tile.
pub type Tile = [Line; SIDE];

/// A block of `C` on its way.
pub type Sums = [[f32; BLOCK]; BLOCK];
