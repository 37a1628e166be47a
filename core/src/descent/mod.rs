//! Descent on the energy, and differentiation through it. Each concern is an object of its own: how a state moves
//! ([`update_rule`]), what it starts from and remembers ([`replay_buffer`]), how a rollout is run and pulled back
//! ([`rollout`], [`adjoint`]), how matrices `(n,V)` are held ([`distribution`]), the balance loss of its mixtures ([`balance`]), the problems of a joint energy
//! ([`problem`]) and the loop that stands beside it ([`recurrence`]), the entropy in what is descended ([`entropy`]).

pub mod adjoint;
pub mod balance;
pub mod distribution;
pub mod entropy;
pub mod problem;
pub mod recurrence;
pub mod replay_buffer;
pub mod rollout;
pub mod update_rule;
