//! Areas under the receiver operating characteristic.

/// How probable it is that something wrong scores higher than something right, equal scores counted as half; `scores` are sorted on the
/// way. By the sum of ranks (Mann and Whitney). None where all is wrong or nothing is.
pub fn area(scores: &mut [(f64, bool)]) -> Option<f64> {
    scores.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut wrongs, mut area) = (0.0, 0.0, 0.0);
    for equal in scores.chunk_by(|a, b| a.0 == b.0) {
        let wrong = equal.iter().filter(|(_, wrong)| *wrong).count() as f64;
        let right = equal.len() as f64 - wrong;
        area += wrong * (below + 0.5 * right);
        below += right;
        wrongs += wrong;
    }
    (wrongs > 0.0 && below > 0.0).then(|| area / (wrongs * below))
}
