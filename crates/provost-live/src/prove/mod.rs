//! `provost prove`: the real process, started, probed, loaded and told to end, in the surroundings
//! that a pod would give it.
//!
//! Each phase is a run of the process from its start to its end, and has a process of Provost's own
//! around it ([`worker`]), which goes into namespaces of its own, starts the program as their first
//! process and speaks with it from inside. When the worker ends, however it ends, the kernel takes
//! the namespaces and everything in them away: nothing is left behind.

pub mod body;
mod children;
mod collector;
pub mod connection;
mod dependency;
mod detect;
mod dump;
mod ending;
mod exit;
pub mod frames;
pub mod grpc;
pub mod harness;
mod http2;
pub mod image;
mod listening;
pub mod memory;
pub mod metrics;
pub mod netlink;
pub mod otlp;
mod outside;
pub mod phases;
pub mod plan;
mod process;
mod readonly;
mod rights;
mod root;
pub mod stage;
mod sweep;
mod tap;
pub mod tls;
mod volumes;
pub mod websocket;
pub mod worker;
mod writable;

pub use harness::Harness;
pub use plan::Plan;
pub use worker::Measured;
