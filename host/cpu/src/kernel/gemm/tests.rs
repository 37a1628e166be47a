use super::super::mixed::Mixed;
use super::*;

fn fill<E: Element>(len: usize, seed: u64) -> Vec<E> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            E::from_f64((x >> 40) as f64 / (1 << 24) as f64 - 0.5)
        })
        .collect()
}

/// Numbers that are brain floats.
fn coarse<E: Element>(len: usize, seed: u64) -> Vec<E> {
    fill::<E>(len, seed).into_iter().map(|x| E::from_f64((256.0 * x.to_f64()).round() / 256.0)).collect()
}

/// Whether a routine takes these factors as brain floats.
fn rounds<E: Element>(routine: Routine) -> bool {
    match routine {
        Routine::Library => false,
        #[cfg(target_arch = "x86_64")]
        Routine::Narrow(_) => true,
        #[cfg(target_arch = "x86_64")]
        Routine::Avx512(_) | Routine::Avx2(_) => E::NARROW,
    }
}

fn one<E: Element>(routine: Routine, (m, k, n): (usize, usize, usize), (ta, tb): (bool, bool), alpha: f64, beta: f64) {
    let of = if rounds::<E>(routine) { coarse::<E> } else { fill::<E> };
    let (a, b) = (of((m + 1) * (k + 2), 1), of((k + 2) * (n + 3), 2));
    let sa = if ta { (1, m + 1) } else { (k + 2, 1) };
    let sb = if tb { (1, k + 2) } else { (n + 3, 1) };
    let sc = n + 5;
    let c0 = fill::<E>(m * sc + 1, 3);
    let mut c = c0.clone();
    if beta == 0.0 {
        for i in 0..m {
            c[i * sc..i * sc + n].fill(E::from_f64(f64::NAN));
        }
    }
    let mut d = c.clone();
    let (al, be) = (E::from_f64(alpha), E::from_f64(beta));
    gemm_by(routine, (m, k, n), al, &a, sa, &b, sb, be, &mut c, sc);
    // SAFETY: `d` is borrowed mutably.
    unsafe { block(routine, (m, k, n), al, &a, sa, &b, sb, be, (&SharedMut::new(&mut d), 0, sc), n) };
    padded(routine, (m, k, n), (al, be), (&a, sa), (&b, sb), (&d, sc), &c0);
    let tol = if size_of::<E>() == 4 { 1e-6 } else { 1e-14 } * (k as f64 + 2.0);
    for i in 0..m {
        for j in 0..sc {
            let got = c[i * sc + j].to_f64();
            if j >= n {
                assert_eq!(got, c0[i * sc + j].to_f64(), "write outside of the block");
                continue;
            }
            assert_eq!(got, d[i * sc + j].to_f64(), "depends on the threads");
            let dot: f64 = (0..k).map(|p| a[i * sa.0 + p * sa.1].to_f64() * b[p * sb.0 + j * sb.1].to_f64()).sum();
            let old = if beta == 0.0 { 0.0 } else { beta * c0[i * sc + j].to_f64() };
            let want = alpha * dot + old;
            assert!((got - want).abs() <= tol, "{m}x{k}x{n} at {i},{j}: {got} {want}");
        }
    }
}

/// The padded product is `d`, made of `c`, with zeros after it.
fn padded<E: Element>(
    routine: Routine,
    (m, k, n): (usize, usize, usize),
    (alpha, beta): (E, E),
    (a, sa): (&[E], Strides),
    (b, sb): (&[E], Strides),
    (d, sc): (&[E], usize),
    c: &[E],
) {
    let wide = n.next_multiple_of(PADDED) + 3;
    // zeros where sums go on, anything where they begin
    let mut e = vec![if beta == E::ZERO { E::from_f64(f64::NAN) } else { E::ZERO }; m * wide];
    for (e, c) in e.chunks_exact_mut(wide).zip(c.chunks_exact(sc)).filter(|_| beta != E::ZERO) {
        e[..n].copy_from_slice(&c[..n]);
    }
    padded_by(routine, (m, k, n), alpha, a, sa, b, sb, beta, &mut e, wide);
    for (e, d) in e.chunks_exact(wide).zip(d.chunks_exact(sc)) {
        assert!(e[..n] == d[..n] && e[n..wide - 3].iter().all(|&x| x == E::ZERO), "{m}x{k}x{n} padded");
        assert!(e[wide - 3..].iter().all(|x| (*x == E::ZERO) != (beta == E::ZERO)), "write outside of the padding");
    }
}

