//! Mutual TLS between sidecars: which mode is in force at a port, and what the proxy does in front of it.
//!
//! Source: istio.io/istio 1.31. `ComposePeerAuthentication` and `GetMutualTLSModeForPort` in
//! pilot/pkg/security/authn/policy_applier.go for the mode, manifests/charts/istio-control/istio-discovery/files/injection-template.yaml
//! for the ports that are captured, `ConvertProtocol` in pkg/config/kube/conversion.go for protocols.

/// Namespace whose policies hold for the whole mesh, unless the mesh is configured otherwise (`rootNamespace`).
pub const ROOT_NAMESPACE: &str = "istio-system";

/// terminationDrainDuration in seconds when nothing is configured (`DefaultProxyConfig` in pkg/config/mesh/mesh.go).
pub const DEFAULT_DRAIN: u32 = 5;

/// What a server accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Plaintext only.
    Disable,
    /// Both.
    Permissive,
    /// Mutual TLS only.
    Strict,
}

impl Mode {
    /// The mode of that name; `None` for `UNSET`, which takes the wider scope's, and for what is no mode.
    pub fn parse(text: &str) -> Option<Mode> {
        match text {
            "DISABLE" => Some(Self::Disable),
            "PERMISSIVE" => Some(Self::Permissive),
            "STRICT" => Some(Self::Strict),
            _ => None,
        }
    }

    /// As a PeerAuthentication writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Disable => "DISABLE",
            Self::Permissive => "PERMISSIVE",
            Self::Strict => "STRICT",
        }
    }
}

/// A mode and who says so; `by` is whatever the caller knows its policies by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting<P> {
    /// `None` is `UNSET`.
    pub mode: Option<Mode>,
    /// Whose it is.
    pub by: P,
}

/// The policies that hold for a workload, one of a scope at most: Istio takes the oldest.
#[derive(Debug, Clone)]
pub struct Scopes<P> {
    /// Without a selector, in the root namespace.
    pub mesh: Option<Setting<P>>,
    /// Without a selector, in the workload's namespace.
    pub namespace: Option<Setting<P>>,
    /// With a selector that matches, in the workload's namespace.
    pub workload: Option<Setting<P>>,
    /// `portLevelMtls` of that one, by *workload* port.
    pub ports: Vec<(u16, Setting<P>)>,
}

/// What is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective<P> {
    /// Where no port says otherwise.
    pub mode: Mode,
    /// Who sets it; nobody when it is Istio's default.
    pub by: Option<P>,
    /// Ports that say otherwise.
    pub ports: Vec<(u16, Mode, Option<P>)>,
}

impl<P: Copy> Scopes<P> {
    /// The narrowest scope that sets a mode wins; `PERMISSIVE` when none does.
    pub fn compose(&self) -> Effective<P> {
        let set = |setting: &Setting<P>| setting.mode.map(|mode| (mode, setting.by));
        let scopes = [&self.workload, &self.namespace, &self.mesh];
        let found = scopes.into_iter().flatten().find_map(set);
        let (mode, by) = found.map_or((Mode::Permissive, None), |(mode, by)| (mode, Some(by)));
        let ports = self.ports.iter().map(|(port, setting)| match setting.mode {
            Some(mode) => (*port, mode, Some(setting.by)),
            None => (*port, mode, by),
        });
        Effective { mode, by, ports: ports.collect() }
    }
}

impl<P: Copy> Effective<P> {
    /// The mode at a port of the workload, and who sets it.
    pub fn at(&self, port: i64) -> (Mode, Option<P>) {
        let own = self.ports.iter().find(|(own, ..)| i64::from(*own) == port);
        own.map_or((self.mode, self.by), |(_, mode, by)| (*mode, *by))
    }
}

/// Ports of the proxy itself, which inbound traffic is not captured on (injection-template.yaml: `-d`).
const OWN_PORTS: [i64; 3] = [15020, 15021, 15090];

