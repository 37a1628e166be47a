//! The suites on the CUDA backend.
//!
//! With `EBT_REQUIRE_CUDA=1` they run on a GPU, and fail where there is none. Without it they run on the stand-in for the
//! driver, which is no GPU: kernels run on the processor, threads of a block one after the other, in several orders. There is a stand-in on Linux only.
#![cfg(target_os = "linux")]

mod cuda {
    pub mod device;
    pub mod precision;
    pub mod ranks;
    pub mod recorded;
}

use cuda::device::{Bf16, Descending, F16, Random, Single, Tf32};

ebt_tests::instantiate_suites!(single, Single);
ebt_tests::instantiate_suites!(@operations descending, Descending);
ebt_tests::instantiate_suites!(@operations random, Random);
ebt_tests::instantiate_suites!(@narrow tf32, Tf32);
ebt_tests::instantiate_suites!(@narrow bf16, Bf16);
ebt_tests::instantiate_suites!(@narrow f16, F16);
