//! Two-stream attention from its definition (guide/mathematics.md section 3.3), with explicit sets of visible keys.

use ebt_core::compute::Attention;

use crate::Mat;

/// Which keys a query sees: observed keys by index inside the sequence, and the prediction's own.
fn visible(shape: Attention, t: usize, first: usize, prediction: bool) -> Vec<usize> {
    // observed u stands at position u, a prediction at t + 1; a query at q sees positions in (q - window, q)
    let q = t + usize::from(prediction);
    let own = usize::from(!prediction);
    (first..q + own).filter(|&u| u <= t && u + shape.window > q).collect()
}

/// `out (n, H d)` of queries, keys and values in `qkv`; predictions read observed keys and values from `memory`.
pub fn attention(shape: Attention, qkv: &Mat, memory: Option<&Mat>, starts: &[u32]) -> Mat {
    let Attention { context, heads, kv_heads, head_dim: d, .. } = shape;
    let (q, k) = (shape.query_columns(), shape.key_columns());
    let mut out = Mat::zeros(shape.rows(), q);
    for row in 0..shape.rows() {
        let (base, t) = (row / context * context, row % context);
        for h in 0..heads {
            let g = h / (heads / kv_heads);
            let query = &qkv.row(row)[h * d..(h + 1) * d];
            let own = (&qkv.row(row)[q + g * d..q + (g + 1) * d], &qkv.row(row)[q + k + g * d..q + k + (g + 1) * d]);
            let mut keys: Vec<(&[f64], &[f64])> = Vec::new();
            for u in visible(shape, t, starts.get(row).map_or(0, |&s| s as usize), memory.is_some()) {
                let (source, from) = memory.map_or((qkv, q), |m| (m, 0));
                let line = source.row(base + u);
                keys.push((&line[from + g * d..from + (g + 1) * d], &line[from + k + g * d..from + k + (g + 1) * d]));
            }
            if memory.is_some() {
                keys.push(own);
            }
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
            let weights: Vec<f64> = keys.iter().map(|(key, _)| (dot(query, key) / (d as f64).sqrt()).exp()).collect();
            let total: f64 = weights.iter().sum();
            for ((_, value), w) in keys.iter().zip(&weights) {
                for i in 0..d {
                    out.data[row * q + h * d + i] += w / total * value[i];
                }
            }
        }
    }
    out
}
