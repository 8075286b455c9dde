//! Rules of an AuthorizationPolicy.
//!
//! Source: `ValidateAuthorizationPolicy` in validation.go and pkg/config/security/security.go.

use super::super::super::super::is_whole;
use super::{MOST, Refusals, entries, is_open, known, list};
use crate::facts::document::Node;
use crate::model::text;

pub(super) fn check(spec: Node<'_>, to: &mut Refusals<'_>) {
    let action = spec.get("action").map_or(Some("ALLOW"), Node::as_str);
    if let Some(action) = action
        && is_whole(spec)
    {
        if let Some((_, node)) = known(spec, "action").filter(|_| !spec.has_key("rules"))
            && matches!(action, "DENY" | "CUSTOM")
        {
            let what = format!("{action} without rules never happens");
            let why = format!(
                "{action} action without `rules` is meaningless as it will never be triggered"
            );
            let fix = "write rules: [{}] where every request is meant";
            // Action and selector may be all that a merge patch changes.
            to.may_lack(node, "no rules", &what, &why.replace('`', "'"), fix);
        }
        if let Some((key, _)) = spec.get_entry("provider").filter(|_| action != "CUSTOM") {
            let what = format!("a provider decides for CUSTOM alone, and the action is {action}");
            let why = format!("'provider' must not be with non CUSTOM action, found {action}");
            to.lacks(key, "not asked", &what, &why, "write action: CUSTOM, or remove provider");
        }
    }
    for rule in entries(spec, "rules") {
        for source in entries(rule, "from").filter_map(|from| from.get("source")) {
            for key in ["ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks"] {
                list(source, key).take(MOST).for_each(|value| block(value, to));
            }
        }
        for operation in entries(rule, "to").filter_map(|to| to.get("operation")) {
            for key in ["ports", "notPorts"] {
                list(operation, key).take(MOST).for_each(|value| port(value, to));
            }
        }
        for (part, field) in [("from", "source"), ("to", "operation")] {
            for (key, of) in entries(rule, part).filter_map(|part| part.get_entry(field)) {
                if is_whole(of) && of.entries().next().is_none() {
                    let why = format!("'{part}.{field}' must not be empty");
                    let what = format!("a {field} without any condition");
                    to.tell(key, "empty", &what, &why, "write a condition, or leave it out");
                }
            }
        }
        for when in entries(rule, "when") {
            condition(when, to);
        }
    }
}

fn text<'d>(node: Node<'d>) -> Option<&'d str> {
    node.as_str().filter(|text| !text.is_empty() && !is_open(text))
}

/// `ValidateIPs`
fn block(node: Node<'_>, to: &mut Refusals<'_>) {
    let Some(value) = text(node) else { return };
    let (address, bits) = value.split_once('/').map_or((value, None), |(a, b)| (a, Some(b)));
    let most = match address.split('%').next().unwrap_or(address).parse::<core::net::IpAddr>() {
        Ok(core::net::IpAddr::V4(_)) => Some(32),
        Ok(core::net::IpAddr::V6(_)) => Some(128),
        Err(_) => None,
    };
    let fits = match (most, bits) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(most), Some(bits)) => bits.parse::<u8>().is_ok_and(|bits| bits <= most),
    };
    if !fits {
        let shown = text::shown(value);
        let what = format!("{shown} is neither an address nor a block of them");
        let why = match bits {
            Some(_) => format!("bad CIDR range ({shown})"),
            None => format!("bad IP address ({shown})"),
        };
        to.tell(node, "no address", &what, &why, "write 10.0.0.7 or 10.0.0.0/8");
    }
}

/// `ValidatePorts`
fn port(node: Node<'_>, to: &mut Refusals<'_>) {
    let Some(value) = text(node) else { return };
    if value.parse::<u64>().is_ok_and(|port| port <= 65535) || value.starts_with('+') {
        return;
    }
    let shown = text::shown(value);
    let what = format!("{shown} is no number of a port");
    let why = format!("bad port ({shown})");
    to.tell(node, "no port", &what, &why, "write the number of the pod's port in quotes");
}

/// Attributes by `ValidateAttribute`.
const ATTRIBUTES: &[&str] = &[
    "source.ip",
    "remote.ip",
    "source.namespace",
    "source.serviceAccount",
    "source.principal",
    "source.trustDomain",
    "request.auth.principal",
    "request.auth.audiences",
    "request.auth.presenter",
    "destination.ip",
    "destination.port",
    "connection.sni",
];

/// Those that have a key in brackets.
const KEYED: &[&str] = &["request.headers", "request.auth.claims", "experimental.envoy.filters."];

fn condition(when: Node<'_>, to: &mut Refusals<'_>) {
    let Some((key, node)) = known(when, "key") else { return };
    let shown: String = key.chars().take(80).collect();
    if let Some(of) = KEYED.iter().find(|prefix| key.starts_with(*prefix)) {
        let open = key.find('[');
        let whole = key.ends_with(']') && open.is_some_and(|open| open > 0 && open + 2 < key.len());
        if !whole {
            let what = format!("{shown} does not say which");
            let why = format!("bad key ({shown}): should have format a[b]");
            let fix = match of.ends_with('.') {
                true => "end it with [KEY]".to_owned(),
                false => format!("write {of}[NAME]"),
            };
            to.tell(node, "without brackets", &what, &why, &fix);
        }
        return;
    }
    if ATTRIBUTES.contains(&key) {
        match key {
            "source.ip" | "remote.ip" | "destination.ip" => {
                for values in ["values", "notValues"] {
                    list(when, values).take(MOST).for_each(|value| block(value, to));
                }
            }
            "destination.port" => {
                for values in ["values", "notValues"] {
                    list(when, values).take(MOST).for_each(|value| port(value, to));
                }
            }
            _ => {}
        }
        return;
    }
    let near = crate::model::names::nearest(key, ATTRIBUTES.iter().copied(), 3);
    let fix = near.map_or_else(
        || "write request.headers[NAME], source.principal, destination.port, ...".to_owned(),
        |near| format!("did you mean {near}?"),
    );
    let what = format!("Istio knows no attribute {shown}");
    to.tell(node, "no such attribute", &what, &format!("unknown attribute: {shown}"), &fix);
}
