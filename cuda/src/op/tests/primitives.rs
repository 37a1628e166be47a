//! Primitives, reductions, products, bands.

use ebt_core::compute::{Backend, Band, Classes, Compute, Layout, Relations};

use super::{Bench, Twin, in_all_precisions};
use crate::{Kind, Matrix};

const KINDS: [Kind; 3] = [Kind::F32, Kind::Bf16, Kind::F16];

/// Rounding of results in a storage type.
fn rounding(kind: Kind) -> f64 {
    match kind {
        Kind::F32 => 4e-6,
        Kind::Bf16 => 1.0 / 256.0,
        Kind::F16 => 1.0 / 2048.0,
    }
}

#[test]
#[ignore = "needs a device or a stand-in"]
fn elements_of_all_types_and_broadcasts() {
    in_all_precisions(|b| {
        let (c, r) = (&b.cuda, b.reference);
        for round in 0..18 {
            let (n, m) = (b.size(), b.size());
            let (left, right) = (KINDS[round % 3], KINDS[round / 3 % 3]);
            let draw = |rows, columns, kind| b.draw(rows, columns, kind, [0.25, 2.0]);
            let a = draw(n, m, left);
            let check = |what: &str, found: &Matrix, want: &_| {
                assert_eq!(found.kind, left);
                b.same(what, found, want, rounding(left));
            };
            for (rows, columns) in [(n, m), (1, m), (n, 1), (1, 1)] {
                let o = draw(rows, columns, right);
                check("sum", &c.add(&a.device, &o.device), &r.add(&a.exact, &o.exact));
                check("product", &c.mul(&a.device, &o.device), &r.mul(&a.exact, &o.exact));
                if columns == 1 {
                    // once in place, once with another handle about
                    for held in [false, true] {
                        let (x, owned) = (draw(n, m, right), c.copy(&a.device));
                        let _held = held.then(|| owned.clone());
                        let want = r.axpy(r.scale(&a.exact, 1.0), &o.exact, &x.exact);
                        check("axpy", &c.axpy(owned, &o.device, &x.device), &want);
                    }
                    check("what others read", &a.device, &a.exact);
                }
            }
            check("scaled", &c.scale(&a.device, -1.75), &r.scale(&a.exact, -1.75));
            check("offset", &c.offset(&a.device, 0.625), &r.offset(&a.exact, 0.625));
            check("exp", &c.exp(&a.device), &r.exp(&a.exact));
            check("ln", &c.ln(&a.device), &r.ln(&a.exact));
            check("recip", &c.recip(&a.device), &r.recip(&a.exact));
            check("rsqrt", &c.rsqrt(&a.device), &r.rsqrt(&a.exact));
            check("sigmoid", &c.sigmoid(&a.device), &r.sigmoid(&a.exact));
            let centred = c.offset(&a.device, -1.0);
            let centred = b.twin(centred);
            check("step", &c.heaviside(&centred.device), &r.heaviside(&centred.exact));
            let cast = c.cast(&a.device, right);
            assert_eq!(cast.kind, right);
            b.same("cast", &cast, &a.exact, rounding(left).max(rounding(right)));
        }
    });
}

#[test]
#[ignore = "needs a device or a stand-in"]
fn reductions_and_collections() {
    in_all_precisions(|b| {
        let (c, r) = (&b.cuda, b.reference);
        for round in 0..18 {
            let (n, m) = ([b.size(), 150][usize::from(b.below(4) == 0)], b.size());
            let (one, two) = (KINDS[round % 3], KINDS[round / 3 % 3]);
            let (x, y) = (b.draw(n, m, one, [-1.0, 1.0]), b.draw(n, m, two, [-1.0, 1.0]));
            b.statistic("row sums", &c.sum_columns(&x.device), &r.sum_columns(&x.exact));
            b.statistic("column sums", &c.sum_rows(&x.device), &r.sum_rows(&x.exact));
            b.statistic("maxima", &c.max_columns(&x.device), &r.max_columns(&x.exact));
            let mut slot = b.float(1, m);
            let before = b.twin(slot.device.clone());
            c.accumulate_dot(&mut slot.device, &x.device, &y.device);
            r.accumulate_dot(&mut slot.exact, &x.exact, &y.exact);
            b.statistic("dot", &slot.device, &slot.exact);
            b.statistic("what others read", &before.device, &before.exact);
            let mut slot = b.float(n, m);
            for _ in 0..2 {
                c.accumulate(&mut slot.device, &x.device);
                r.accumulate(&mut slot.exact, &x.exact);
            }
            b.statistic("collected", &slot.device, &slot.exact);
            let list: Vec<Twin<'_>> =
                (0..1 + b.below(90)).map(|i| b.draw(b.size(), 3, KINDS[i % 3], [-1.0, 1.0])).collect();
            let (devices, exacts): (Vec<_>, Vec<_>) = list.into_iter().map(|t| (t.device, t.exact)).unzip();
            b.statistic("squares", &c.sum_squares(&devices), &r.sum_squares(&exacts));
            c.clear(&mut slot.device);
            b.near("cleared", &slot.device, &vec![0.0; n * m], 0.0);
        }
    });
}

