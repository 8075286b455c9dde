//! Rules about how many pods are there when something happens to some of them.

pub mod pdb_blocks_drain;
