//! The effective command line of a container.
