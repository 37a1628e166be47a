//! Attention among all positions over several tiles: every pass, with biases by table and by distance, windows and padding.

use ebt_core::compute::{Attention, AttentionOutput, Backend, Classes, Compute, JointAttention, Relations};

use super::{Bench, Exact, in_all_precisions};
use crate::Matrix;

/// Positions, heads, key/value heads, width of a head and window: a board of 9 x 9, one position more than a tile, a window
/// that ends inside one.
const SHAPES: [(usize, usize, usize, usize, usize); 5] =
    [(81, 2, 1, 8, 1000), (65, 1, 1, 17, 1000), (49, 2, 2, 16, 1000), (70, 2, 1, 6, 23), (36, 4, 4, 16, 1000)];

#[test]
#[ignore = "needs a device or a stand-in"]
fn joint_attention_over_tiles_follows_its_definition() {
    in_all_precisions(|b| {
        for (round, (context, heads, kv_heads, head_dim, window)) in SHAPES.into_iter().enumerate() {
            let shape = Attention { batch: 1 + round % 2, context, heads, kv_heads, head_dim, window };
            passes(b, shape, round);
        }
    });
}

fn passes(b: &Bench<'_, '_>, shape: Attention, round: usize) {
    let (c, r, n, classes) = (&b.cuda, b.reference, shape.rows(), 3 + round);
    let columns = shape.query_columns() + 2 * shape.key_columns();
    let [qkv, qkvt] = std::array::from_fn(|_| b.stream(n, columns));
    let [dout, doutt] = std::array::from_fn(|_| b.stream(n, shape.query_columns()));
    let (bias, mut slot) = (b.float(classes, shape.heads), b.float(classes, shape.heads));
    let by_distance = round % 2 == 1;
    let entries = if by_distance { 2 * shape.context - 1 } else { shape.context * shape.context };
    let table: Vec<u32> = (0..entries).map(|_| b.below(classes) as u32).collect();
    let padding: Vec<u32> = (0..shape.batch).map(|_| b.below(shape.context / 2) as u32).collect();
    let starts: Vec<u32> = padding.iter().flat_map(|&start| vec![start; shape.context]).collect();
    let (table, exact_table) = (b.index(&table), r.index(&table));
    let (starts, exact_starts) = (b.index(&starts), r.index(&starts));
    let padded = !round.is_multiple_of(3);
    let device = JointAttention {
        qkv: &qkv.device,
        relations: Some(Relations { bias: &bias.device, classes: Classes { table: &table, by_distance } }),
        starts: padded.then_some(&starts),
        shape,
    };
    let exact = JointAttention {
        qkv: &qkv.exact,
        relations: Some(Relations { bias: &bias.exact, classes: Classes { table: &exact_table, by_distance } }),
        starts: padded.then_some(&exact_starts),
        shape,
    };
    // what lies before the first position of a problem is no one's
    let seen: Vec<bool> = (0..n).map(|i| !padded || i % shape.context >= padding[i / shape.context] as usize).collect();
    let same =
        |what: &str, found: &Matrix, wanted: &Exact<'_>, tolerance| rows(b, what, found, wanted, &seen, tolerance);
    let both = |what: &str, found: &AttentionOutput<Matrix>, wanted: &AttentionOutput<Exact<'_>>| {
        same(what, &found.out, &wanted.out, 2.0 * b.rounding);
        same(&format!("{what}: log-sum-exp"), &found.lse, &wanted.lse, 2.0 * b.rounding);
    };
    let (found, wanted) = (c.joint_attention(device), r.joint_attention(exact));
    both("attention", &found, &wanted);
    let dqkv = c.joint_attention_backward(device, &found, &dout.device, Some(&mut slot.device));
    let exact_dqkv = r.joint_attention_backward(exact, &wanted, &dout.exact, Some(&mut slot.exact));
    same("backward", &dqkv, &exact_dqkv, 4.0 * b.rounding);
    b.same("gradient of the biases", &slot.device, &slot.exact, 8.0 * b.rounding);
    let tangent = c.joint_attention_tangent(device, &qkvt.device, &found);
    let exact_tangent = r.joint_attention_tangent(exact, &qkvt.exact, &wanted);
    both("tangent", &tangent, &exact_tangent);
    let dqkvt = c.joint_attention_backward_tangent(
        device,
        &qkvt.device,
        [&found, &tangent],
        [&dout.device, &doutt.device],
        Some(&mut slot.device),
    );
    let exact_dqkvt = r.joint_attention_backward_tangent(
        exact,
        &qkvt.exact,
        [&wanted, &exact_tangent],
        [&dout.exact, &doutt.exact],
        Some(&mut slot.exact),
    );
    same("backward tangent", &dqkvt, &exact_dqkvt, 8.0 * b.rounding);
    b.same("tangent of the gradient of the biases", &slot.device, &slot.exact, 16.0 * b.rounding);
}

/// Compares the rows that are `seen`.
fn rows(b: &Bench<'_, '_>, what: &str, found: &Matrix, wanted: &Exact<'_>, seen: &[bool], tolerance: f64) {
    let mut values = vec![0.0; found.len()];
    b.reference.download_f64(wanted, &mut values);
    let computed = b.values(found);
    for (i, row) in values.chunks_exact_mut(found.columns).enumerate().filter(|(i, _)| !seen[*i]) {
        row.copy_from_slice(&computed[i * found.columns..(i + 1) * found.columns]);
    }
    assert_eq!(b.reference.status(), Ok(()), "{what}");
    b.near(what, found, &values, tolerance);
}
