//! How a pod ends, and what happens to the requests it still has.

pub mod drain_exceeds_grace_period;
pub mod extreme_grace_period;
pub mod missing_prestop_delay;
pub mod no_termination_handler;
pub mod prestop_exhausts_grace_period;
pub mod unhandled_stop_signal;
