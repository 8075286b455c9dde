//! What the image holds against what is run in it.

pub mod build_residue;
pub mod exec_tool_missing;
pub mod image_digest_mismatch;
pub mod missing_ca_bundle;
pub mod missing_entrypoint_file;
pub mod missing_tzdata;
pub mod non_executable_entrypoint;
pub mod secret_file_in_image;
pub mod unknown_image_user;
pub mod unrunnable_entrypoint;
