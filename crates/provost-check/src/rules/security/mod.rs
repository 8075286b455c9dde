//! What a container may do, and as whom.

pub mod dangling_role_binding;
pub mod excess_capabilities;
pub mod floating_image_tag;
pub mod host_namespace;
pub mod host_path_volume;
pub mod missing_seccomp_profile;
pub mod overpowered_service_account;
pub mod pod_security_rejects;
pub mod privilege_escalation_allowed;
pub mod privileged_container;
pub mod privileged_port;
pub mod read_only_root_with_writes;
pub mod root_user;
pub mod run_as_non_root_will_fail;
pub mod unmatched_role_rule;
pub mod unneeded_service_account_token;
pub mod writable_root_filesystem;
