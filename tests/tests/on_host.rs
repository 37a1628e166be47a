//! The suites on the CPU backend.

use ebt_core::compute::Backend;
use ebt_core::objective::{Flow, Objective};
use ebt_cpu::kernel::gemm::Routine;
use ebt_cpu::{Cpu, Mixed};
use ebt_tests::factory::Tolerance;
use ebt_tests::{Draw, Factory, Mat, for_all, model, same_bits};
use proptest::prelude::*;

/// Double precision on two threads.
struct Double;

impl Factory for Double {
    type B<'a> = Cpu<f64>;
    // other summation orders, fused multiply-add, and polynomial exponentials of about one unit in the last place
    const TOLERANCE: Tolerance = Tolerance { value: 3e-13, first: 3e-12, second: 3e-11, model: 1e-9 };
    const REPEATABLE: bool = true;
    fn with<R>(run: impl for<'a> FnOnce(&Self::B<'a>) -> R) -> R {
        run(&Cpu::new(2))
    }
}

/// Single precision on two threads.
struct Single;

impl Factory for Single {
    type B<'a> = Cpu<f32>;
    // 2^-24 a rounding instead of 2^-53, sums of some tens of terms
    const TOLERANCE: Tolerance = Tolerance { value: 5e-6, first: 2e-5, second: 2e-4, model: 2e-3 };
    const REPEATABLE: bool = true;
    fn with<R>(run: impl for<'a> FnOnce(&Self::B<'a>) -> R) -> R {
        run(&Cpu::new(2))
    }
}

/// Single precision with products of brain floats, where the processor has them; else all of it is single.
struct Narrow;

impl Factory for Narrow {
    type B<'a> = Cpu<Mixed>;
    // eight bits of the factors, as on a GPU
    const TOLERANCE: Tolerance = Tolerance { value: 2e-2, first: 4e-2, second: 1.5e-1, model: 2e-1 };
    const REPEATABLE: bool = true;
    fn with<R>(run: impl for<'a> FnOnce(&Self::B<'a>) -> R) -> R {
        if !Routine::rounds() {
            eprintln!("this processor has no products of brain floats");
        }
        run(&Cpu::new(2))
    }
}

ebt_tests::instantiate_suites!(double, Double);
ebt_tests::instantiate_suites!(single, Single);
ebt_tests::instantiate_suites!(@narrow bf16, Narrow);

/// Loss and gradients are the same to the last bit on one, two and three threads.
#[test]
fn the_number_of_threads_changes_nothing() {
    let strategy = (model::sizes(), model::kinds(), model::rules(), any::<bool>(), any::<u64>());
    for_all(4, strategy, |(mut sizes, kind, rule, unrolled, seed)| {
        // large enough that work is divided
        sizes.context += 30;
        sizes.vocab += 150;
        let draw = Draw::new(seed);
        let mut config = model::config(&draw, sizes, kind);
        config.dim += 40;
        config.ffn += 90;
        config.update = rule;
        let flow = if unrolled { Flow::Unrolled } else { Flow::Detached };
        let objective = Objective { flow, ..Objective::default() };
        let weights = model::weights(&draw, &config);
        let sequences = model::sequences(&draw, sizes);
        let run = |threads: usize| -> Result<Vec<Mat>, String> {
            let b = Cpu::<f32>::new(threads);
            let mut trainer = model::trainer(&b, &config, &objective, &weights);
            let result = trainer.gradient(&b, &sequences, &model::settings(seed), None, false);
            let report = result.map_err(|e| e.to_string())?.0;
            b.status().map_err(|e| e.to_string())?;
            let mut all = vec![Mat::new(1, 1, vec![report.loss])];
            all.extend(trainer.gradients().iter().map(|g| Mat::download(&b, g)));
            Ok(all)
        };
        let one = run(1)?;
        for threads in [2, 3] {
            for (a, b) in run(threads)?.iter().zip(&one) {
                same_bits(&format!("{threads} threads"), a, b)?;
            }
        }
        Ok(())
    });
}
