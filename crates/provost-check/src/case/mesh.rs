//! Whether a workload is in Istio's mesh, by what, and which mode of mutual TLS its ports are in.
//!
//! Source: istio.io/istio 1.31. Which pods get a sidecar: the selectors of the webhook in
//! manifests/charts/istio-control/istio-discovery/templates/mutatingwebhook.yaml, then `injectRequired` in
//! pkg/kube/inject/inject.go.

use super::{Case, Joined, ObjectCase, ObjectId, WorkloadCase};
use crate::facts::mesh::{AuthorizationPolicy, DestinationRule, MeshPolicy, PeerAuthentication};
use crate::facts::objects::{Service, ServicePort, StringMap};
use crate::facts::workload::{Container, ContainerRole, EnvValue};
use crate::facts::{Body, Fact, Object, Origin};
use crate::findings::{Abstain, Reason};
use crate::model::mtls::{Effective, Mode, ROOT_NAMESPACE, Scopes, Setting, proxy_setting};

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

/// The mode in force, each with the place that sets it.
pub type Mtls<'w> = Effective<&'w Origin>;

/// Policies of one scope that are looked at: Istio takes one of them.
const MOST_OF_A_SCOPE: usize = 64;

/// Objects with the mesh's own configuration that are looked at.
const MOST_CONFIGS: usize = 16;

/// Whether the object may hold the mesh's own configuration.
pub(super) fn may_configure(object: &Object) -> bool {
    let meta = &object.meta;
    match meta.kind.value.as_str() {
        "ConfigMap" => meta.name().starts_with("istio") && meta.namespace.value == ROOT_NAMESPACE,
        "IstioOperator" | "Istio" => meta.group().ends_with("istio.io"),
        _ => false,
    }
}

impl MeshPolicy {
    fn peer_authentication(object: &Object) -> Option<&PeerAuthentication> {
        match &object.body {
            Body::Mesh(policy) => match &**policy {
                Self::PeerAuthentication(policy) => Some(policy),
                _ => None,
            },
            _ => None,
        }
    }
}

impl<'w> ObjectCase<'w> {
    /// The PeerAuthentication, if it is one; `NotApplicable` where there is no Istio.
    pub fn peer_authentication(&self) -> Result<&'w PeerAuthentication, Abstain> {
        self.istio()?;
        MeshPolicy::peer_authentication(self.object).ok_or(Abstain::NotApplicable)
    }

    /// The AuthorizationPolicy, if it is one; `NotApplicable` where there is no Istio.
    pub fn authorization_policy(&self) -> Result<&'w AuthorizationPolicy, Abstain> {
        match self.istio()? {
            MeshPolicy::AuthorizationPolicy(policy) => Ok(policy),
            _ => Err(Abstain::NotApplicable),
        }
    }

    /// The DestinationRule, if it is one; `NotApplicable` where there is no Istio.
    pub fn destination_rule(&self) -> Result<&'w DestinationRule, Abstain> {
        match self.istio()? {
            MeshPolicy::DestinationRule(policy) => Ok(policy),
            _ => Err(Abstain::NotApplicable),
        }
    }

    fn istio(&self) -> Result<&'w MeshPolicy, Abstain> {
        self.joined.not_without_mesh()?;
        match &self.object.body {
            Body::Mesh(policy) => Ok(policy),
            _ => Err(Abstain::NotApplicable),
        }
    }
}

impl<'w> Joined<'w> {
    /// `NotApplicable` when the configuration says that there is no mesh.
    pub fn not_without_mesh(&self) -> Result<(), Abstain> {
        let mesh = self.world.settings.cluster.mesh.as_ref();
        match mesh.is_some_and(|mesh| mesh.value == "none") {
            true => Err(Abstain::NotApplicable),
            false => Ok(()),
        }
    }