fn all<E: Element>(routine: Routine) {
    let shapes = [
        (0, 3, 4),
        (1, 1, 1),
        (3, 0, 5),
        (7, 5, 9),
        (8, 16, 48),
        (13, 600, 33),
        (64, 64, 64),
        (65, 31, 127),
        (100, 300, 49),
        (5, 1100, 700),
        (333, 70, 65),
        (150, 90, 97),
        (2, 3, 2000),
    ];
    for shape in shapes {
        for turned in [(false, false), (true, false), (false, true), (true, true)] {
            one::<E>(routine, shape, turned, 1.0, 0.0);
            one::<E>(routine, shape, turned, 0.7, 1.0);
            one::<E>(routine, shape, turned, -1.3, 0.5);
        }
    }
}

/// Every routine that this machine can run.
fn routines() -> Vec<Routine> {
    let all = vec![Routine::Library];
    #[cfg(target_arch = "x86_64")]
    let all = {
        use pulp::x86::{V3, V4};
        let (wide, narrow) = (V4::try_new().map(Routine::Avx512), V3::try_new().map(Routine::Avx2));
        wide.into_iter().chain(narrow).chain(all).collect()
    };
    all
}

#[test]
fn matches_the_definition_and_ignores_the_pool() {
    for threads in [1, 2, 3, 7] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
        pool.install(|| {
            for routine in routines() {
                all::<f32>(routine);
                all::<f64>(routine);
                all::<Mixed>(routine);
            }
            #[cfg(target_arch = "x86_64")]
            for routine in narrow() {
                all::<f32>(routine);
                all::<Mixed>(routine);
            }
        });
    }
}

/// Factors are rounded to nearest, ties to even, subnormal ones to zero; all instruction sets sum up exact products.
#[test]
#[cfg(target_arch = "x86_64")]
fn brain_floats_are_rounded_to_nearest() {
    let given =
        [1.0 + 3.0 / 256.0, 1.0 + 1.0 / 256.0, 1.0 + 1.0 / 256.0 + 1e-6f32, -1.0 - 3.0 / 256.0, 1e-39, f32::INFINITY];
    let rounded = [1.0 + 4.0 / 256.0, 1.0, 1.0 + 2.0 / 256.0, -1.0 - 4.0 / 256.0, 0.0, f32::INFINITY];
    for routine in narrow().into_iter().chain(routines()).filter(|&routine| rounds::<Mixed>(routine)) {
        let by = |left: &[Mixed], right: &[Mixed]| {
            let mut c = [Mixed(f32::NAN); 6];
            let (m, n) = (left.len(), right.len());
            gemm_by(routine, (m, 1, n), Mixed(1.0), left, (1, 1), right, (1, 1), Mixed(0.0), &mut c, n);
            c.map(|x| x.0)
        };
        assert_eq!(by(&given.map(Mixed), &[Mixed(1.0)]), rounded, "{}", routine.name());
        assert_eq!(by(&[Mixed(1.0)], &given.map(Mixed)), rounded, "{}", routine.name());
        assert!(by(&[Mixed(f32::NAN); 6], &[Mixed(1.0)]).iter().all(|x| x.is_nan()), "{}", routine.name());
    }
}

/// Products of brain floats that this machine can run.
#[cfg(target_arch = "x86_64")]
fn narrow() -> Vec<Routine> {
    use super::narrow::Narrow;
    Narrow::detect().into_iter().chain(Narrow::of_vectors()).map(Routine::Narrow).collect()
}

#[test]
#[should_panic(expected = "too short")]
fn short_slice_is_refused() {
    gemm_serial((2, 2, 2), 1f32, &[0.0; 3], (2, 1), &[0.0; 4], (2, 1), 0.0, &mut [0.0; 4], 2);
}
