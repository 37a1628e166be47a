//! One suite, many backends: helpers, and checks generic over a backend.
//!
//! A file in `tests/tests` names a backend through a [`Factory`] and a stated tolerance, and
//! [`instantiate_suites`] turns every suite into a test of it. The yardstick is core's
//! reference backend in double precision; the derivative checks ([`difference`]) judge the yardstick itself.

pub mod attention;
pub mod case;
pub mod compare;
pub mod composed;
pub mod difference;
pub mod draw;
pub mod factory;
pub mod level;
pub mod model;
pub mod op;
pub mod oracle;
pub mod program;
#[cfg(target_os = "linux")]
pub mod stand_in;
pub mod suite;

pub use compare::{Check, close, same_bits};
pub use draw::{Draw, Mat};
pub use factory::{Factory, Reference64, Tolerance, for_all};