    /// The Service of that name that is applied together with `from`, or may well be.
    pub fn service_near(
        &'w self,
        from: &Object,
        namespace: &str,
        name: &str,
    ) -> Option<ObjectCase<'w>> {
        let object = self.named(from, namespace, "Service", name).ok()??;
        let ids = self.joins.named(namespace, "Service", name).iter().copied();
        let is_it = |id: &ObjectId| {
            self.world.objects.get(*id).is_some_and(|found| std::ptr::eq(found, object))
        };
        let id = ids.take(MOST_OF_A_SCOPE).find(is_it)?;
        self.may_be_together(from, object).then_some(ObjectCase { joined: self, id, object })
    }

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

    /// As [`Self::meshed`], for rules that only speak of sidecars.
    pub fn sidecar(&self) -> Result<Meshed, Abstain> {
        self.meshed().and_then(|meshed| match meshed.has_sidecar() {
            true => Ok(meshed),
            false => Err(Abstain::NotApplicable),
        })
    }

    /// The kind of an injected sidecar.
    fn sidecar_kind(&self) -> Proxy {
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

    /// The workload's Namespace, where the input has it and it may well be applied with it.
    fn namespace_object(&self) -> Option<&'w Object> {
        let name = &self.object.meta.namespace.value;
        let found = self.joined.named(self.object, "", "Namespace", name).ok()??;
        self.joined.may_be_together(self.object, found).then_some(found)
    }

    /// The modes of mutual TLS in force. Not judged when a policy that may decide is not in the input.
    pub fn mtls(&self) -> Result<Mtls<'w>, Abstain> {
        let joined = self.joined;
        let world = joined.world;
        let object = |id: &ObjectId| world.objects.get(*id);
        let policy = |object: &'w Object| Some((object, MeshPolicy::peer_authentication(object)?));
        let namespace = self.object.meta.namespace.value.as_str();
        let mut scopes = Scopes { mesh: None, namespace: None, workload: None, ports: Vec::new() };
        // In the root namespace a policy with a selector holds for nobody.
        if namespace != ROOT_NAMESPACE {
            if joined.joins.peers_are_unsure(self.id) {
                return Err(alternatives("which PeerAuthentication is applied with it"));
            }
            let ids = joined.joins.peers(self.id).iter();
            let own = ids.filter_map(object).filter_map(policy).take(MOST_OF_A_SCOPE);
            let own: Vec<_> = own.collect();
            if let Some(&(object, first)) = own.first() {
                let same = |other: &PeerAuthentication| same_modes(first, other);
                if !own.iter().all(|(_, other)| same(other)) {
                    return Err(alternatives("PeerAuthentications that select the same pods"));
                }
                scopes.workload = Some(setting(object, first));
                scopes.ports = first
                    .ports
                    .iter()
                    .map(|p| (p.port.value, Setting { mode: p.mode.value, by: &p.mode.origin }))
                    .collect();
            }
            scopes.namespace = self.of_scope(namespace)?;
        }
        let decided =
            |setting: &Option<Setting<&Origin>>| setting.is_some_and(|s| s.mode.is_some());
        if !decided(&scopes.workload) && !decided(&scopes.namespace) {
            scopes.mesh = self.of_scope(ROOT_NAMESPACE)?;
            if scopes.mesh.is_none() && !world.settings.closed_world {
                let what = format!("the PeerAuthentication of {namespace} or of {ROOT_NAMESPACE}");
                return Err(Abstain::unknown(Reason::ObjectNotInInput, what));
            }
        }
        Ok(scopes.compose())
    }

    /// The policy of a whole namespace.
    fn of_scope(&self, namespace: &str) -> Result<Option<Setting<&'w Origin>>, Abstain> {
        let joined = self.joined;
        let all = joined.joins.peer_authentications(namespace);
        if all.len() > MOST_OF_A_SCOPE {
            return Err(alternatives("PeerAuthentications of one namespace"));
        }
        let mut found: Option<Setting<&'w Origin>> = None;
        let mut modes = Vec::new();
        for object in all.iter().filter_map(|id| joined.world.objects.get(*id)) {
            let Some(policy) = MeshPolicy::peer_authentication(object) else { continue };
            let setting = setting(object, policy);
            modes.push(setting.mode);
            let together = joined.together(self.object, object)
                || (all.len() == 1 && joined.may_be_together(self.object, object));
            found = found.or(together.then_some(setting));
        }
        // One that lies elsewhere, or the older of two, matters when it says something else.
        modes.dedup();
        if modes.len() > 1 || (found.is_none() && !modes.is_empty()) {
            return Err(alternatives("which PeerAuthentication is applied with it"));
        }
        Ok(found)
    }

    /// Ports that the Services of the workload send to, with the Service's port.
    pub fn service_targets(&self) -> impl Iterator<Item = (&'w Object, &'w ServicePort, i64)> {
        let pod = self.pod();
        self.services().flat_map(move |(object, service): (&'w Object, &'w Service)| {
            let ports = service.ports.iter().filter(|port| port.protocol.value != "UDP");
            ports.filter_map(move |port| Some((object, port, pod.target_number(port)?)))
        })
    }
}

