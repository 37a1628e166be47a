//! Sums in their one canonical order: element `k` goes to lane `k % 8`, then
//! `((l0+l4)+(l2+l6)) + ((l1+l5)+(l3+l7))`.

const LANES: usize = 8;

#[inline(always)]
fn combine([a, b, c, d, e, f, g, h]: [f32; LANES]) -> f32 {
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// `sum f(x_k)` in the canonical order; 0 of an empty slice.
#[inline(always)]
pub fn sum1(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let (chunks, tail) = x.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for x in chunks {
        lanes.iter_mut().zip(x).for_each(|(l, &x)| *l += f(x));
    }
    lanes.iter_mut().zip(tail).for_each(|(l, &x)| *l += f(x));
    combine(lanes)
}

/// `sum f(x_k, y_k)` of slices of one length.
#[inline(always)]
pub fn sum2(x: &[f32], y: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let ((xs, xt), (ys, yt)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
    let mut lanes = [0.0; LANES];
    for (x, y) in xs.iter().zip(ys) {
        lanes.iter_mut().zip(x).zip(y).for_each(|((l, &x), &y)| *l += f(x, y));
    }
    lanes.iter_mut().zip(xt).zip(yt).for_each(|((l, &x), &y)| *l += f(x, y));
    combine(lanes)
}

/// `sum f(x_k, y_k, z_k)` of slices of one length.
#[inline(always)]
pub fn sum3(x: &[f32], y: &[f32], z: &[f32], f: impl Fn(f32, f32, f32) -> f32) -> f32 {
    let ((xs, xt), (ys, yt), (zs, zt)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>(), z.as_chunks::<LANES>());
    let mut lanes = [0.0; LANES];
    for ((x, y), z) in xs.iter().zip(ys).zip(zs) {
        lanes.iter_mut().zip(x).zip(y).zip(z).for_each(|(((l, &x), &y), &z)| *l += f(x, y, z));
    }
    lanes.iter_mut().zip(xt).zip(yt).zip(zt).for_each(|(((l, &x), &y), &z)| *l += f(x, y, z));
    combine(lanes)
}

/// The sum of any sequence, in the same order.
pub fn sum_of(terms: impl Iterator<Item = f32>) -> f32 {
    let mut lanes = [0.0; LANES];
    for (k, x) in terms.enumerate() {
        if let Some(l) = lanes.get_mut(k % LANES) {
            *l += x;
        }
    }
    combine(lanes)
}

/// `<x, y>` of slices of one length, summed in the canonical order.
#[inline]
pub fn dot(x: &[f32], y: &[f32]) -> f32 {
    sum2(x, y, |x, y| x * y)
}
