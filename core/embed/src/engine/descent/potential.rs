//! What is descended on.

/// `n` rows, each with an energy of its own: `dE_r/dP_u = 0` for `r != u`. A row is one distribution, or a problem of
/// several, its cells, whose energies add up.
///
/// Calls name rows by `active`. Rows that are not active are left alone: their outputs are not written, and their last
/// point stays what it was (line searches of different rows end at different trials).
pub trait Potential {
    /// Number of rows `n`.
    fn rows(&self) -> usize;
    /// Extent of a distribution `V`.
    fn vocab(&self) -> usize;
    /// Distributions of a row: its cells.
    fn cells(&self) -> usize {
        1
    }
    /// Says which cells are given, `given (n, cells)`: their distributions are vertices, and their gradients do not matter.
    /// Called where rows have sets of allowed tokens, before the first energy and whenever cells were fixed since.
    fn set_given(&mut self, given: &[bool]) {
        let _ = given;
    }
    /// `E(P_r, s)` of every active row; keeps what [`Self::gradient`] needs. `p (n, cells, V)`, `energies (n)`.
    fn energy(&mut self, landscape: usize, p: &[f32], active: &[bool], energies: &mut [f32]);
    /// `G = dE/dP (n, cells, V)` of every active row at the last point that row was given to [`Self::energy`].
    fn gradient(&mut self, active: &[bool], g: &mut [f32]);
    /// `H u (n, cells, V)` of every active row at the last point that row was given to [`Self::energy`] and
    /// [`Self::gradient`]; false where curvatures are not to be had.
    fn curvature(&mut self, active: &[bool], u: &[f32], hu: &mut [f32]) -> bool;
}
