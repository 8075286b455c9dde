//! What Istio's injector takes of a pod's annotations.
//!
//! Source: `AnnotationValidation` in pkg/kube/inject/validate.go, `fromJSON` in pkg/kube/inject/template.go and
//! `ProxyConfig` in istio.io/api mesh/v1alpha1/proxy.pb.go (Istio 1.32); releases since 1.20 take no others. An
//! annotation that is refused fails the webhook, and with it the pod.

use super::ip;
use super::quantity::Quantity;

/// Fields of `ProxyConfig`, by both names that protobuf's JSON has. Unknown ones are ignored.
const PROXY_CONFIG: &[&str] = &[
    "availabilityZone",
    "availability_zone",
    "binaryPath",
    "binary_path",
    "caCertificatesPem",
    "ca_certificates_pem",
    "concurrency",
    "configPath",
    "config_path",
    "connectionSettings",
    "connection_settings",
    "controlPlaneAuthPolicy",
    "control_plane_auth_policy",
    "customConfigFile",
    "custom_config_file",
    "discoveryAddress",
    "discoveryRefreshDelay",
    "discovery_address",
    "discovery_refresh_delay",
    "drainDuration",
    "drain_duration",
    "envoyAccessLogService",
    "envoyMetricsService",
    "envoyMetricsServiceAddress",
    "envoy_access_log_service",
    "envoy_metrics_service",
    "envoy_metrics_service_address",
    "extraStatTags",
    "extra_stat_tags",
    "fileFlushInterval",
    "fileFlushMinSizeKb",
    "file_flush_interval",
    "file_flush_min_size_kb",
    "gatewayTopology",
    "gateway_topology",
    "holdApplicationUntilProxyStarts",
    "hold_application_until_proxy_starts",
    "image",
    "interceptionMode",
    "interception_mode",
    "meshId",
    "mesh_id",
    "privateKeyProvider",
    "private_key_provider",
    "proxyAdminPort",
    "proxyBootstrapTemplatePath",
    "proxyHeaders",
    "proxyMetadata",
    "proxyStatsMatcher",
    "proxy_admin_port",
    "proxy_bootstrap_template_path",
    "proxy_headers",
    "proxy_metadata",
    "proxy_stats_matcher",
    "readinessProbe",
    "readiness_probe",
    "runtimeValues",
    "runtime_values",
    "sds",
    "serviceCluster",
    "service_cluster",
    "statNameLength",
    "stat_name_length",
    "statsCompression",
    "stats_compression",
    "statsdUdpAddress",
    "statsd_udp_address",
    "statusPort",
    "status_port",
    "terminationDrainDuration",
    "termination_drain_duration",
    "tracing",
    "tracingServiceName",
    "tracing_service_name",
    "zipkinAddress",
    "zipkin_address",
];

/// Why the injector refuses an annotation with this value; `None` for what it takes, or does not look at.
pub fn refused(key: &str, value: &str) -> Option<String> {
    let list = |part: &str| -> Option<String> {
        let parts = value.split(',');
        match part {
            "ports" if value.trim().is_empty() => None,
            "ports" => parts
                .map(str::trim)
                .find(|port| port.parse::<u16>().is_err() || port.starts_with('+'))
                .map(|port| format!("{port:?} is no port, and a comma stands between ports")),
            _ if value.is_empty() => None,
            _ => parts
                .map(|block| (block, ip::Cidr::parse(block)))
                .find(|(_, cidr)| cidr.is_none())
                .map(|(block, _)| {
                    format!("{block:?} is no CIDR, and a comma stands between blocks")
                }),
        }
    };
    let number = || value.bytes().all(|b| b.is_ascii_digit()) && value.parse::<u32>().is_ok();
    match key {
        "sidecar.istio.io/interceptionMode" => (!matches!(value, "REDIRECT" | "TPROXY" | "NONE"))
            .then(|| "one of REDIRECT, TPROXY and NONE".to_owned()),
        "status.sidecar.istio.io/port" => {
            let port = value.trim();
            let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
            (!digits || port.parse::<u16>().is_err()).then(|| format!("{port:?} is no port"))
        }
        "readiness.status.sidecar.istio.io/initialDelaySeconds"
        | "readiness.status.sidecar.istio.io/periodSeconds"
        | "readiness.status.sidecar.istio.io/failureThreshold" => {
            (!number()).then(|| format!("{value:?} is no whole number"))
        }
        "traffic.sidecar.istio.io/includeOutboundIPRanges" if value == "*" => None,
        "traffic.sidecar.istio.io/includeOutboundIPRanges"
        | "traffic.sidecar.istio.io/excludeOutboundIPRanges" => list("blocks"),
        "traffic.sidecar.istio.io/includeInboundPorts" if value == "*" => None,
        "traffic.sidecar.istio.io/includeInboundPorts"
        | "traffic.sidecar.istio.io/excludeInboundPorts"
        | "traffic.sidecar.istio.io/excludeOutboundPorts" => list("ports"),
        "prometheus.istio.io/merge-metrics" => {
            (!is_bool(value)).then(|| "neither true nor false".to_owned())
        }
        "sidecar.istio.io/proxyCPU"
        | "sidecar.istio.io/proxyMemory"
        | "sidecar.istio.io/proxyCPULimit"
        | "sidecar.istio.io/proxyMemoryLimit" => {
            Quantity::parse(value).is_err().then(|| format!("{value:?} is no quantity"))
        }
        "sidecar.istio.io/userVolume"
        | "sidecar.istio.io/userVolumeMount"
        | "proxy.istio.io/overrides" => {
            let parsed = serde_json::from_str::<serde::de::IgnoredAny>(value);
            parsed.err().map(|error| format!("no JSON: {error}"))
        }
        "proxy.istio.io/config" => broken_flow(value).map(str::to_owned),
        _ => None,
    }
}

