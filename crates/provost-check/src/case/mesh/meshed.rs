//! Which pods are in the mesh: the selectors of the webhook in
//! manifests/charts/istio-control/istio-discovery/templates/mutatingwebhook.yaml, then `injectRequired` in
//! pkg/kube/inject/inject.go.

use crate::case::WorkloadCase;
use crate::facts::objects::StringMap;
use crate::facts::workload::ContainerRole;
use crate::facts::{Fact, Object, Origin};
use crate::findings::Abstain;

/// How the pod is in the mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxy {
    /// A sidecar that is an ordinary container.
    ClassicSidecar,
    /// A sidecar that is an init container with `restartPolicy: Always`.
    NativeSidecar,
    /// A sidecar of either kind; `auto` in Istio 1.27 and later makes it a native one on nodes of Kubernetes 1.33
    /// and later (`DetectNativeSidecar` in pkg/kube/inject/webhook.go).
    Sidecar,
    /// No sidecar: ztunnel on the node.
    Ambient,
}

/// That a workload is in the mesh, and what says so.
#[derive(Clone, Debug)]
pub struct Meshed {
    /// How.
    pub proxy: Proxy,
    /// The place that says so.
    pub origin: Origin,
}

impl Meshed {
    /// Whether a sidecar is in the pod.
    pub fn has_sidecar(&self) -> bool {
        self.proxy != Proxy::Ambient
    }

    /// A label for the place.
    pub fn label(&self) -> &'static str {
        if self.has_sidecar() {
            "the pods get a sidecar"
        } else {
            "the pods are in the ambient mesh"
        }
    }
}

impl<'w> WorkloadCase<'w> {
    /// How the workload's pods are in the mesh; `NotApplicable` when nothing says that they are.
    pub fn meshed(&self) -> Result<Meshed, Abstain> {
        match self.joined.meshed.get(self.id) {
            Some(known) => known.get_or_init(|| self.find_mesh()).clone(),
            None => self.find_mesh(),
        }
    }

    fn find_mesh(&self) -> Result<Meshed, Abstain> {
        self.joined.not_without_mesh()?;
        let pod = self.pod();
        if self.is_left_out() {
            return Err(Abstain::NotApplicable);
        }
        let found = |proxy, origin: &Origin| -> Result<Meshed, Abstain> {
            Ok(Meshed { proxy, origin: origin.clone() })
        };
        let configured = self.world().settings.cluster.mesh.as_ref();
        let kind = self.sidecar_kind();
        if let Some(proxy) = self.written_sidecar() {
            let proxy_kind = match proxy.role {
                ContainerRole::Sidecar => Proxy::NativeSidecar,
                _ => Proxy::ClassicSidecar,
            };
            return found(proxy_kind, &proxy.origin);
        }
        let namespace = self.namespace_object();
        let of_namespace = |key: &str| namespace.and_then(|object| object.meta.labels.get(key));
        let ambient = || {
            let own = pod.labels.get("istio.io/dataplane-mode");
            let mode = own.or_else(|| of_namespace("istio.io/dataplane-mode"));
            match mode {
                Some(mode) if mode.value == "ambient" => found(Proxy::Ambient, &mode.origin),
                Some(_) => Err(Abstain::NotApplicable),
                None => match configured.filter(|mesh| mesh.value == "ambient") {
                    Some(mesh) => found(Proxy::Ambient, &mesh.origin),
                    None => Err(Abstain::NotApplicable),
                },
            }
        };
        let inject = pod.inject();
        if inject.is_some_and(|(value, _)| value.value == "false") {
            return ambient();
        }
        match of_namespace("istio-injection") {
            Some(label) if label.value == "enabled" => return found(kind, &label.origin),
            // Then a label of the pod does not help either.
            Some(_) => return ambient(),
            None => {}
        }
        if let Some(revision) = of_namespace("istio.io/rev") {
            return found(kind, &revision.origin);
        }
        match inject {
            Some((value, true)) if value.value == "true" => return found(kind, &value.origin),
            // The webhook's selectors look at labels alone: the annotation does nothing in a namespace without one.
            Some((value, false)) if value.value == "true" && namespace.is_none() => {
                return found(kind, &value.origin);
            }
            _ => {}
        }
        if let Some(revision) = pod.labels.get("istio.io/rev") {
            return found(kind, &revision.origin);
        }
        match configured {
            Some(mesh) if mesh.value.ends_with("sidecar") => {
                ambient().or_else(|_| found(kind, &mesh.origin))
            }
            _ => ambient(),
        }
    }

