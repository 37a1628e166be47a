//! Backends under test, and the runner of random cases.

use ebt_core::compute::Backend;
use ebt_core::reference::{Arena, Capabilities, Reference};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use crate::Check;

/// How far a backend may be from the yardstick.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    /// Error of an operation's result, relative to the largest element of it (or 0.1 if that is larger).
    pub value: f64,
    /// The same for first derivatives.
    pub first: f64,
    /// The same for second derivatives.
    pub second: f64,
    /// Error of a whole model's loss and parameter gradients, relative in the same sense.
    pub model: f64,
}

impl Tolerance {
    /// Double precision: rounding of some tens of operations.
    pub const DOUBLE: Self = Self { value: 1e-13, first: 1e-12, second: 1e-11, model: 1e-10 };
    /// Single precision, all of it: the same operations with 2^-24 for 2^-53, and sums of some tens of terms.
    pub const SINGLE: Self = Self { value: 3e-6, first: 1e-5, second: 1e-4, model: 2e-3 };
}

/// A way to make a backend.
pub trait Factory {
    /// The backend; the lifetime is that of its memory.
    type B<'a>: Backend;
    /// How exact it is.
    const TOLERANCE: Tolerance;
    /// Whether the same call twice gives the same bits.
    const REPEATABLE: bool;
    /// Makes a backend and passes it to `run`.
    fn with<R>(run: impl for<'a> FnOnce(&Self::B<'a>) -> R) -> R;
}

/// The yardstick: core's reference backend in double precision.
#[derive(Clone, Copy, Debug)]
pub struct Reference64;

impl Factory for Reference64 {
    type B<'a> = Reference<'a, f64>;
    const TOLERANCE: Tolerance = Tolerance::DOUBLE;
    const REPEATABLE: bool = true;
    fn with<R>(run: impl for<'a> FnOnce(&Self::B<'a>) -> R) -> R {
        let arena = Arena::new(1 << 19, 1 << 15);
        run(&Reference::new(&arena))
    }
}

/// The reference backend in single precision.
#[derive(Clone, Copy, Debug)]
pub struct Reference32;

impl Factory for Reference32 {
    type B<'a> = Reference<'a, f32>;
    const TOLERANCE: Tolerance = Tolerance::SINGLE;
    const REPEATABLE: bool = true;
    fn with<R>(run: impl for<'a> FnOnce(&Self::B<'a>) -> R) -> R {
        let arena = Arena::new(1 << 19, 1 << 15);
        run(&Reference::new(&arena))
    }
}

/// The reference backend in double precision that keeps no matrix over the vocabulary and scales its loss.
#[derive(Clone, Copy, Debug)]
pub struct Frugal64;

impl Factory for Frugal64 {
    type B<'a> = Reference<'a, f64>;
    const TOLERANCE: Tolerance = Tolerance::DOUBLE;
    const REPEATABLE: bool = true;
    fn with<R>(run: impl for<'a> FnOnce(&Self::B<'a>) -> R) -> R {
        let arena = Arena::new(1 << 19, 1 << 15);
        run(&Reference::with_capabilities(&arena, Capabilities { streams_vocabulary: true, needs_loss_scale: true }))
    }
}

/// Runs `body` on `cases` draws from `strategy` and shrinks the first failure.
///
/// The draws are the same in every run unless `EBT_TEST_SEED` says otherwise; `EBT_TEST_CASES` multiplies their number.
pub fn for_all<S: Strategy>(cases: u32, strategy: S, body: impl Fn(S::Value) -> Check) {
    let number = |name: &str| std::env::var(name).ok().and_then(|s| s.parse::<u32>().ok());
    let cases = cases * number("EBT_TEST_CASES").unwrap_or(1);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 512, ..Config::default() };
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&number("EBT_TEST_SEED").unwrap_or(1).to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let result = runner.run(&strategy, |value| body(value).map_err(TestCaseError::fail));
    if let Err(failure) = result {
        panic!("{failure}");
    }
}