/// Annotations that the injector looks at and that [`refused`] judges, for names that are nearly one of them.
pub const ANNOTATIONS: &[&str] = &[
    "inject.istio.io/templates",
    "istio.io/reroute-virtual-interfaces",
    "prometheus.istio.io/merge-metrics",
    "proxy.istio.io/config",
    "proxy.istio.io/overrides",
    "readiness.status.sidecar.istio.io/applicationPorts",
    "readiness.status.sidecar.istio.io/failureThreshold",
    "readiness.status.sidecar.istio.io/initialDelaySeconds",
    "readiness.status.sidecar.istio.io/periodSeconds",
    "sidecar.istio.io/agentLogLevel",
    "sidecar.istio.io/bootstrapOverride",
    "sidecar.istio.io/componentLogLevel",
    "sidecar.istio.io/controlPlaneAuthPolicy",
    "sidecar.istio.io/discoveryAddress",
    "sidecar.istio.io/enableCoreDump",
    "sidecar.istio.io/extraStatTags",
    "sidecar.istio.io/inject",
    "sidecar.istio.io/interceptionMode",
    "sidecar.istio.io/logLevel",
    "sidecar.istio.io/nativeSidecar",
    "sidecar.istio.io/proxyCPU",
    "sidecar.istio.io/proxyCPULimit",
    "sidecar.istio.io/proxyImage",
    "sidecar.istio.io/proxyImageType",
    "sidecar.istio.io/proxyMemory",
    "sidecar.istio.io/proxyMemoryLimit",
    "sidecar.istio.io/rewriteAppHTTPProbers",
    "sidecar.istio.io/statsCompression",
    "sidecar.istio.io/statsEvictionInterval",
    "sidecar.istio.io/statsFlushInterval",
    "sidecar.istio.io/statsHistogramBins",
    "sidecar.istio.io/statsHistogramBuckets",
    "sidecar.istio.io/statsInclusionPrefixes",
    "sidecar.istio.io/statsInclusionRegexps",
    "sidecar.istio.io/statsInclusionSuffixes",
    "sidecar.istio.io/status",
    "sidecar.istio.io/userVolume",
    "sidecar.istio.io/userVolumeMount",
    "status.sidecar.istio.io/port",
    "traffic.sidecar.istio.io/excludeInboundPorts",
    "traffic.sidecar.istio.io/excludeInterfaces",
    "traffic.sidecar.istio.io/excludeOutboundIPRanges",
    "traffic.sidecar.istio.io/excludeOutboundPorts",
    "traffic.sidecar.istio.io/includeInboundPorts",
    "traffic.sidecar.istio.io/includeOutboundIPRanges",
    "traffic.sidecar.istio.io/includeOutboundPorts",
    "traffic.sidecar.istio.io/kubevirtInterfaces",
];

/// `strconv.ParseBool`
fn is_bool(text: &str) -> bool {
    matches!(
        text,
        "1" | "t" | "T" | "TRUE" | "true" | "True" | "0" | "f" | "F" | "FALSE" | "false" | "False"
    )
}

/// Why a text that begins as a flow mapping, which JSON is too, is no YAML: what it opens it does not close, or it
/// closes what it did not open. Other texts are not looked at.
fn broken_flow(text: &str) -> Option<&'static str> {
    let text = text.trim();
    if !text.starts_with('{') || text.contains("{{") {
        return None;
    }
    let mut open: Vec<char> = Vec::new();
    let (mut quote, mut escaped) = (None, false);
    for c in text.chars() {
        if let Some(mark) = quote {
            match c {
                _ if escaped => escaped = false,
                '\\' if mark == '"' => escaped = true,
                _ if c == mark => quote = None,
                _ => {}
            }
            continue;
        }
        match c {
            '"' | '\'' => quote = Some(c),
            '{' | '[' => open.push(c),
            '}' if open.pop() != Some('{') => return Some("a bracket too many"),
            ']' if open.pop() != Some('[') => return Some("a bracket too many"),
            // An apostrophe in a comment, or in a plain text, is no quote.
            '#' => return None,
            _ => {}
        }
    }
    if !open.is_empty() && quote.is_none() {
        return Some("a bracket is not closed");
    }
    (quote == Some('"')).then_some("a quote is not closed")
}

