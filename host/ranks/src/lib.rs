//! Many processes that train one model: [`launch`] (who was started, by what), [`Collective`] (what they say to each other
//! in step), [`tree`] (the order of their sums), and [`threads`](mod@threads), ranks inside of one process.
//!
//! A rank is only where something is computed. [`Collective::sum`] adds in the order of the tree, so that its bits depend on
//! the number of lanes and not on that of ranks.
//!
//! ```
//! use ebt_ranks::{Collective, threads, tree};
//!
//! // four lanes of one value on one, two and four ranks
//! let lanes = [1e8_f32, 1.0, -1e8, 1.0];
//! for world in tree::worlds(lanes.len()) {
//!     let sums = threads(world, |rank| {
//!         let mut own = lanes[tree::own(lanes.len(), rank.place())].to_vec();
//!         tree::sum_parts(&mut own, 1);
//!         rank.sum(&mut [&mut own[..1]]).map(|()| own[0])
//!     });
//!     assert!(sums.into_iter().all(|sum| sum == Ok(0.0)));
//! }
//! ```

#![deny(unsafe_code)]

mod alone;
mod collective;
pub mod control;
mod join;
pub mod launch;
#[cfg(unix)]
pub mod mpi;
mod place;
mod sum;
pub mod threads;
pub mod tree;

pub use alone::Alone;
pub use collective::{Collective, Lost};
pub use control::Control;
pub use join::{Joined, join};
pub use launch::World;
pub use place::Place;
pub use sum::Scratch;
pub use threads::{ThreadRank, threads};
