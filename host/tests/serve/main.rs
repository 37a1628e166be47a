//! `ebt serve`, as clients meet it.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod client;
mod completions;
mod life;
mod load;
mod malformed;
mod routes;
mod scores;
mod server;
