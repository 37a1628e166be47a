//! Comparison of matrices.

use crate::Mat;

/// Nothing, or what is wrong.
pub type Check = Result<(), String>;

/// `got` is `want` up to `tolerance` times the largest element of `want` (or 0.1 if that is larger).
pub fn close(what: &str, got: &Mat, want: &Mat, tolerance: f64) -> Check {
    if got.shape() != want.shape() {
        return Err(format!("{what}: shape {:?} instead of {:?}", got.shape(), want.shape()));
    }
    let scale = want.data.iter().fold(0.1f64, |m, x| m.max(x.abs()));
    for (i, (&g, &w)) in got.data.iter().zip(&want.data).enumerate() {
        let apart = (g - w).abs();
        if g.is_nan() || w.is_nan() || apart > tolerance * scale {
            let at = (i / want.columns.max(1), i % want.columns.max(1));
            return Err(format!(
                "{what} at {at:?} of {:?}: {g:e} instead of {w:e}, {:.1e} of the scale (allowed {tolerance:.1e})",
                want.shape(),
                apart / scale
            ));
        }
    }
    Ok(())
}

/// The same for two numbers.
pub fn close_number(what: &str, got: f64, want: f64, tolerance: f64) -> Check {
    close(what, &Mat::new(1, 1, vec![got]), &Mat::new(1, 1, vec![want]), tolerance)
}

/// `got` and `want` are the same numbers to the last bit (zeros of either sign are the same).
pub fn same_bits(what: &str, got: &Mat, want: &Mat) -> Check {
    if got.shape() != want.shape() {
        return Err(format!("{what}: shape {:?} instead of {:?}", got.shape(), want.shape()));
    }
    match got.data.iter().zip(&want.data).position(|(g, w)| g != w) {
        None => Ok(()),
        Some(i) => Err(format!("{what}: element {i} is {:e} instead of {:e}", got.data[i], want.data[i])),
    }
}

/// A failure unless `holds`.
pub fn ensure(holds: bool, message: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(message()) }
}
