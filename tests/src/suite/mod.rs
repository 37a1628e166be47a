//! What every backend promises. Each function here is one test of one backend.

pub mod accumulation;
pub mod composition;
pub mod families;
pub mod handles;
pub mod joint;
pub mod leakage;
pub mod lora;
pub mod modulation;
pub mod muon;
pub mod operations;
pub mod properties;
pub mod replay;
pub mod routing;
pub mod step_size;
pub mod storage;
pub mod training;
pub mod vocabulary;

/// Turns every suite into a test of one backend. With `@operations` those of single operations and of a whole gradient;
/// with `@narrow` those that hold in numbers of few bits: a random tiny model may amplify their rounding without bound.
#[macro_export]
macro_rules! instantiate_suites {
    ($name:ident, $factory:ty) => {
        mod $name {
            use super::*;
            $crate::instantiate_suites! { @single $factory }
            $crate::instantiate_suites! { @coarse $factory }
            $crate::instantiate_suites! { @each $factory,
                replay::another_computation_is_reported,
                properties::a_wide_window_is_full_attention, properties::uniform_gates_owe_exactly_the_coefficient,
                properties::an_unconditioned_observed_stream_serves_every_landscape,
                joint::the_order_of_positions_does_not_matter, joint::padding_changes_nothing,
                joint::a_whole_step_replaces_the_state,
                accumulation::micro_batches_add_up_to_the_batch, training::loss_and_gradients_equal_the_reference,
                training::routing_biases_follow_the_load_and_averages_warm_up,
                training::frozen_parameters_keep_their_bits, training::parts_learn_at_rates_of_their_own,
                lora::adapters_follow_the_chain_rule,
                step_size::a_controlled_step_size_follows_the_share,
                training::rollouts_continue_from_the_replay_buffer,
            }
        }
    };
    (@operations $name:ident, $factory:ty) => {
        mod $name {
            use super::*;
            $crate::instantiate_suites! { @single $factory }
            $crate::instantiate_suites! { @each $factory, training::loss_and_gradients_equal_the_reference }
        }
    };
    (@narrow $name:ident, $factory:ty) => {
        mod $name {
            use super::*;
            $crate::instantiate_suites! { @single $factory }
            $crate::instantiate_suites! { @coarse $factory }
        }
    };
    // single operations
    (@single $factory:ty) => {
        $crate::instantiate_suites! { @each $factory,
            operations::elementwise, operations::movement, operations::products, operations::bands,
            operations::norms, operations::pointwise, operations::cross_entropies, operations::attentions,
            operations::sinks, operations::attention_follows_its_definition,
            composition::fused_operations_equal_their_compositions,
            routing::experts_are_chosen_as_the_reference_chooses,
            storage::in_place_operations, storage::optimiser_and_average, muon::directions_equal_the_reference,
            modulation::modulations_equal_their_definition, modulation::lists_are_cleared,
            vocabulary::rows_of_distributions_equal_their_definition, vocabulary::whole_updates_equal_single_ones,
        }
    };
    // everything else that holds in numbers of few bits
    (@coarse $factory:ty) => {
        $crate::instantiate_suites! { @each $factory,
            storage::values_survive_the_device, storage::noise_is_the_reference_noise,
            handles::writing_through_one_handle_leaves_the_others,
            replay::a_replayed_pass_equals_a_recomputed_one,
            leakage::later_tokens_do_not_reach_earlier_energies, leakage::candidates_do_not_reach_each_other,
            leakage::documents_do_not_reach_each_other, leakage::the_baseline_does_not_look_ahead,
            properties::adaln_zero_blocks_are_the_identity,
            joint::sets_are_kept, joint::a_tiny_joint_problem_is_learned,
            training::a_tiny_problem_is_learned, training::a_refused_step_leaves_the_weights,
            vocabulary::uniform_draws_are_the_reference_draws,
        }
    };
    (@each $factory:ty, $($module:ident :: $suite:ident),* $(,)?) => {
        $(#[test]
        fn $suite() {
            $crate::suite::$module::$suite::<$factory>();
        })*
    };
}
