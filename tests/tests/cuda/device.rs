//! The backend under test: a GPU, or the stand-in in some order of threads.

use ebt_cuda::{Cuda, Options, Precision};
use ebt_tests::Factory;
use ebt_tests::factory::Tolerance;
use ebt_tests::stand_in;

/// Whether a GPU was asked for.
pub fn gpu_required() -> bool {
    std::env::var("EBT_REQUIRE_CUDA").is_ok_and(|v| v == "1")
}

/// A backend; `order` is that of threads on the stand-in.
///
/// # Panics
///
/// If there is none; if a GPU is required and this is none.
pub fn open(options: &Options, order: u32) -> Cuda {
    if !gpu_required() {
        stand_in::install();
        stand_in::schedule(order);
    }
    let b = Cuda::new(options).unwrap_or_else(|why| panic!("no CUDA backend: {why}"));
    let name = ebt_core::compute::Backend::name(&b).to_owned();
    assert!(!(gpu_required() && name.contains("no GPU")), "a GPU is required, this is {name}");
    b
}

/// Fresh matrices hold NaN: what a kernel does not write shows.
fn with_device<R>(precision: Precision, order: u32, run: impl FnOnce(&Cuda) -> R) -> R {
    let b = open(&Options { precision, poison: true, ..Options::default() }, order);
    let result = run(&b);
    if let (Some(failure), false) = (failure(), gpu_required()) {
        panic!("the stand-in found: {failure}");
    }
    result
}

fn failure() -> Option<String> {
    if gpu_required() { None } else { stand_in::last_failure() }
}

macro_rules! factory {
    ($(#[$doc:meta])* $name:ident, $precision:ident, $order:expr, $tolerance:expr) => {
        $(#[$doc])*
        pub struct $name;

        impl Factory for $name {
            type B<'a> = Cuda;
            const TOLERANCE: Tolerance = $tolerance;
            const REPEATABLE: bool = true;
            fn with<R>(run: impl for<'a> FnOnce(&Self::B<'a>) -> R) -> R {
                with_device(Precision::$precision, $order, run)
            }
        }
    };
}

/// 2^-24 a rounding, sums of some tens of terms in another order, exponentials of two units in the last place.
const WITHIN_SINGLE: Tolerance = Tolerance { value: 1e-5, first: 5e-5, second: 5e-4, model: 4e-3 };
/// 2^-11 a rounded factor of a product.
const WITHIN_TF32: Tolerance = Tolerance { value: 3e-3, first: 1e-2, second: 3e-2, model: 1e-1 };
/// 2^-9 a rounding of every activation.
const WITHIN_BF16: Tolerance = Tolerance { value: 2e-2, first: 5e-2, second: 3e-1, model: 3e-1 };
/// 2^-12 a rounding of every activation.
const WITHIN_F16: Tolerance = Tolerance { value: 3e-3, first: 1e-2, second: 3e-2, model: 1e-1 };

factory!(/// Single precision.
    Single, F32, 0, WITHIN_SINGLE);
factory!(/// The threads of a block in descending order.
    Descending, F32, 1, WITHIN_SINGLE);
factory!(/// The threads of a block in a random order.
    Random, F32, 3, WITHIN_SINGLE);
factory!(/// Products with short mantissas.
    Tf32, Tf32, 0, WITHIN_TF32);
factory!(/// Brain floating point.
    Bf16, Bf16, 2, WITHIN_BF16);
factory!(/// Half precision.
    F16, F16, 4, WITHIN_F16);
