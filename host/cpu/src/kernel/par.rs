//! Division of work among the threads of the current rayon pool.

/// Elements below which a row-wise kernel stays on the calling thread, and
/// the least size of a chunk above.
const CHUNK: usize = 1 << 13;

/// Rows of one chunk of an `(n, m)` matrix for a kernel whose rows are
/// independent: large enough to pay for a task, small enough to balance.
pub(super) fn rows_per_chunk(n: usize, m: usize) -> usize {
    let least = CHUNK.div_ceil(m.max(1));
    let share = n.div_ceil(rayon::current_num_threads() * 4);
    if n * m < 2 * CHUNK { n.max(1) } else { share.max(least) }
}

/// Columns of one chunk of an `(n, m)` matrix for a kernel which sums over
/// the rows of each column: whole cache lines.
pub(super) fn columns_per_chunk(n: usize, m: usize) -> usize {
    let least = CHUNK.div_ceil(n.max(1)).next_multiple_of(64);
    let share = m.div_ceil(rayon::current_num_threads()).next_multiple_of(64);
    if n * m < 2 * CHUNK { m.max(1) } else { share.max(least) }
}

/// Calls `task` for every index below `count` on the pool, without
/// allocating.
pub(super) fn tasks(count: usize, task: &(impl Fn(usize) + Sync)) {
    split(0, count, task);
}

fn split(lo: usize, hi: usize, task: &(impl Fn(usize) + Sync)) {
    if hi - lo <= 1 {
        if lo < hi {
            task(lo);
        }
    } else {
        let mid = lo + (hi - lo) / 2;
        rayon::join(|| split(lo, mid, task), || split(mid, hi, task));
    }
}

/// Sum of `part(i)` over `lo..hi`, added in a tree which depends on the
/// bounds only.
pub(super) fn tree_sum(lo: usize, hi: usize, part: &(impl Fn(usize) -> f64 + Sync)) -> f64 {
    match hi - lo {
        0 => 0.0,
        1 => part(lo),
        len => {
            let mid = lo + len / 2;
            let (a, b) = rayon::join(|| tree_sum(lo, mid, part), || tree_sum(mid, hi, part));
            a + b
        }
    }
}

/// Runs `f` compiled for the best instruction set of the machine.
///
/// `f` and all it calls in its loops must be `#[inline(always)]`.
#[inline(always)]
pub(super) fn simd<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(f)
}
