//! Metrics and traces: whether anybody gets to see them.

pub mod metric_not_exposed;
pub mod missing_service_name;
pub mod obsolete_telemetry;
pub mod otlp_endpoint_mismatch;
pub mod scrape_without_exporter;
pub mod unresolved_scrape_port;