/// Whether the sidecar stands in front of a port, by the annotations `includeInboundPorts` (default `*`) and
/// `excludeInboundPorts`.
pub fn is_captured(port: i64, include: Option<&str>, exclude: Option<&str>) -> bool {
    let lists = |list: &str| {
        list.split(',').any(|item| item.trim().parse::<i64>().is_ok_and(|own| own == port))
    };
    let included = include.is_none_or(|list| list.trim() == "*" || lists(list));
    included && !exclude.is_some_and(lists) && !OWN_PORTS.contains(&port)
}

/// Protocols that a port's name or appProtocol can say (pkg/config/protocol/instance.go).
const PROTOCOLS: [&str; 11] = [
    "tcp",
    "udp",
    "grpc",
    "http",
    "http_proxy",
    "http2",
    "https",
    "tls",
    "mongo",
    "redis",
    "mysql",
];

/// Values of appProtocol that Kubernetes defines and Istio reads.
const KUBERNETES_PROTOCOLS: [&str; 3] =
    ["kubernetes.io/h2c", "kubernetes.io/ws", "kubernetes.io/wss"];

/// Ports that are TCP when nothing is said, since their servers speak first: SMTP, DNS, MySQL, MongoDB.
const SERVER_FIRST: [i64; 4] = [25, 53, 3306, 27017];

/// The protocol a Service port declares; `None` when the proxy has to guess it from the first bytes.
pub fn protocol(port: i64, name: &str, app_protocol: Option<&str>) -> Option<&'static str> {
    if app_protocol.is_some_and(|app| KUBERNETES_PROTOCOLS.contains(&app)) {
        return Some("http");
    }
    let text = app_protocol.unwrap_or(name).to_ascii_lowercase();
    if text.starts_with("grpc-web") {
        return Some("grpc-web");
    }
    let prefix = text.split('-').next().unwrap_or_default();
    let known = PROTOCOLS.iter().find(|known| **known == prefix).copied();
    known.or_else(|| SERVER_FIRST.contains(&port).then_some("tcp"))
}

/// The value that stands behind a key in the text of `proxy.istio.io/config`, which is YAML or JSON: the key is
/// looked for as a whole word, the value is what follows the colon on its line.
pub fn proxy_setting<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let mut from = 0;
    while let Some(at) = text.get(from..)?.find(key).map(|at| from + at) {
        from = at + key.len();
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let before = text.get(..at)?.chars().next_back();
        if before.is_some_and(is_word) {
            continue;
        }
        let rest = text.get(from..)?.trim_start_matches(['"', '\'']).trim_start();
        let Some(rest) = rest.strip_prefix(':') else { continue };
        let value = rest.trim_start_matches([' ', '"', '\'']);
        let end = value.find(['"', '\'', ',', '}', '\n', ' ', '\r', '#']).unwrap_or(value.len());
        return value.get(..end);
    }
    None
}

