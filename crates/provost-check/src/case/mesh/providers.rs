//! The providers of telemetry that the mesh has.

use super::sidecars::MOST_CONFIGS;
use crate::case::Joined;
use crate::facts::document::Node;
use crate::facts::placeholders::may_be_in;
use crate::facts::{Body, Object, Origin};
use crate::findings::{Abstain, Reason};
use crate::model::mesh_config;

/// A provider of the mesh's configuration.
#[derive(Clone, Debug)]
pub struct Provider {
    /// What a Telemetry calls it by.
    pub name: String,
    /// `zipkin`
    pub kind: String,
    /// Where it is defined; the whole ConfigMap where that holds the document as text.
    pub at: Origin,
}

/// What an object of the input says of the mesh's providers.
#[derive(Debug)]
pub struct Providers {
    /// Those beside the ones of Istio's own.
    pub own: Vec<Provider>,
    /// Whether access logs that do not say where they go go somewhere.
    pub logs_by_default: bool,
    /// The object's place.
    pub at: Origin,
}

/// Those that every mesh has (`DefaultMeshConfig` in pkg/config/mesh/mesh.go of Istio 1.31).
const BUILT_IN: &[&str] = &["prometheus", "stackdriver", "envoy"];

/// Profiles of an installation that bring no provider (manifests/profiles of Istio 1.31).
const WITHOUT: &[&str] = &[
    "",
    "ambient",
    "default",
    "empty",
    "minimal",
    "openshift",
    "openshift-ambient",
    "remote",
    "stable",
];

/// Providers of one object that are looked at.
const MOST: usize = 256;

impl Providers {
    /// The provider of that name; `None` where there is none of that name, and not even of Istio's own.
    pub fn find(&self, name: &str) -> Option<Option<&Provider>> {
        let found = self.own.iter().find(|provider| provider.name == name);
        (found.is_some() || BUILT_IN.contains(&name)).then_some(found)
    }
}

impl Joined<'_> {
    /// The providers of the mesh, where one object of the input holds its configuration.
    pub fn mesh_providers(&self) -> Result<Providers, Abstain> {
        let unknown = |reason, what: &str| Err(Abstain::unknown(reason, what.to_owned()));
        let objects = self.joins.mesh_configs().iter().filter_map(|id| self.world.objects.get(*id));
        let mut said = objects.take(MOST_CONFIGS).filter_map(read);
        let Some(first) = said.next() else {
            return unknown(Reason::ObjectNotInInput, "the configuration of the mesh");
        };
        match said.next() {
            Some(_) => unknown(Reason::Alternatives, "the configuration of the mesh"),
            None => first,
        }
    }
}

/// `None` for an object that says nothing of the mesh.
fn read(object: &Object) -> Option<Result<Providers, Abstain>> {
    let at = object.origin();
    if let Body::ConfigMap(map) = &object.body {
        let text = &map.data.get("mesh")?.value;
        let unknown = || Abstain::unknown(Reason::Templated, "the providers of the mesh");
        if may_be_in(text) {
            return Some(Err(unknown()));
        }
        let own = mesh_config::providers(text).map(|list| {
            let provider = |(name, kind): mesh_config::Provider<'_>| Provider {
                name: name.to_owned(),
                kind: kind.to_owned(),
                at: at.clone(),
            };
            list.into_iter().take(MOST).map(provider).collect()
        });
        let read = own.zip(mesh_config::logs_by_default(text));
        return Some(read.ok_or_else(unknown).map(|(own, logs_by_default)| Providers {
            own,
            logs_by_default,
            at,
        }));
    }
    let spec = object.node().get("spec")?;
    let text = |path: &[&str]| spec.at(path).and_then(Node::as_str).unwrap_or_default();
    let profiles =
        [text(&["profile"]), text(&["values", "profile"]), text(&["values", "global", "profile"])];
    if let Some(profile) = profiles.iter().find(|profile| !WITHOUT.contains(profile)) {
        let what = format!("the providers of profile {profile}");
        return Some(Err(Abstain::unknown(Reason::ExternalController, what)));
    }
    let configs = [spec.get("meshConfig"), spec.at(&["values", "meshConfig"])];
    let mut own = Vec::new();
    let mut logs_by_default = false;
    for config in configs.into_iter().flatten() {
        logs_by_default |= config.at(&["defaultProviders", "accessLogging"]).is_some();
        for node in config.get("extensionProviders").into_iter().flat_map(Node::items).take(MOST) {
            let name = node.get("name").and_then(Node::as_str);
            let kinds = node.entries().filter_map(|(key, _)| key.as_str());
            let Some(name) = name.filter(|name| !may_be_in(name)) else {
                let what = "the name of a provider";
                return Some(Err(Abstain::unknown(Reason::Templated, what)));
            };
            let kind = kinds.into_iter().find(|key| *key != "name").unwrap_or_default();
            own.push(Provider { name: name.to_owned(), kind: kind.to_owned(), at: node.origin() });
        }
    }
    Some(Ok(Providers { own, logs_by_default, at }))
}
