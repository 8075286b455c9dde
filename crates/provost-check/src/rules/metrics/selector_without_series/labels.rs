//! Labels that a metric does not have, and values that one never takes.
//!
//! A scrape adds labels, relabeling others, and a value comes with the first event: only what cannot come is told.

use crate::case::Case;
use crate::facts::metrics::{Label, MOST_VALUES, Scrape};
use crate::findings::{Abstain, Reason};
use crate::model::names::meant;
use crate::model::promql::{Matcher, Op};

/// A matcher that matches nothing, or everything.
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) label: &'static str,
    pub(super) fix: String,
}

/// Labels that say the same in other words.
const ALIKE: &[&[&str]] = &[
    &[
        "code",
        "status",
        "status_code",
        "http_code",
        "http_status",
        "http_status_code",
        "http_response_status_code",
        "response_code",
        "response_status",
        "grpc_code",
        "grpc_status",
        "grpc_status_code",
        "rpc_grpc_status_code",
        "rpc_response_status_code",
    ],
    &["method", "http_method", "http_request_method", "request_method", "verb"],
    &["grpc_method", "rpc_method"],
    &["path", "route", "http_route", "handler", "uri", "url"],
];

/// Labels that the scrape or its configuration adds.
const ADDED: &[&str] = &[
    "job",
    "instance",
    "namespace",
    "pod",
    "container",
    "service",
    "endpoint",
    "node",
    "prometheus",
    "prometheus_replica",
    "cluster",
    "pod_template_hash",
    "rollouts_pod_template_hash",
    "app",
];

pub(super) fn judge(
    container: &Case<'_>,
    scrape: &Scrape,
    name: &str,
    matcher: &Matcher,
) -> Result<Option<Wrong>, Abstain> {
    let label = matcher.label.as_str();
    if is_added(container, label) {
        return Ok(None);
    }
    let mut families = scrape.families.iter().filter(|family| family.has(name));
    let Some(family) = families.next() else { return Ok(None) };
    let bucket = name.ends_with("_bucket");
    let known = family.label(label).filter(|_| label != "le" || bucket);
    let Some(known) = known else {
        // `grpc_code=""` is true of a metric without the label.
        if matcher.op == Op::Equal && matcher.value.is_empty() {
            return Ok(None);
        }
        let own = || family.labels.iter().map(|label| label.name.as_str());
        let alike = ALIKE.iter().filter(|alike| alike.contains(&label)).flat_map(|alike| *alike);
        let right = alike.copied().find(|other| own().any(|own| own == *other));
        let Some(right) = right.or_else(|| meant(label, own())) else {
            let what = format!("whether a relabeling adds {label} to {name}");
            return Err(Abstain::unknown(Reason::CodeUnclear, what));
        };
        // Labels that come and go, as OpenTelemetry's `error_type`: this one may come, too.
        if family.labels.iter().any(|label| label.sometimes)
            || family.label("otel_scope_name").is_some()
        {
            let what = format!("whether some series of {name} has {label}");
            return Err(Abstain::unknown(Reason::NotMeasured, what));
        }
        return Ok(Some(Wrong {
            message: format!(
                "the series of {name} have no label {label}, it is {right} there: {}",
                effect(matcher)
            ),
            label: "no such label",
            fix: format!("match {right}"),
        }));
    };
    if matches!(label, "le" | "quantile") {
        return Ok(bound(known, name, matcher));
    }
    Ok(spelling(known, name, matcher))
}

fn effect(matcher: &Matcher) -> &'static str {
    match matcher.op {
        Op::Equal | Op::Regex => "it matches nothing",
        Op::NotEqual | Op::NotRegex => "it leaves nothing out",
    }
}

fn is_added(container: &Case<'_>, label: &str) -> bool {
    let sanitized = |name: &str| {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        name.chars().map(plain).collect::<String>() == label
    };
    ADDED.contains(&label)
        || label.starts_with("__")
        || label.starts_with("exported_")
        || label.starts_with("label_")
        || container.pod().labels.iter().any(|(key, _)| sanitized(key))
}

