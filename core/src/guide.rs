//! The guide to this code: the pages of `core/guide`. Their Rust is tested with the documentation.

/// A page as a module. The first definition of a link counts: here pages are modules, in the repository files.
macro_rules! page {
    ($name:ident, $file:literal) => {
        #[doc = "[architecture]: crate::guide::architecture"]
        #[doc = "[mathematics]: crate::guide::mathematics"]
        #[doc = "[interchange]: crate::guide::interchange"]
        #[doc = "[clusters]: crate::guide::clusters"]
        #[doc = "[add-a-primitive]: crate::guide::add_a_primitive"]
        #[doc = "[add-a-fused-operation]: crate::guide::add_a_fused_operation"]
        #[doc = "[add-a-layer]: crate::guide::add_a_layer"]
        #[doc = "[add-an-update-rule]: crate::guide::add_an_update_rule"]
        #[doc = "[add-an-objective-term]: crate::guide::add_an_objective_term"]
        #[doc = "[add-a-command]: crate::guide::add_a_command"]
        #[doc = "[add-a-backend]: crate::guide::add_a_backend"]
        #[doc = ""]
        #[doc = include_str!($file)]
        pub mod $name {}
    };
}

page!(architecture, "../guide/architecture.md");
page!(mathematics, "../guide/mathematics.md");
page!(interchange, "../guide/interchange.md");
page!(clusters, "../guide/clusters.md");
page!(add_a_primitive, "../guide/add-a-primitive.md");
page!(add_a_fused_operation, "../guide/add-a-fused-operation.md");
page!(add_a_layer, "../guide/add-a-layer.md");
page!(add_an_update_rule, "../guide/add-an-update-rule.md");
page!(add_an_objective_term, "../guide/add-an-objective-term.md");
page!(add_a_command, "../guide/add-a-command.md");
page!(add_a_backend, "../guide/add-a-backend.md");
