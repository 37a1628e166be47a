//! AdaLN folded for one landscape, in double precision: `c = silu(TimeEmb[s])`, `m = W_ada c + b_ada`,
//! `w = gain (1 + g)`.

use alloc::vec::Vec;

use ebt_core::parameters::{ModulationIds, ParameterId, ParameterLayout};

/// `w1, b1, a1, w2, b2, a2` of every block, then `w, b` of the final norm, each `(dim)`.
pub(super) fn landscape<W: AsRef<[f32]>>(
    layout: &ParameterLayout,
    weights: &[W],
    landscape: usize,
    dim: usize,
) -> Vec<Vec<f32>> {
    let values = |id: ParameterId| weights.get(id).map(AsRef::as_ref).unwrap_or_default();
    let Some(energy) = layout.energy else { return Vec::new() };
    let time = values(energy.time).chunks(dim).nth(landscape).unwrap_or_default();
    let c: Vec<f64> = time.iter().map(|&z| f64::from(z) / (1.0 + libm::exp(-f64::from(z)))).collect();
    let part = |ids: ModulationIds, i: usize| -> Vec<f64> {
        let rows = values(ids.weight).chunks(dim).zip(values(ids.bias)).skip(i * dim).take(dim);
        rows.map(|(row, &bias)| f64::from(bias) + row.iter().zip(&c).map(|(&w, c)| f64::from(w) * c).sum::<f64>())
            .collect()
    };
    let plain = |ids, i| -> Vec<f32> { part(ids, i).into_iter().map(|x| x as f32).collect() };
    let scaled = |ids, i, gain| -> Vec<f32> {
        part(ids, i).into_iter().zip(values(gain)).map(|(g, &gain)| (f64::from(gain) * (1.0 + g)) as f32).collect()
    };
    let mut out = Vec::new();
    for block in &layout.blocks {
        let Some(ids) = block.modulation else { continue };
        out.push(scaled(ids, 1, block.attention_norm));
        out.push(plain(ids, 0));
        out.push(plain(ids, 2));
        out.push(scaled(ids, 4, block.ffn_norm));
        out.push(plain(ids, 3));
        out.push(plain(ids, 5));
    }
    out.push(scaled(energy.modulation, 1, layout.norm));
    out.push(plain(energy.modulation, 0));
    out
}