#[test]
#[ignore = "needs a device or a stand-in"]
fn products_of_every_form() {
    in_all_precisions(|b| {
        let c = &b.cuda;
        for _ in 0..30 {
            let side = || if b.below(3) == 0 { 1 } else { b.size() };
            let (m, k, n) = (side(), side(), side());
            let any = |rows, columns| if b.below(2) == 0 { b.stream(rows, columns) } else { b.float(rows, columns) };
            let rounding = b.rounding * (1.0 + k as f64 / 8.0);
            let check = |what: &str, found: &Matrix, want: &_, slim: bool| {
                assert_eq!(found.kind, if slim { Kind::F32 } else { c.stream_kind() }, "{what}");
                b.same(what, found, want, rounding);
            };
            product(b, [m, k, n], &any, &check);
        }
    });
}

fn product<'a>(
    b: &Bench<'a, '_>,
    [m, k, n]: [usize; 3],
    any: &impl Fn(usize, usize) -> Twin<'a>,
    check: &impl Fn(&str, &Matrix, &super::Exact<'a>, bool),
) {
    let (c, r) = (&b.cuda, b.reference);
    for (layout, x, y) in
        [(Layout::NN, any(m, k), any(k, n)), (Layout::NT, any(m, k), any(n, k)), (Layout::TN, any(k, m), any(k, n))]
    {
        let found = c.matmul(&x.device, &y.device, layout);
        check("a product", &found, &r.matmul(&x.exact, &y.exact, layout), m == 1 || n == 1);
    }
    let (x, w, dy) = (any(m, k), b.float(n, k), any(m, n));
    check("linear", &c.linear(&x.device, &w.device), &r.linear(&x.exact, &w.exact), m == 1 || n == 1);
    check("scores", &c.linear_wide(&x.device, &w.device), &r.linear(&x.exact, &w.exact), true);
    let found = c.linear_adjoint(&dy.device, &w.device);
    check("adjoint", &found, &r.linear_adjoint(&dy.exact, &w.exact), m == 1 || k == 1);
    let (start, rest) = (b.below(3), b.below(3));
    let mut slot = b.float(start + n + rest, k);
    c.accumulate_product(&mut slot.device, start, &dy.device, &x.device);
    r.accumulate_product(&mut slot.exact, start, &dy.exact, &x.exact);
    check("collected", &slot.device, &slot.exact, true);
}

#[test]
#[ignore = "needs a device or a stand-in"]
fn bands_follow_their_definition() {
    in_all_precisions(|b| {
        let (c, r) = (&b.cuda, b.reference);
        for _ in 0..8 {
            let (batch, context, kv_heads) = (1 + b.below(2), 1 + b.below(7), 1 + b.below(2));
            let (heads, head_dim, slots) = (kv_heads * (1 + b.below(3)), 1 + b.below(5), 1 + b.below(9));
            let band = Band { batch, context, heads, kv_heads, head_dim, slots, ahead: b.below(slots) };
            let n = batch * context;
            let (q, k, s) = (b.float(n, heads * head_dim), b.stream(n, kv_heads * head_dim), b.float(n, heads * slots));
            b.statistic(
                "scores",
                &c.window_scores(&q.device, &k.device, band),
                &r.window_scores(&q.exact, &k.exact, band),
            );
            b.statistic("mix", &c.window_mix(&s.device, &k.device, band), &r.window_mix(&s.exact, &k.exact, band));
            let found = c.window_scatter(&s.device, &q.device, band);
            b.statistic("scatter", &found, &r.window_scatter(&s.exact, &q.exact, band));
            let starts: Vec<u32> = (0..n).map(|i| b.below(i % context + 1) as u32).collect();
            b.statistic("mask", &c.window_mask(band, None), &r.window_mask(band, None));
            let found = c.window_mask(band, Some(&b.index(&starts)));
            b.statistic("mask", &found, &r.window_mask(band, Some(&r.index(&starts))));
        }
    });
}

/// Biases by class and sums by class: more classes than a block sums by, more rows than one has, absent classes.
#[test]
#[ignore = "needs a device or a stand-in"]
fn relations_follow_their_definition() {
    in_all_precisions(|b| {
        let (c, r) = (&b.cuda, b.reference);
        for round in 0..8 {
            let (batch, context, heads) = (1 + b.below(3), [1, 3, 9, 40][round % 4], 1 + b.below(3));
            let (slots, count, by_distance) = (1 + b.below(2 * context), [1, 5, 64, 150][b.below(4)], round % 2 == 0);
            let (kv_heads, head_dim) = (heads, 1 + b.below(5));
            let band = Band { batch, context, heads, kv_heads, head_dim, slots, ahead: b.below(slots) };
            let entries = if by_distance { 2 * context - 1 } else { context * context };
            let table: Vec<u32> = (0..entries).map(|_| b.below(count) as u32).collect();
            let (table, exact) = (b.index(&table), r.index(&table));
            let (classes, exact) = (Classes { table: &table, by_distance }, Classes { table: &exact, by_distance });
            let mut bias = b.float(count, heads);
            let found = c.relation_bias(band, Relations { bias: &bias.device, classes });
            b.statistic("biases", &found, &r.relation_bias(band, Relations { bias: &bias.exact, classes: exact }));
            let s = b.stream(batch * context, heads * slots);
            let before = b.twin(bias.device.clone());
            for _ in 0..2 {
                c.accumulate_relations(&mut bias.device, &s.device, band, classes);
                r.accumulate_relations(&mut bias.exact, &s.exact, band, exact);
            }
            b.statistic("sums by class", &bias.device, &bias.exact);
            b.statistic("what others read", &before.device, &before.exact);
        }
    });
}
