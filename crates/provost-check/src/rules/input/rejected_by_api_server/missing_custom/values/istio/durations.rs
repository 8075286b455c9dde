//! Durations, which are Go's: a number without a unit is none.
//!
//! The CRDs from 1.24 on ask for one by CEL, `duration(self) >= duration('1ms')`; before that the webhook
//! could not decode the object (`time.ParseDuration` in jsonpb) or refused it (`ValidateDuration`).

use super::{MOST, Refusals, is_open};
use crate::facts::document::Node;
use crate::findings::{Finding, Fix};
use crate::model::goduration;

/// What is the least.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Least {
    /// `ValidateDuration`
    Millisecond,
    /// Nothing asks.
    Any,
    /// 0 switches it off.
    ZeroOrMillisecond,
}

use Least::{Any, Millisecond, ZeroOrMillisecond};

/// Keys of the mapping that has them, by the last two keys of the way there: lists and names of maps are
/// no part of it. By `Duration` in the messages of istio.io/api 1.32 networking/v1alpha3,
/// security/v1beta1 and telemetry/v1alpha1.
const FIELDS: &[(&str, &str, Least)] = &[
    ("http", "timeout", Millisecond),
    ("retries", "perTryTimeout", Millisecond),
    ("retries", "backoff", Millisecond),
    ("delay", "fixedDelay", Millisecond),
    ("corsPolicy", "maxAge", Millisecond),
    ("http", "idleTimeout", Millisecond),
    ("http2KeepAlive", "interval", Millisecond),
    ("http2KeepAlive", "timeout", Millisecond),
    ("tcp", "connectTimeout", Millisecond),
    ("tcp", "maxConnectionDuration", Millisecond),
    // 0 was refused until 1.31.
    ("tcp", "idleTimeout", ZeroOrMillisecond),
    ("tcpKeepalive", "time", Millisecond),
    ("tcpKeepalive", "interval", Millisecond),
    ("outlierDetection", "interval", Millisecond),
    ("outlierDetection", "baseEjectionTime", Millisecond),
    ("loadBalancer", "warmupDurationSecs", Any),
    ("warmup", "duration", Millisecond),
    ("httpCookie", "ttl", Any),
    ("jwtRules", "timeout", Millisecond),
    ("metrics", "reportingInterval", Any),
];

/// Keys whose mappings have names that somebody chose.
const MAPS: &[&str] = &[
    "labels",
    "matchLabels",
    "sourceLabels",
    "headers",
    "withoutHeaders",
    "queryParams",
    "set",
    "add",
];

pub(super) fn check(spec: Node<'_>, to: &mut Refusals<'_>) {
    let mut seen = 0;
    let mut open = vec![("spec", spec)];
    while let Some((of, node)) = open.pop() {
        for (key, value) in node.entries() {
            seen += 1;
            if seen > 20 * MOST {
                return;
            }
            let Some(name) = key.as_str().filter(|name| !MAPS.contains(name)) else { continue };
            if let Some((_, _, least)) =
                FIELDS.iter().find(|(at, field, _)| (*at, *field) == (of, name))
            {
                one(name, value, *least, to);
            } else if value.is_mapping() {
                open.push((name, value));
            } else {
                open.extend(
                    value.items().filter(|item| item.is_mapping()).map(|item| (name, item)),
                );
            }
        }
    }
}

fn one(name: &str, value: Node<'_>, least: Least, to: &mut Refusals<'_>) {
    // A number that is not quoted is of the wrong type.
    let Some(text) = value.as_str().filter(|text| !is_open(text)) else { return };
    if value.as_i64().is_some() || text.len() > 100 {
        return;
    }
    let Some(seconds) = goduration::parse_seconds(text) else {
        let mut finding: Finding = to.finding(
            &value.origin(),
            "refused",
            &format!("{name} `{text}` is no duration of Go (`30s`, `1m30s`, `500ms`)"),
            "must be a valid duration greater than 1ms",
        );
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            finding = finding.fix(Fix::suggest(format!("write the unit: {text}s or {text}ms")));
        }
        to.push(finding);
        return;
    };
    let fits = match least {
        Any => true,
        Millisecond => seconds >= 0.001,
        ZeroOrMillisecond => seconds == 0.0 || seconds >= 0.001,
    };
    if !fits {
        let what = format!("{name} {text} is less than a millisecond");
        let fix = match seconds == 0.0 {
            true => "leave it out: without it there is no limit, or Istio's default",
            false => "write 1ms or more",
        };
        to.tell(value, "too short", &what, "duration must be greater than 1ms", fix);
    }
}
