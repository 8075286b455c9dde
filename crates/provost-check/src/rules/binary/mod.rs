//! The executable against the image it is put into.

pub mod architecture_mismatch;
pub mod binary_differs_from_image;
pub mod binary_over_size_budget;
pub mod dynamic_go_binary;
pub mod end_of_life_toolchain;
pub mod goamd64_above_node_baseline;
pub mod hard_coded_address;
pub mod instrumented_build;
pub mod unresolvable_interpreter;
pub mod unresolvable_shared_library;
pub mod unstripped_binary;
pub mod untraceable_build;