/// Whole seconds of a duration as protobuf writes it in JSON (`20s`, `1.5s`), rounded up.
pub fn duration_seconds(text: &str) -> Option<u32> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    // Saturates: `as` of a float cuts at the type's range.
    (seconds >= 0.0 && seconds.is_finite()).then_some(seconds.ceil() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(
        mesh: Option<Option<Mode>>,
        namespace: Option<Option<Mode>>,
        workload: Option<Option<Mode>>,
        ports: &[(u16, Option<Mode>)],
    ) -> Effective<&'static str> {
        let setting = |mode: Option<Option<Mode>>, by| mode.map(|mode| Setting { mode, by });
        Scopes {
            mesh: setting(mesh, "mesh"),
            namespace: setting(namespace, "namespace"),
            workload: setting(workload, "workload"),
            ports: ports
                .iter()
                .map(|(port, mode)| (*port, Setting { mode: *mode, by: "port" }))
                .collect(),
        }
        .compose()
    }

    /// Cases of `TestComposePeerAuthentication`.
    #[test]
    fn the_narrowest_scope_wins() {
        use Mode::{Disable, Permissive, Strict};
        let at = |e: Effective<&'static str>| (e.mode, e.by);
        assert_eq!(at(scopes(None, None, None, &[])), (Permissive, None));
        assert_eq!(at(scopes(Some(None), None, None, &[])), (Permissive, None));
        assert_eq!(at(scopes(Some(Some(Strict)), None, None, &[])), (Strict, Some("mesh")));
        assert_eq!(
            at(scopes(Some(Some(Strict)), Some(None), None, &[])),
            (Strict, Some("mesh")),
            "UNSET takes the wider scope's"
        );
        assert_eq!(
            at(scopes(Some(Some(Strict)), Some(Some(Permissive)), None, &[])),
            (Permissive, Some("namespace"))
        );
        assert_eq!(
            at(scopes(Some(Some(Strict)), Some(Some(Permissive)), Some(Some(Disable)), &[])),
            (Disable, Some("workload"))
        );
    }

    #[test]
    fn ports_are_overridden_one_by_one() {
        let ports = [(8080, Some(Mode::Disable)), (9090, None)];
        let e = scopes(None, None, Some(Some(Mode::Strict)), &ports);
        assert_eq!(e.at(8080), (Mode::Disable, Some("port")));
        assert_eq!(e.at(9090), (Mode::Strict, Some("workload")), "UNSET takes the workload's");
        assert_eq!(e.at(80), (Mode::Strict, Some("workload")));
    }

    #[test]
    fn what_is_captured() {
        assert!(is_captured(8080, None, None));
        assert!(is_captured(8080, Some("*"), Some("9090, 9091")));
        assert!(!is_captured(9091, Some("*"), Some("9090, 9091")));
        assert!(!is_captured(8080, Some(""), None), "an empty list captures nothing");
        assert!(is_captured(8080, Some("80,8080"), None));
        assert!(!is_captured(15090, None, None));
    }

    #[test]
    fn protocols_are_read_off_names() {
        for (name, expect) in [
            ("http", Some("http")),
            ("http-metrics", Some("http")),
            ("HTTP2-api", Some("http2")),
            ("grpc-web", Some("grpc-web")),
            ("grpc-web-x", Some("grpc-web")),
            ("grpc", Some("grpc")),
            ("httpmetrics", None),
            ("web", None),
            ("", None),
        ] {
            assert_eq!(protocol(8080, name, None), expect, "{name}");
        }
        assert_eq!(protocol(3306, "db", None), Some("tcp"));
        assert_eq!(
            protocol(80, "http", Some("acme.example/odd")),
            None,
            "appProtocol outranks the name"
        );
        assert_eq!(protocol(80, "web", Some("kubernetes.io/h2c")), Some("http"));
    }

    #[test]
    fn settings_of_the_proxy_are_found_in_yaml_and_json() {
        let yaml = "terminationDrainDuration: 20s\nholdApplicationUntilProxyStarts: true\nproxyMetadata:\n  EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true'\n";
        assert_eq!(proxy_setting(yaml, "terminationDrainDuration"), Some("20s"));
        assert_eq!(proxy_setting(yaml, "holdApplicationUntilProxyStarts"), Some("true"));
        assert_eq!(proxy_setting(yaml, "EXIT_ON_ZERO_ACTIVE_CONNECTIONS"), Some("true"));
        assert_eq!(proxy_setting(yaml, "drainDuration"), None, "no part of a word");
        let json = r#"{"terminationDrainDuration":"45s","concurrency":2}"#;
        assert_eq!(proxy_setting(json, "terminationDrainDuration"), Some("45s"));
        assert_eq!(proxy_setting(json, "concurrency"), Some("2"));
        assert_eq!(proxy_setting("terminationDrainDuration", "terminationDrainDuration"), None);
        assert_eq!(duration_seconds("1.5s"), Some(2));
        assert_eq!(duration_seconds("20"), None);
        assert_eq!(duration_seconds("-1s"), None);
        assert_eq!(duration_seconds("1e99s"), Some(u32::MAX));
    }
}
