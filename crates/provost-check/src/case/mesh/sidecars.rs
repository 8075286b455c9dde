//! The kind of the sidecar, and how its proxy is configured.

use super::{MOST_OF_A_SCOPE, Meshed, Proxy};
use crate::case::{Joined, WorkloadCase};
use crate::facts::workload::{Container, ContainerRole, EnvValue};
use crate::facts::{Body, Object, Origin};
use crate::findings::Abstain;
use crate::model::mtls::{ROOT_NAMESPACE, proxy_setting};

/// Objects with the mesh's own configuration that are looked at.
pub(super) const MOST_CONFIGS: usize = 16;

/// Whether the object may hold the mesh's own configuration.
pub(in crate::case) fn may_configure(object: &Object) -> bool {
    let meta = &object.meta;
    match meta.kind.value.as_str() {
        "ConfigMap" => meta.name().starts_with("istio") && meta.namespace.value == ROOT_NAMESPACE,
        "IstioOperator" | "Istio" => meta.group().ends_with("istio.io"),
        _ => false,
    }
}

impl Joined<'_> {
    /// A setting of the mesh's `defaultConfig`, where an object of the input holds it: the ConfigMap `istio` or the
    /// installation's own resource.
    pub fn mesh_setting(&self, key: &str) -> Option<String> {
        let objects = self.joins.mesh_configs().iter().filter_map(|id| self.world.objects.get(*id));
        objects.take(MOST_CONFIGS).find_map(|object| match &object.body {
            Body::ConfigMap(map) => {
                proxy_setting(&map.data.get("mesh")?.value, key).map(str::to_owned)
            }
            _ => {
                let spec = object.node().get("spec")?;
                let values = spec.get("values");
                let config = spec.at(&["meshConfig", "defaultConfig"]);
                let nested = values.and_then(|v| v.at(&["meshConfig", "defaultConfig"]));
                let proxy = values.and_then(|v| v.at(&["global", "proxy"]));
                let found = [config, nested, proxy]
                    .into_iter()
                    .flatten()
                    .find_map(|at| at.get(key).or_else(|| at.get("proxyMetadata")?.get(key)))?;
                Some(found.as_str()?.to_owned())
            }
        })
    }
}

impl<'w> WorkloadCase<'w> {
    /// As [`Self::meshed`], for rules that only speak of sidecars.
    pub fn sidecar(&self) -> Result<Meshed, Abstain> {
        self.meshed().and_then(|meshed| match meshed.has_sidecar() {
            true => Ok(meshed),
            false => Err(Abstain::NotApplicable),
        })
    }

    /// The kind of an injected sidecar.
    pub(super) fn sidecar_kind(&self) -> Proxy {
        let annotation = self.pod().annotations.get("sidecar.istio.io/nativeSidecar");
        let configured =
            self.world().settings.cluster.mesh.as_ref().map(|mesh| mesh.value.as_str());
        match (annotation.map(|fact| fact.value.as_str()), configured) {
            (Some("true"), _) => Proxy::NativeSidecar,
            (Some("false"), _) => Proxy::ClassicSidecar,
            (_, Some("native-sidecar")) => Proxy::NativeSidecar,
            (_, Some("sidecar")) => Proxy::ClassicSidecar,
            _ => Proxy::Sidecar,
        }
    }

    /// The place that says which kind the sidecar is, where one does.
    pub fn sidecar_kind_origin(&self) -> Option<&'w Origin> {
        let annotation = self.pod().annotations.get("sidecar.istio.io/nativeSidecar");
        let configured = self.joined.world.settings.cluster.mesh.as_ref().map(|mesh| &mesh.origin);
        annotation.map(|fact| &fact.origin).or(configured)
    }

    /// A setting of the proxy: the pod's own, that of a proxy it holds, else the mesh's where the input has that. The
    /// place only where the pod says it.
    pub fn proxy_setting(&self, key: &str) -> Option<(String, Option<Origin>)> {
        if let Some(own) = self.pod().proxy_setting(key) {
            return Some((own.value, Some(own.origin)));
        }
        let proxy = self.written_sidecar().into_iter().flat_map(|proxy| &proxy.env);
        let of_proxy = proxy.take(MOST_OF_A_SCOPE).find_map(|env| match &env.value {
            EnvValue::Literal(text) if env.name.value == key => {
                Some((text.value.clone(), Some(text.origin.clone())))
            }
            EnvValue::Literal(text) if env.name.value == "PROXY_CONFIG" => {
                let value = proxy_setting(&text.value, key)?;
                Some((value.to_owned(), Some(text.origin.clone())))
            }
            _ => None,
        });
        of_proxy.or_else(|| Some((self.joined.mesh_setting(key)?, None)))
    }

    /// A proxy that the manifest itself holds beside a program: what injection by hand writes.
    pub fn written_sidecar(&self) -> Option<&'w Container> {
        let pod = self.pod();
        let proxy = pod.container_named("istio-proxy")?;
        let image = proxy.image.as_ref().is_some_and(|image| image.value != "auto");
        let beside = pod
            .containers
            .iter()
            .any(|c| c.role == ContainerRole::Main && c.name() != "istio-proxy");
        let mut words = proxy.args.iter().flatten();
        let gateway = words.any(|word| word.value == "router");
        (image && beside && !gateway).then_some(proxy)
    }
}
