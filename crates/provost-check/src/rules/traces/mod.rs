//! What the process sends of its traces.

pub mod breaks_trace_parent;
pub mod exporter_failure_hurts_service;
pub mod ignores_otel_settings;
pub mod loses_last_telemetry;
pub mod no_outgoing_trace;
pub mod unconventional_span_attributes;
pub mod wrong_span_status;