impl<'w> Case<'w> {
    /// TCP ports that the container is reached at: those it declares, else those that Services send to.
    pub fn inbound_ports(&self) -> Vec<i64> {
        let declared = self.container.ports.iter().filter(|port| port.protocol.value == "TCP");
        let mut ports: Vec<i64> =
            declared.filter_map(|port| port.port.as_ref()).map(|port| port.value).collect();
        if ports.is_empty() {
            ports.extend(self.of.service_targets().map(|(_, _, number)| number));
        }
        ports.sort_unstable();
        ports.dedup();
        ports
    }
}

fn setting<'w>(object: &'w Object, policy: &'w PeerAuthentication) -> Setting<&'w Origin> {
    match &policy.mode {
        Some(mode) => Setting { mode: mode.value, by: &mode.origin },
        None => Setting { mode: None, by: name_origin(object) },
    }
}

/// Where to point when the object as such is meant, by reference.
fn name_origin(object: &Object) -> &Origin {
    object.meta.name.as_ref().map_or(&object.meta.kind.origin, |name| &name.origin)
}

fn same_modes(a: &PeerAuthentication, b: &PeerAuthentication) -> bool {
    let mode = |policy: &PeerAuthentication| policy.mode.as_ref().and_then(|fact| fact.value);
    let ports = |policy: &PeerAuthentication| {
        let mut ports: Vec<(u16, Option<Mode>)> =
            policy.ports.iter().map(|p| (p.port.value, p.mode.value)).collect();
        ports.sort_unstable();
        ports
    };
    mode(a) == mode(b) && ports(a) == ports(b)
}

fn alternatives(what: &str) -> Abstain {
    Abstain::unknown(Reason::Alternatives, what)
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
    use crate::artifact::Sources;
    use crate::artifact::manifest::{ManifestFile, Options, load_manifests};
    use crate::case::World;
    use crate::facts::settings::Settings;

    fn world(text: &str, mesh: Option<&str>) -> World {
        let mut sources = Sources::default();
        let files = [ManifestFile::text("a.yaml", text)];
        let loaded = load_manifests(&files, &mut sources, &Options::default());
        let mut settings = Settings::at(jiff::civil::date(2026, 11, 23));
        let origin = Origin::whole(crate::facts::SourceId(0));
        settings.cluster.mesh = mesh.map(|mesh| Fact::written(mesh.to_owned(), origin));
        World {
            sources,
            objects: loaded.objects,
            binaries: Vec::new(),
            builds: Vec::new(),
            images: Vec::new(),
            settings,
            problems: Vec::new(),
        }
    }

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

    /// The mode of the first workload, and whether it is known.
    fn mode(policies: &str) -> Result<Mode, Abstain> {
        let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: shop, labels: {app: x}}\nspec: {containers: [{name: c, image: c}]}\n";
        let world = world(&format!("{pod}{policies}"), None);
        let joined = Joined::new(&world);
        let workload = joined.workloads().next().unwrap();
        workload.mtls().map(|mtls| mtls.mode)
    }

    fn peer(namespace: &str, name: &str, spec: &str) -> String {
        format!(
            "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{{spec}}}\n"
        )
    }

    #[test]
    fn the_mode_in_force_or_why_it_is_not_known() {
        let strict = "mtls: {mode: STRICT}";
        let off = "mtls: {mode: DISABLE}, selector: {matchLabels: {app: x}}";
        let reason = |found: Result<Mode, Abstain>| match found {
            Err(Abstain::Unknown { reason, .. }) => Some(reason),
            _ => None,
        };
        assert_eq!(reason(mode("")), Some(Reason::ObjectNotInInput));
        assert_eq!(mode(&peer("shop", "a", strict)), Ok(Mode::Strict));
        assert_eq!(mode(&peer("istio-system", "a", strict)), Ok(Mode::Strict));
        assert_eq!(reason(mode(&peer("other", "a", strict))), Some(Reason::ObjectNotInInput));
        assert_eq!(mode(&(peer("shop", "a", strict) + &peer("shop", "b", off))), Ok(Mode::Disable));
        // What the wider scope says is not asked for.
        assert_eq!(mode(&peer("shop", "b", off)), Ok(Mode::Disable));
        // The older one wins, and which that is is not written.
        let two = peer("shop", "a", strict) + &peer("shop", "b", "mtls: {mode: PERMISSIVE}");
        assert_eq!(reason(mode(&two)), Some(Reason::Alternatives));
        assert_eq!(
            mode(&(peer("shop", "a", strict) + &peer("shop", "b", strict))),
            Ok(Mode::Strict)
        );
        // A policy with a selector in the root namespace holds for nobody.
        assert_eq!(
            mode(&(peer("shop", "a", strict) + &peer("istio-system", "b", off))),
            Ok(Mode::Strict)
        );
    }
}
