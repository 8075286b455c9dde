//! What the process says on its metrics endpoint.

pub mod counter_decreases;
pub mod exemplar_without_trace;
pub mod inconsistent_histogram;
pub mod malformed_exposition;
pub mod malformed_prometheus_rule;
pub mod malformed_query;
pub mod selector_without_series;
pub mod slow_scrape;
pub mod unbounded_series;
pub mod unsound_query;
