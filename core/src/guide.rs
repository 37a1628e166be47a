//! The guide to this code: pages of `core/guide`, kept beside it. Their Rust is tested with the documentation.

#[doc = include_str!("../guide/architecture.md")]
pub mod architecture {}

#[doc = include_str!("../guide/mathematics.md")]
pub mod mathematics {}

#[doc = include_str!("../guide/interchange.md")]
pub mod interchange {}

#[doc = include_str!("../guide/add-a-primitive.md")]
pub mod add_a_primitive {}

#[doc = include_str!("../guide/add-a-fused-operation.md")]
pub mod add_a_fused_operation {}

#[doc = include_str!("../guide/add-a-layer.md")]
pub mod add_a_layer {}

#[doc = include_str!("../guide/add-an-update-rule.md")]
pub mod add_an_update_rule {}

#[doc = include_str!("../guide/add-a-command.md")]
pub mod add_a_command {}

#[doc = include_str!("../guide/add-a-backend.md")]
pub mod add_a_backend {}
