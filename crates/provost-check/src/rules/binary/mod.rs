//! The executable against the image it is put into.

pub mod architecture_mismatch;
pub mod end_of_life_toolchain;
pub mod hard_coded_address;
pub mod instrumented_build;
pub mod unresolvable_interpreter;
pub mod untraceable_build;
