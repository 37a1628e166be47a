use ebt_core::compute::{Attention, Backend, Classes, Compute, JointAttention, PredictedAttention, Relations};
use ebt_core::fused::{attention, joint_attention};
use ebt_cpu::Cpu;
use ebt_cpu::kernel::element::Element;
use std::time::Instant;

unsafe extern "C" {
    fn clock_gettime(clock: i32, time: *mut [i64; 2]) -> i32;
}

fn cpu_time() -> f64 {
    let mut time = [0i64; 2];
    unsafe { clock_gettime(3, &mut time) };
    time[0] as f64 + time[1] as f64 * 1e-9
}

static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

/// Least microseconds a call: of the clock, or of this thread where it works alone.
fn best(mut f: impl FnMut(), seconds: f64) -> f64 {
    let k = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let wanted = std::env::var("OP").ok().and_then(|o| o.parse::<usize>().ok());
    if wanted.is_some_and(|o| o != k) {
        return 0.0;
    }
    let seconds = if wanted.is_some() { 3.0 } else { seconds };
    let alone = rayon::current_num_threads() == 1;
    let begun = Instant::now();
    let now = || if alone { cpu_time() } else { begun.elapsed().as_secs_f64() };
    f();
    let once = now();
    f();
    let once = now() - once;
    let inner = ((0.001 / once) as usize).clamp(1, 1000);
    let mut least = f64::MAX;
    let mut count = 0;
    let from = begun.elapsed().as_secs_f64();
    while count < 2 || (begun.elapsed().as_secs_f64() - from < seconds) {
        let t = now();
        for _ in 0..inner {
            f();
        }
        least = least.min((now() - t) / inner as f64);
        count += 1;
    }
    least * 1e6
}

fn values(len: usize, seed: u64) -> Vec<f64> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1;
    (0..len)
        .map(|_| {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((x >> 33) as f64) / f64::from(1u32 << 30) - 1.0
        })
        .collect()
}

fn bench<E: Element>(c: &Cpu<E>, shape: Attention, by_distance: bool, composed: bool, name: &str, seconds: f64) {
    let (n, qc, kc) = (shape.rows(), shape.query_columns(), shape.key_columns());
    let mut seed = 0;
    let mut up = |r: usize, k: usize| {
        seed += 1;
        c.upload_f64(r, k, &values(r * k, seed))
    };
    let (qkv, qkvt, dout, doutt) = (up(n, qc + 2 * kc), up(n, qc + 2 * kc), up(n, qc), up(n, qc));
    let memory = up(n, 2 * kc);
    let t = shape.context;
    let classes: Vec<u32> = if by_distance {
        (0..2 * t - 1).map(|i| ((i as i64 - t as i64 + 1).clamp(-12, 12) + 12) as u32).collect()
    } else {
        let side = (t as f64).sqrt() as usize;
        (0..t * t)
            .map(|i| {
                let (a, b) = (i / t, i % t);
                let (r, k) = (a / side == b / side, a % side == b % side);
                (r as u32) + 2 * (k as u32)
            })
            .collect()
    };
    let count = if by_distance { 25 } else { 8 };
    let bias = up(count, shape.heads);
    let index = c.index(&classes);
    let relations = Some(Relations { bias: &bias, classes: Classes { table: &index, by_distance } });
    let input = JointAttention { qkv: &qkv, relations, starts: None, shape };
    let mut dbias = up(count, shape.heads);
    let a = c.joint_attention(input);
    let at = c.joint_attention_tangent(input, &qkvt, &a);
    let fused = [
        best(|| drop(c.joint_attention(input)), seconds),
        best(|| drop(c.joint_attention_backward(input, &a, &dout, Some(&mut dbias))), seconds),
        best(|| drop(c.joint_attention_tangent(input, &qkvt, &a)), seconds),
        best(
            || drop(c.joint_attention_backward_tangent(input, &qkvt, [&a, &at], [&dout, &doutt], Some(&mut dbias))),
            seconds,
        ),
    ];
    println!("{name:34} joint    {:.0?}", fused);
    if composed {
        let slow = [
            best(|| drop(joint_attention::forward(c, input)), 0.0),
            best(|| drop(joint_attention::backward(c, input, &a, &dout, Some(&mut dbias))), 0.0),
            best(|| drop(joint_attention::tangent(c, input, &qkvt, &a)), 0.0),
            best(
                || {
                    drop(joint_attention::backward_tangent(
                        c,
                        input,
                        &qkvt,
                        [&a, &at],
                        [&dout, &doutt],
                        Some(&mut dbias),
                    ));
                },
                0.0,
            ),
        ];
        println!("{name:34} composed {:.0?}", slow);
    }
    let _ = attention::causal::<Cpu<E>>;
    let ca = c.causal_attention(&qkv, None, shape);
    let p = PredictedAttention { qkv: &qkv, memory: &memory, starts: None, shape };
    let pa = c.predicted_attention(p);
    let pt = c.predicted_attention_tangent(p, &qkvt, &pa);
    let mut dm = up(n, 2 * kc);
    let others = [
        best(|| drop(c.causal_attention(&qkv, None, shape)), seconds),
        best(|| drop(c.causal_attention_backward(&qkv, None, shape, &ca, &dout)), seconds),
        best(|| drop(c.predicted_attention(p)), seconds),
        best(|| drop(c.predicted_attention_backward(p, &pa, &dout, Some(&mut dm))), seconds),
        best(|| drop(c.predicted_attention_tangent(p, &qkvt, &pa)), seconds),
        best(
            || drop(c.predicted_attention_backward_tangent(p, &qkvt, [&pa, &pt], [&dout, &doutt], Some(&mut dm))),
            seconds,
        ),
    ];
    println!("{name:34} causal 2, predicted 4 {:.0?}", others);
    c.status().unwrap();
}

