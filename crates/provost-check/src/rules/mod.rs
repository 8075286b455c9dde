//! The rules, and the list of them.
//!
//! A rule is one `.rs`, one `.md` and one line here.

pub mod availability;
pub mod binary;
pub mod build;
pub mod config;
pub mod engine;
pub mod environment;
pub mod health;
pub mod image;
pub mod input;
pub mod known_as;
pub mod lifecycle;
pub mod logs;
pub mod mesh;
pub mod network;
#[cfg(test)]
mod pages;
pub mod resources;
pub mod rollout;
pub mod rule;
pub mod runtime;
pub mod security;
pub mod serving;
pub mod start;
pub mod telemetry;
pub mod termination;
#[cfg(test)]
mod tests;

use rule::Rule;

/// Every rule, by group and then id.
#[rustfmt::skip] // one rule a line
pub static RULES: &[&Rule] = &[
    &availability::hpa_conflicts_with_workload::RULE,
    &availability::hpa_without_requests::RULE,
    &availability::ineffective_pdb::RULE,
    &availability::infeasible_spread::RULE,
    &availability::missing_pdb::RULE,
    &availability::missing_spread::RULE,
    &availability::naked_pod::RULE,
    &availability::pdb_blocks_drain::RULE,
    &availability::rolling_update_drops_capacity::RULE,
    &availability::single_replica::RULE,
    &availability::surge_with_exclusive_volume::RULE,
    &binary::architecture_mismatch::RULE,
    &binary::binary_differs_from_image::RULE,
    &binary::binary_over_size_budget::RULE,
    &binary::dynamic_go_binary::RULE,
    &binary::end_of_life_toolchain::RULE,
    &binary::hard_coded_address::RULE,
    &binary::instrumented_build::RULE,
    &binary::unresolvable_interpreter::RULE,
    &binary::unresolvable_shared_library::RULE,
    &binary::unstripped_binary::RULE,
    &binary::untraceable_build::RULE,
    &build::builder_older_than_go_mod::RULE,
    &build::floating_build_input::RULE,
    &build::hidden_build_failure::RULE,
    &build::ineffective_build_flag::RULE,
    &build::malformed_exec_form::RULE,
    &build::missing_copy_source::RULE,
    &build::overridden_instruction::RULE,
    &build::rejected_by_builder::RULE,
    &build::root_tool_in_build::RULE,
    &build::secret_in_build::RULE,
    &build::shell_form_entrypoint::RULE,
    &build::undefined_build_variable::RULE,
    &build::unrunnable_healthcheck::RULE,
    &build::unverified_download::RULE,
    &config::config_change_without_rollout::RULE,
    &config::dangling_env_reference::RULE,
    &config::dangling_reference::RULE,
    &config::duplicate_env::RULE,
    &config::env_not_read::RULE,
    &config::missing_certificate_issuer::RULE,
    &config::misspelt_runtime_variable::RULE,
    &config::secret_in_config_map::RULE,
    &config::secret_in_plain_env::RULE,
    &config::service_link_collision::RULE,
    &environment::secret_in_output::RULE,
    &health::aggressive_liveness::RULE,
    &health::fragile_probe_handler::RULE,
    &health::grpc_probe_without_health_service::RULE,
    &health::missing_liveness_probe::RULE,
    &health::missing_readiness_probe::RULE,
    &health::probe_path_not_served::RULE,
    &health::probe_protocol_mismatch::RULE,
    &health::probe_timeout_below_endpoint_budget::RULE,
    &health::readiness_endpoint_as_liveness::RULE,
    &health::startup_exceeds_probe_budget::RULE,
    &health::unresolved_probe_port::RULE,
    &image::build_residue::RULE,
    &image::exec_tool_missing::RULE,
    &image::image_digest_mismatch::RULE,
    &image::missing_ca_bundle::RULE,
    &image::missing_entrypoint_file::RULE,
    &image::missing_tzdata::RULE,
    &image::non_executable_entrypoint::RULE,
    &image::secret_file_in_image::RULE,
    &input::ambiguous_binding::RULE,
    &input::bad_suppression::RULE,
    &input::malformed_image_reference::RULE,
    &input::rejected_by_api_server::RULE,
    &input::removed_api_version::RULE,
    &input::unknown_field::RULE,
    &input::unparsable_input::RULE,
    &input::unrendered_template::RULE,
    &lifecycle::drain_exceeds_grace_period::RULE,
    &lifecycle::extreme_grace_period::RULE,
    &lifecycle::missing_prestop_delay::RULE,
    &lifecycle::no_termination_handler::RULE,
    &lifecycle::prestop_exhausts_grace_period::RULE,
    &lifecycle::unhandled_stop_signal::RULE,
    &logs::log_line_not_json::RULE,
    &logs::no_final_log_line::RULE,
    &mesh::application_starts_before_proxy::RULE,
    &mesh::authorization_without_mtls::RULE,
    &mesh::dangling_mesh_destination::RULE,
    &mesh::destination_rule_disables_mtls::RULE,
    &mesh::mesh_policy_never_matches::RULE,
    &mesh::permissive_mtls::RULE,
    &mesh::sidecar_drains_first::RULE,
    &mesh::strict_mtls_with_unmeshed_client::RULE,
    &mesh::tls_server_behind_sidecar::RULE,
    &mesh::trusted_forwarded_client_cert::RULE,
    &mesh::undeclared_mesh_protocol::RULE,
    &network::ambiguous_routing::RULE,
    &network::conflicting_listeners::RULE,
    &network::dangling_ingress_backend::RULE,
    &network::debug_endpoint_exposed::RULE,
    &network::grpc_through_cluster_ip::RULE,
    &network::loopback_listener::RULE,
    &network::missing_network_policy::RULE,
    &network::network_policy_blocks_traffic::RULE,
    &network::service_selects_nothing::RULE,
    &network::stateful_set_without_service::RULE,
    &network::unintended_exposure::RULE,
    &network::unresolved_target_port::RULE,
    &resources::conflicting_autoscalers::RULE,
    &resources::cpu_limit_policy::RULE,
    &resources::missing_memory_limit::RULE,
    &resources::missing_resource_request::RULE,
    &resources::suspicious_quantity::RULE,
    &rollout::analysis_outlives_steps::RULE,
    &rollout::analysis_that_cannot_fail::RULE,
    &rollout::broken_rollout_reference::RULE,
    &rollout::canary_weight_unreachable::RULE,
    &rollout::empty_result_misjudged::RULE,
    &rollout::metric_label_mismatch::RULE,
    &rollout::no_inconclusive_band::RULE,
    &rollout::query_bucket_does_not_exist::RULE,
    &rollout::query_not_tied_to_canary::RULE,
    &runtime::dangerous_godebug::RULE,
    &runtime::fractional_cpu_limit::RULE,
    &runtime::gogc_off_without_limit::RULE,
    &runtime::gomaxprocs_above_cpu_limit::RULE,
    &runtime::gomaxprocs_ignores_cpu_limit::RULE,
    &runtime::gomemlimit_above_memory_limit::RULE,
    &runtime::gomemlimit_implausible::RULE,
    &runtime::gomemlimit_unset::RULE,
    &runtime::gomemlimit_without_headroom::RULE,
    &runtime::ignored_runtime_variable::RULE,
    &runtime::legacy_godebug_defaults::RULE,
    &runtime::malformed_godebug::RULE,
    &runtime::malformed_gomemlimit::RULE,
    &runtime::pinned_gomaxprocs::RULE,
    &runtime::removed_godebug_key::RULE,
    &runtime::unknown_godebug_key::RULE,
    &runtime::weak_crypto_godebug::RULE,
    &security::excess_capabilities::RULE,
    &security::floating_image_tag::RULE,
    &security::host_namespace::RULE,
    &security::host_path_volume::RULE,
    &security::missing_seccomp_profile::RULE,
    &security::overpowered_service_account::RULE,
    &security::pod_security_rejects::RULE,
    &security::privilege_escalation_allowed::RULE,
    &security::privileged_container::RULE,
    &security::privileged_port::RULE,
    &security::read_only_root_with_writes::RULE,
    &security::root_user::RULE,
    &security::run_as_non_root_will_fail::RULE,
    &security::unneeded_service_account_token::RULE,
    &security::writable_root_filesystem::RULE,
    &serving::catch_all_success::RULE,
    &serving::listens_on_loopback_only::RULE,
    &serving::probe_endpoint_missing::RULE,
    &serving::probe_redirects_or_authenticates::RULE,
    &serving::probe_slower_than_its_timeout::RULE,
    &start::never_listens::RULE,
    &start::slow_start::RULE,
    &telemetry::metric_not_exposed::RULE,
    &telemetry::missing_service_name::RULE,
    &telemetry::obsolete_telemetry::RULE,
    &telemetry::otlp_endpoint_mismatch::RULE,
    &telemetry::scrape_without_exporter::RULE,
    &telemetry::unresolved_scrape_port::RULE,
    &termination::drain_longer_than_grace::RULE,
    &termination::hangs_on_long_request::RULE,
    &termination::ignores_signal_while_starting::RULE,
    &termination::keeps_connections_open_in_drain::RULE,
    &termination::liveness_fails_in_drain::RULE,
    &termination::loses_requests_in_flight::RULE,
    &termination::no_termination_handler_seen::RULE,
    &termination::refuses_during_endpoint_removal::RULE,
    &termination::second_signal_ignored::RULE,
    &termination::second_signal_panics::RULE,
    &termination::unclean_exit_code::RULE,
];

/// The rule of that id.
pub fn find(id: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.id == id)
}
