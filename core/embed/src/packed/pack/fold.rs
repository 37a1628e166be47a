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
    let Some(ids) = layout.energy.and_then(|energy| energy.condition) else { return Vec::new() };
    let time = values(ids.time).chunks(dim).nth(landscape).unwrap_or_default();
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
        let Some(of_block) = block.modulation else { continue };
        out.push(scaled(of_block, 1, block.attention_norm));
        out.push(plain(of_block, 0));
        out.push(plain(of_block, 2));
        out.push(scaled(of_block, 4, block.ffn_norm));
        out.push(plain(of_block, 3));
        out.push(plain(of_block, 5));
    }
    out.push(scaled(ids.modulation, 1, layout.norm));
    out.push(plain(ids.modulation, 0));
    out
}
