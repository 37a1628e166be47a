//! The suites on the reference backend.

use ebt_tests::factory::{Frugal64, Reference32, Reference64};

// double precision against itself: rounding of the definitions written out in the suites
ebt_tests::instantiate_suites!(double, Reference64);
// the same loops in single precision: 2^-24 a rounding, sums of up to some tens of terms in order
ebt_tests::instantiate_suites!(single, Reference32);
// the same arithmetic in another order; loss scales are powers of two
ebt_tests::instantiate_suites!(frugal, Frugal64);
