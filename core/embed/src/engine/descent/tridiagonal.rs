//! Extreme eigenvalue of a symmetric tridiagonal matrix by bisection (Givens; Parlett, *The Symmetric Eigenvalue
//! Problem*, section 3.5).

/// Halvings of the interval: beyond the resolution of `f32`.
const HALVINGS: usize = 48;

/// Number of eigenvalues below `x`: of negative pivots of `T - x I` (Sylvester's law of inertia).
fn below(diagonal: &[f32], off_diagonal: &[f32], x: f32) -> usize {
    let mut count = 0usize;
    let mut pivot = 1.0f32;
    let mut previous = 0.0f32;
    for (&a, &b) in diagonal.iter().zip(off_diagonal) {
        pivot = a - x - previous * previous / pivot;
        if pivot == 0.0 {
            pivot = f32::MIN_POSITIVE;
        }
        count = count.saturating_add(usize::from(pivot < 0.0));
        previous = b;
    }
    count
}

/// Largest eigenvalue of the matrix with this diagonal; `off_diagonal[j]` couples `j` and `j + 1` and is as long as the
/// diagonal (its last element is not read). NaN of an empty matrix.
pub(super) fn largest(diagonal: &[f32], off_diagonal: &[f32]) -> f32 {
    let size = diagonal.len();
    let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
    // Gershgorin discs
    let mut left = 0.0f32;
    for (j, (&a, &b)) in diagonal.iter().zip(off_diagonal).enumerate() {
        let right = if j.saturating_add(1) == size { 0.0 } else { b.abs() };
        low = low.min(a - left - right);
        high = high.max(a + left + right);
        left = right;
    }
    if size == 0 || !low.is_finite() || !high.is_finite() {
        return f32::NAN;
    }
    for _ in 0..HALVINGS {
        let middle = low + 0.5 * (high - low);
        if below(diagonal, off_diagonal, middle) == size {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_difference_has_its_known_largest_eigenvalue() {
        // 2 - 2 cos(k pi / (n + 1)), n = 5: the largest is 2 + sqrt(3)
        let found = largest(&[2.0; 5], &[-1.0; 5]);
        assert!((found - 3.732_051).abs() < 1e-5, "{found}");
        assert_eq!(largest(&[-3.0], &[7.0]), -3.0);
        assert!(largest(&[], &[]).is_nan());
    }
}
