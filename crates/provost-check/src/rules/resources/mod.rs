//! Rules about requests and limits.

pub mod conflicting_autoscalers;
pub mod cpu_limit_policy;
pub mod missing_memory_limit;
pub mod missing_resource_request;
pub mod suspicious_quantity;
