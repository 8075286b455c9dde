//! Formulas: what the runtime, the kubelet and the controllers will make of a set of values.
//!
//! Pure functions over plain inputs; nothing here knows YAML, a binary or a finding. Each answer carries the numbers that
//! a message needs, so that a rule is one comparison and computes nothing itself.

pub mod addresses;
pub mod alert_template;
pub mod base64;
pub mod condition;
pub mod cron;
pub mod dockerignore;
pub mod env;
pub mod eviction;
pub mod glob;
pub mod goals;
pub mod godebug;
pub mod goduration;
pub mod gogc;
pub mod gomaxprocs;
pub mod grace;
pub mod growth;
pub mod hidden;
pub mod injection;
pub mod ip;
pub mod keda;
pub mod limit_range;
pub mod listeners;
pub mod memlimit;
pub mod merge_keys;
pub mod mesh_config;
pub mod moment;
pub mod mtls;
pub mod names;
pub mod oom;
pub mod pacer;
pub mod pdb;
pub mod platforms;
pub mod ports;
pub mod probes;
pub mod promql;
pub mod published;
pub mod qos;
pub mod quantity;
pub mod rbac;
pub mod re2;
pub mod removed_apis;
pub mod reserved_keys;
pub mod retries;
pub mod rolling;
pub mod schema;
pub mod secret;
pub mod semconv;
pub mod serve_mux;
pub mod shell;
pub mod signal;
pub mod statistics;
pub mod support;
pub mod syscalls;
pub mod sysctls;
pub mod text;
pub mod timezone;
pub mod toolchain;
pub mod trend;
pub mod what_if;

mod goint;

pub use quantity::{Bytes, Millicores, Quantity, QuantityError};
