//! Servers of a Gateway of Istio's.
//!
//! Source: `ValidateGateway`, `validateServer` and `validateTLSOptions` in validation.go.

use super::super::super::super::is_whole;
use super::{
    Protocol, Refusals, entries, has, has_entries, known, protocol, says, unique_names,
    unknown_protocol,
};
use crate::facts::document::Node;

pub(super) fn check(spec: Node<'_>, to: &mut Refusals<'_>) {
    if let Some((key, servers)) = spec.get_entry("servers")
        && servers.is_sequence()
        && servers.items().next().is_none()
    {
        let why = "gateway must have at least one server";
        to.tell(key, "none", "it opens no port", why, "write a server: port and hosts");
    }
    for server in entries(spec, "servers") {
        if let Some(port) = server.get("port") {
            unknown_protocol(port, |name| format!("invalid protocol {name:?}"), to);
            of_protocol(server, port, to);
        }
        if let Some((key, tls)) = server.get_entry("tls").filter(|(_, tls)| is_whole(*tls)) {
            certificates(key, tls, to);
        }
    }
    let why = |name: &str| format!("port names in servers must be unique: duplicate name {name}");
    let ports = entries(spec, "servers").filter_map(|server| server.get("port"));
    unique_names(ports, "ports of its servers", why, to);
}

fn of_protocol(server: Node<'_>, port: Node<'_>, to: &mut Refusals<'_>) {
    let Some((name, node)) = known(port, "protocol") else { return };
    let Some(spoken) = protocol(name) else { return };
    let tls = server.get_entry("tls");
    match (spoken, tls) {
        (Protocol::Tls, None)
            // Null may be filled in, and a merge may bring it.
            if is_whole(server) && !server.has_key("tls") =>
        {
            let what = format!("a server that speaks {name} has no tls");
            let why = "server must have TLS settings for HTTPS/TLS protocols";
            let fix = "write tls: mode SIMPLE with credentialName, or PASSTHROUGH";
            to.lacks(node, "without tls", &what, why, fix);
        }
        (Protocol::Other, Some((key, tls))) if tls.is_mapping() => {
            let what = format!("a server that speaks {name} has tls");
            let why = "server cannot have TLS settings for non HTTPS/TLS ports";
            let fix = "write protocol: TLS, or HTTPS where it is HTTP, or remove tls";
            to.conflict(key, node, &what, why, fix);
        }
        (Protocol::Http, Some((key, tls))) if is_whole(tls) => {
            // A redirect to HTTPS is all that it may have (`IsPassThroughServer`).
            let mode = tls.get("mode").map(|mode| mode.as_str());
            let secured = matches!(mode, Some(Some("SIMPLE" | "MUTUAL" | "ISTIO_MUTUAL")))
                || ["caCertificates", "privateKey", "serverCertificate"]
                    .iter()
                    .any(|field| known(tls, field).is_some());
            let what = format!("a server that speaks {name}, which is plain text, has tls");
            let why = "server cannot have TLS settings for plain text HTTP ports";
            // Without a mode it is PASSTHROUGH.
            if secured {
                let fix = "write protocol: HTTPS, or keep nothing but httpsRedirect in tls";
                to.conflict(key, node, &what, why, fix);
            }
        }
        _ => {}
    }
}

fn certificates(key: Node<'_>, tls: Node<'_>, to: &mut Refusals<'_>) {
    let Some((mode, _)) = known(tls, "mode") else { return };
    let names = ["serverCertificate", "privateKey", "caCertificates", "credentialName"];
    let lists = ["tlsCertificates", "credentialNames"];
    match mode {
        "ISTIO_MUTUAL" => {
            let found = names.iter().find(|name| says(tls, name));
            let found = found.or(lists.iter().find(|name| has_entries(tls, name)));
            let entry = found.and_then(|name| Some((name, tls.get_entry(name)?.0)));
            if let Some((name, at)) = entry {
                let what =
                    format!("mode ISTIO_MUTUAL has its certificate from Istio, and {name} is set");
                let said = match *name {
                    "serverCertificate" => "server certificate",
                    "privateKey" => "private key",
                    "caCertificates" => "CA bundle",
                    other => other,
                };
                let why = format!("ISTIO_MUTUAL TLS cannot have associated {said}");
                to.tell(at, "not used", &what, &why, "remove it, or write mode: SIMPLE or MUTUAL");
            }
        }
        "SIMPLE" | "MUTUAL" | "OPTIONAL_MUTUAL" => {
            if has(tls, "credentialName") || has_entries(tls, "credentialNames") {
                return;
            }
            // Null may be filled in.
            if has_entries(tls, "tlsCertificates") || tls.has_key("credentialName") {
                return;
            }
            let prefix = if mode == "SIMPLE" { "SIMPLE" } else { "MUTUAL" };
            let lacks =
                [("serverCertificate", "a server certificate"), ("privateKey", "a private key")]
                    .into_iter()
                    .find(|(name, _)| !tls.has_key(name));
            if let Some((name, said)) = lacks {
                let what = format!("mode {mode} has neither credentialName nor {name}");
                let why = format!("{prefix} TLS requires {said}");
                let fix = "write credentialName: the Secret with the certificate, in the namespace \
                           of the gateway's pods";
                to.lacks(key, "no certificate", &what, &why, fix);
            } else if mode != "SIMPLE" && !tls.has_key("caCertificates") {
                let what = format!("mode {mode} has neither credentialName nor caCertificates");
                let why = "MUTUAL TLS requires a client CA bundle";
                to.lacks(
                    key,
                    "trusts no client",
                    &what,
                    why,
                    "write caCertificates or credentialName",
                );
            }
        }
        _ => {}
    }
}
