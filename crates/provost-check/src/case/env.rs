//! The effective environment of a container.