/// A field of `proxy.istio.io/config` that there is not, and the one that is nearly it: keys of the outermost mapping,
/// of JSON or of YAML in blocks.
pub fn misspelt_field(text: &str) -> Option<(String, &'static str)> {
    let keys: Vec<String> = match serde_json::from_str::<serde_json::Value>(text) {
        Ok(serde_json::Value::Object(all)) => all.into_iter().map(|(key, _)| key).collect(),
        _ if text.trim_start().starts_with('{') => Vec::new(),
        _ => {
            let indent = |line: &str| line.len() - line.trim_start().len();
            let lines = || text.lines().filter(|line| !line.trim().is_empty()).take(MOST);
            let outer = lines().map(indent).min().unwrap_or_default();
            let outermost = lines().filter(|line| indent(line) == outer);
            outermost.filter_map(|line| Some(line.trim().split_once(':')?.0.to_owned())).collect()
        }
    };
    keys.into_iter().take(MOST).find_map(|key| {
        if PROXY_CONFIG.contains(&key.as_str()) {
            return None;
        }
        let same = PROXY_CONFIG.iter().copied().find(|known| known.eq_ignore_ascii_case(&key));
        let near = same.or_else(|| super::names::nearest(&key, PROXY_CONFIG.iter().copied(), 2))?;
        // Not a newer field with a name of its own.
        (key.len() >= SHORTEST).then_some((key, near))
    })
}

/// Keys and lines of one annotation that are looked at.
const MOST: usize = 256;

/// The shortest key of which it is said that it is another one.
const SHORTEST: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    /// What `validateAnnotations` of Istio 1.32 says of the same values.
    #[test]
    fn what_the_injector_refuses() {
        for (key, value) in [
            ("sidecar.istio.io/interceptionMode", "redirect"),
            ("status.sidecar.istio.io/port", "x"),
            ("status.sidecar.istio.io/port", "70000"),
            ("readiness.status.sidecar.istio.io/periodSeconds", "2s"),
            ("traffic.sidecar.istio.io/includeOutboundIPRanges", "10.0.0.0"),
            ("traffic.sidecar.istio.io/excludeOutboundIPRanges", "10.0.0.0/8; 1.2.3.0/24"),
            ("traffic.sidecar.istio.io/excludeInboundPorts", "9090;8080"),
            ("traffic.sidecar.istio.io/excludeInboundPorts", "*"),
            ("traffic.sidecar.istio.io/includeInboundPorts", "80,"),
            ("prometheus.istio.io/merge-metrics", "yes"),
            ("sidecar.istio.io/proxyCPU", "100 m"),
            ("sidecar.istio.io/userVolume", "[{\"name\": \"a\"]"),
            ("proxy.istio.io/config", "{\"holdApplicationUntilProxyStarts\": true"),
            ("proxy.istio.io/config", "{\"a\": [1}"),
            ("proxy.istio.io/config", "{\"a: 1}"),
        ] {
            assert!(refused(key, value).is_some(), "{key}: {value}");
        }
    }

    #[test]
    fn what_the_injector_takes() {
        for (key, value) in [
            ("sidecar.istio.io/interceptionMode", "NONE"),
            ("status.sidecar.istio.io/port", " 15020"),
            ("traffic.sidecar.istio.io/includeOutboundIPRanges", "*"),
            ("traffic.sidecar.istio.io/excludeOutboundIPRanges", "10.0.0.0/8,fd00::/8"),
            ("traffic.sidecar.istio.io/excludeInboundPorts", "9090, 8080"),
            ("traffic.sidecar.istio.io/excludeInboundPorts", ""),
            ("traffic.sidecar.istio.io/includeInboundPorts", "*"),
            ("prometheus.istio.io/merge-metrics", "False"),
            ("sidecar.istio.io/userVolume", "[{\"name\": \"a\"}]"),
            ("proxy.istio.io/config", "{holdApplicationUntilProxyStarts: true}"),
            ("proxy.istio.io/config", "{\"a\": \"}\", 'b': '\\'}"),
            ("proxy.istio.io/config", "terminationDrainDuration: 20s\n"),
            ("sidecar.istio.io/logLevel", "anything"),
        ] {
            assert_eq!(refused(key, value), None, "{key}: {value}");
        }
    }

    #[test]
    fn fields_of_the_proxy() {
        let near = misspelt_field;
        let hold = "holdApplicationUntilProxyStarts";
        for text in [
            "{\"holdAplicationUntilProxyStarts\": true}",
            "concurrency: 2\nholdAplicationUntilProxyStarts: true\n",
        ] {
            assert_eq!(
                near(text),
                Some(("holdAplicationUntilProxyStarts".to_owned(), hold)),
                "{text}"
            );
        }
        for text in [
            "proxyMetadata:\n  HOLD: x\n  concurency: y\n",
            "{\"hold_application_until_proxy_starts\": true}",
            "{\"somethingNew\": 1}",
            "{holdAplicationUntilProxyStarts: true}",
            "",
        ] {
            assert_eq!(near(text), None, "{text}");
        }
    }
}