fn parts<E: Element>() {
    use ebt_cpu::kernel::gemm::gemm_serial;
    for (t, d) in [(36, 16), (81, 16), (128, 32)] {
        let (w, pad) = (12 * d, (t + 15) / 16 * 16);
        let x: Vec<E> = values(t * w, 1).into_iter().map(E::from_f64).collect();
        let mut s: Vec<E> = vec![E::ZERO; 2 * t * pad + 64];
        let mut o: Vec<E> = vec![E::ZERO; t * w];
        let one = E::ONE;
        let nt = best(|| gemm_serial((t, d, t), one, &x, (w, 1), &x[d..], (1, w), E::ZERO, &mut s, pad), 0.1);
        let wide = best(|| gemm_serial((t, d, pad), one, &x, (w, 1), &x[..], (1, d), E::ZERO, &mut s, pad), 0.1);
        let nn = best(|| gemm_serial((t, t, d), one, &s, (pad, 1), &x, (w, 1), E::ZERO, &mut o, w), 0.1);
        let tn = best(|| gemm_serial((t, t, d), one, &s, (1, pad), &x, (w, 1), one, &mut o, w), 0.1);
        let mut e = vec![E::ZERO; t * pad];
        let exp = best(|| pulp_exp(&mut e), 0.1);
        println!("T{t} d{d}: qk {nt:.2} padded {wide:.2} pv {nn:.2} dsq {tn:.2} exp {exp:.2} us");
    }
}

fn pulp_exp<E: Element>(e: &mut [E]) {
    ebt_cpu::kernel::elementwise::map_in_place(
        e,
        #[inline(always)]
        |x: E| (x - E::ONE).exp(),
    );
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let composed = args.iter().any(|a| a == "composed");
    let threads = if args.iter().any(|a| a == "one") { 1 } else { 2 };
    let double = args.iter().any(|a| a == "double");
    let seconds = 0.15;
    let only = args.iter().find_map(|a| a.strip_prefix("only=")).map(str::to_owned);
    if std::env::var("OP").is_err() {
        if double {
            parts::<f64>();
        } else {
            parts::<f32>();
        }
    }
    let shape = |batch, context, heads, head_dim, window| Attention {
        batch,
        context,
        heads,
        kv_heads: heads,
        head_dim,
        window,
    };
    let cases = [
        ("B32 T36 H4 d16", shape(32, 36, 4, 16, 64), false),
        ("B32 T81 H4 d16", shape(32, 81, 4, 16, 128), false),
        ("B64 T128 H4 d32 distance", shape(64, 128, 4, 32, 1 << 20), true),
        ("B8 T512 H4 d32 distance", shape(8, 512, 4, 32, 1 << 20), true),
        ("B8 T512 H4 d32 distance window 32", shape(8, 512, 4, 32, 32), true),
    ];
    for (name, s, by) in cases {
        if only.as_ref().is_some_and(|o| !name.contains(o.as_str())) {
            continue;
        }
        if double {
            bench(&Cpu::<f64>::new(threads), s, by, composed, name, seconds);
        } else {
            bench(&Cpu::<f32>::new(threads), s, by, composed, name, seconds);
        }
    }
}
