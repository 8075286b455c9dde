//! What the image holds against what is run in it.

pub mod exec_tool_missing;
pub mod image_digest_mismatch;
pub mod missing_entrypoint_file;