/// Buckets and quantiles are all there from the first observation on.
fn bound(known: &Label, name: &str, matcher: &Matcher) -> Option<Wrong> {
    if known.count > MOST_VALUES || known.values.len() < known.count {
        return None;
    }
    let numbers: Vec<(f64, &str)> = known
        .values
        .iter()
        .filter_map(|value| Some((value.parse().ok()?, value.as_str())))
        .collect();
    let label = &known.name;
    for value in matcher.values()? {
        let Some(wanted) = value.parse::<f64>().ok().filter(|number| number.is_finite()) else {
            continue;
        };
        let finite = numbers.iter().filter(|(number, _)| number.is_finite());
        let (near, shown) =
            *finite.min_by(|a, b| (a.0 - wanted).abs().total_cmp(&(b.0 - wanted).abs()))?;
        let what = if label == "le" { "bucket" } else { "quantile" };
        if (near - wanted).abs() > wanted.abs() * 1e-9 {
            let mut all = numbers.clone();
            all.sort_by(|a, b| a.0.total_cmp(&b.0));
            let all: Vec<&str> = all.iter().map(|(_, shown)| *shown).collect();
            return Some(Wrong {
                message: format!(
                    "{name} has no {what} {label}=\"{value}\", only {}: {}",
                    all.join(" "),
                    effect(matcher)
                ),
                label: if label == "le" { "no such bucket" } else { "no such quantile" },
                fix: format!("ask for {label}=\"{shown}\", or make a {what} of {value}"),
            });
        }
        // Prometheus 3 writes `1.0` where 2 took over `1`: both are right somewhere.
        let right = value == shown
            || value == format!("{near}")
            || value == format!("{near:?}")
            || shown.contains('e');
        if !right && matches!(matcher.op, Op::Equal | Op::NotEqual) {
            return Some(Wrong {
                message: format!(
                    "labels are compared as text, and the {what} of {name} is {label}=\"{shown}\", not {label}=\"{value}\": {}",
                    effect(matcher)
                ),
                label: "written otherwise",
                fix: format!("write {label}=\"{shown}\""),
            });
        }
    }
    None
}

/// How a status is written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    /// `200`
    Digits,
    /// `2xx`
    Class,
    /// `NotFound`
    GoName,
    /// `NOT_FOUND`
    ProtocolName,
    /// `5`
    Number,
}

fn form(value: &str) -> Option<Form> {
    let bytes = value.as_bytes();
    let digits = bytes.iter().all(u8::is_ascii_digit);
    match bytes {
        [b'1'..=b'5', _, _] if digits => Some(Form::Digits),
        [b'1'..=b'5', b'x' | b'X', b'x' | b'X'] => Some(Form::Class),
        [_] | [_, _] if digits => Some(Form::Number),
        [first, second, ..] if first.is_ascii_uppercase() && second.is_ascii_lowercase() => {
            bytes.iter().all(u8::is_ascii_alphabetic).then_some(Form::GoName)
        }
        [first, .., last]
            if first.is_ascii_uppercase() && last.is_ascii_uppercase() && value != "OK" =>
        {
            let plain = |byte: &u8| byte.is_ascii_uppercase() || *byte == b'_';
            bytes.iter().all(plain).then_some(Form::ProtocolName)
        }
        _ => None,
    }
}

/// A status of another form than all that were seen comes with no event.
fn spelling(known: &Label, name: &str, matcher: &Matcher) -> Option<Wrong> {
    let is_status = ALIKE.first().is_some_and(|alike| alike.contains(&known.name.as_str()));
    // `OK` is written so in both.
    let mut values = known.values.iter().filter(|value| *value != "OK");
    let seen = values.next()?;
    let of = form(seen)?;
    if !is_status || !values.all(|it| form(it) == Some(of)) || known.count > known.values.len() {
        return None;
    }
    let is_http = |form: Form| matches!(form, Form::Digits | Form::Class);
    let differs =
        |value: &String| form(value).is_some_and(|it| it != of && is_http(it) == is_http(of));
    let wrong = matcher.values()?.into_iter().find(differs)?;
    Some(Wrong {
        message: format!(
            "{} of {name} is written like {seen}, never like {wrong}: {}",
            known.name,
            effect(matcher)
        ),
        label: "never written so",
        fix: format!("write the value as {seen} is written"),
    })
}