    /// Pods that no injector touches, and those of another mesh.
    fn is_left_out(&self) -> bool {
        let pod = self.pod();
        if pod.host_network.value || pod.containers.is_empty() {
            return true;
        }
        // `IgnoredNamespaces` in pkg/kube/inject/initializer.go.
        let namespace = self.object.meta.namespace.value.as_str();
        if matches!(
            namespace,
            "kube-system" | "kube-public" | "kube-node-lease" | "local-path-storage"
        ) {
            return true;
        }
        let linkerd = pod.annotations.get("linkerd.io/inject");
        if linkerd.is_some_and(|inject| inject.value != "disabled") {
            return true;
        }
        // Gateways and proxyless gRPC are injected by other templates.
        let templates = [&pod.labels, &pod.annotations];
        let other = |map: &&StringMap| {
            map.get("inject.istio.io/templates").is_some_and(|t| !t.value.contains("sidecar"))
        };
        templates.iter().any(other) || is_gateway(&pod.labels)
    }

    /// Whether something says that the pods are *not* in the mesh, where [`Self::meshed`] finds nothing that
    /// says they are. The labels of the namespace decide: without its Namespace nothing does.
    pub fn is_outside_of_mesh(&self) -> bool {
        let pod = self.pod();
        self.joined.not_without_mesh().is_err()
            || self.is_left_out()
            || self.namespace_object().is_some()
            || pod.inject().is_some_and(|(value, _)| value.value == "false")
            || pod.labels.get("istio.io/dataplane-mode").is_some()
    }

    /// The workload's Namespace, where the input has it and it may well be applied with it.
    fn namespace_object(&self) -> Option<&'w Object> {
        let name = &self.object.meta.namespace.value;
        let found = self.joined.named(self.object, "", "Namespace", name).ok()??;
        self.joined.may_be_together(self.object, found).then_some(found)
    }
}

/// Pods that the Gateway API or Istio's charts make gateways and waypoints of.
fn is_gateway(labels: &StringMap) -> bool {
    let has = |key: &str| labels.get(key).is_some();
    let is = |fact: Option<&Fact<String>>| fact.is_some_and(|f| f.value.ends_with("gateway"));
    has("gateway.networking.k8s.io/gateway-name") || is(labels.get("istio"))
}

#[cfg(test)]
mod tests {
    use super::Proxy::{Ambient, ClassicSidecar, NativeSidecar, Sidecar};
    use super::*;
    use crate::case::Joined;
    use crate::case::mesh::tests::world;

