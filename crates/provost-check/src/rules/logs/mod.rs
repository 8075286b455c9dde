//! What the process prints.

pub mod blocks_on_full_stdout;
pub mod log_injection;
pub mod log_line_not_json;
pub mod log_time_or_level_missing;
pub mod log_without_trace_id;
pub mod logs_every_probe;
pub mod no_final_log_line;
pub mod service_name_differs;
