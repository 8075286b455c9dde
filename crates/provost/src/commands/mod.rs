//! One module per verb.

pub(crate) mod changed;
pub(crate) mod check;
pub(crate) mod completions;
mod declared;
pub(crate) mod diagnose;
pub(crate) mod explain;
pub(crate) mod fix;
pub(crate) mod init;
pub(crate) mod prove;