    /// How a pod with these labels and annotations is in the mesh, in a namespace with those labels, if any.
    #[track_caller]
    fn check(
        namespace: Option<&str>,
        labels: &str,
        annotations: &str,
        mesh: Option<&str>,
        expect: Option<Proxy>,
    ) {
        let namespace = namespace.map_or_else(String::new, |labels| {
            format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, labels: {{{labels}}}}}\n---\n")
        });
        let text = format!(
            "{namespace}apiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: shop, labels: {{{labels}}}, \
             annotations: {{{annotations}}}}}\nspec: {{containers: [{{name: c, image: c}}]}}\n"
        );
        let world = world(&text, mesh);
        let joined = Joined::new(&world);
        let found = joined.workloads().next().unwrap().meshed();
        assert_eq!(found.ok().map(|meshed| meshed.proxy), expect, "{text}");
    }

    #[test]
    fn who_gets_a_sidecar() {
        let (inject, not) =
            ("sidecar.istio.io/inject: \"true\"", "sidecar.istio.io/inject: \"false\"");
        check(None, "", "", None, None);
        check(Some(""), "", "", None, None);
        check(Some("istio-injection: enabled"), "", "", None, Some(Sidecar));
        check(Some("istio.io/rev: stable"), "", "", None, Some(Sidecar));
        check(None, inject, "", None, Some(Sidecar));
        check(Some(""), inject, "", None, Some(Sidecar));
        check(None, "istio.io/rev: stable", "", None, Some(Sidecar));
        check(Some("istio-injection: enabled"), not, "", None, None);
        check(Some("istio-injection: enabled"), "", not, None, None);
        check(Some("istio-injection: enabled"), inject, not, None, Some(Sidecar));
        check(Some("istio-injection: disabled"), inject, "", None, None);
        // The webhook's selectors see labels alone.
        check(Some(""), "", inject, None, None);
        check(None, "", inject, None, Some(Sidecar));
    }

    #[test]
    fn which_kind_it_is() {
        let classic = "sidecar.istio.io/nativeSidecar: \"false\"";
        let native = "sidecar.istio.io/nativeSidecar: \"true\"";
        check(None, "", "", Some("sidecar"), Some(ClassicSidecar));
        check(None, "", native, Some("sidecar"), Some(NativeSidecar));
        check(None, "", classic, Some("native-sidecar"), Some(ClassicSidecar));
        check(None, "", classic, None, None);
        check(None, "sidecar.istio.io/inject: \"false\"", "", Some("sidecar"), None);
        check(None, "sidecar.istio.io/inject: \"true\"", "", Some("none"), None);
        check(Some("istio-injection: disabled"), "", "", Some("sidecar"), None);
    }

    #[test]
    fn who_is_in_the_ambient_mesh() {
        check(Some("istio.io/dataplane-mode: ambient"), "", "", None, Some(Ambient));
        check(
            Some("istio.io/dataplane-mode: ambient"),
            "istio.io/dataplane-mode: none",
            "",
            None,
            None,
        );
        check(None, "istio.io/dataplane-mode: ambient", "", None, Some(Ambient));
        check(None, "", "", Some("ambient"), Some(Ambient));
        check(
            Some("istio.io/dataplane-mode: ambient"),
            "sidecar.istio.io/inject: \"true\"",
            "",
            None,
            Some(Sidecar),
        );
    }

    #[test]
    fn gateways_and_pods_of_another_mesh_are_left_alone() {
        let mesh = Some("sidecar");
        check(None, "istio: ingressgateway", "", mesh, None);
        check(None, "gateway.networking.k8s.io/gateway-name: x", "", mesh, None);
        check(None, "", "inject.istio.io/templates: gateway", mesh, None);
        check(None, "", "linkerd.io/inject: enabled", mesh, None);
    }

    #[test]
    fn a_proxy_that_is_written_is_what_it_is() {
        let pod = |proxy: &str| {
            let text =
                format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  {proxy}\n");
            let world = world(&text, None);
            let joined = Joined::new(&world);
            let found = joined.workloads().next().unwrap().meshed();
            found.ok().map(|meshed| meshed.proxy)
        };
        let app = "{name: c, image: c}";
        let proxy = "name: istio-proxy, image: istio/proxyv2";
        assert_eq!(pod(&format!("containers: [{app}, {{{proxy}}}]")), Some(ClassicSidecar));
        assert_eq!(
            pod(&format!(
                "containers: [{app}]\n  initContainers: [{{{proxy}, restartPolicy: Always}}]"
            )),
            Some(NativeSidecar)
        );
        assert_eq!(pod(&format!("containers: [{{{proxy}}}]")), None, "a gateway");
        assert_eq!(pod(&format!("containers: [{app}, {{name: istio-proxy, image: auto}}]")), None);
    }
}
