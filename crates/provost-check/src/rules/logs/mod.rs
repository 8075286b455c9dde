//! What the process prints.

pub mod log_line_not_json;
pub mod no_final_log_line;
