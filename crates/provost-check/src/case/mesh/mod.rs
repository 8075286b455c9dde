//! Whether a workload is in Istio's mesh, by what, and which mode of mutual TLS its ports are in.
//!
//! Source: istio.io/istio 1.31.

mod hosts;
mod meshed;
mod policies;
mod providers;
mod sidecars;

pub use hosts::{Destination, Hosts, Shares, full_name, is_of_other_domain, service_of};
pub use meshed::{Meshed, Proxy};
pub use policies::Mtls;
pub use providers::{Provider, Providers};
pub(super) use sidecars::may_configure;

use super::Joined;
use crate::findings::Abstain;

/// Policies of one scope that are looked at: Istio takes one of them.
const MOST_OF_A_SCOPE: usize = 64;

impl Joined<'_> {
    /// `NotApplicable` when the configuration says that there is no mesh.
    pub fn not_without_mesh(&self) -> Result<(), Abstain> {
        let mesh = self.world.settings.cluster.mesh.as_ref();
        match mesh.is_some_and(|mesh| mesh.value == "none") {
            true => Err(Abstain::NotApplicable),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::case::{World, sample};
    use crate::facts::{Fact, Origin};

    /// These manifests, with that mesh configured.
    pub(super) fn world(text: &str, mesh: Option<&str>) -> World {
        let mut world = sample::world(text);
        let origin = Origin::whole(crate::facts::SourceId(0));
        world.settings.cluster.mesh = mesh.map(|mesh| Fact::written(mesh.to_owned(), origin));
        world
    }
}
