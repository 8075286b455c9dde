//! Kinds that are none, and values of the wrong type.

use super::{RULE, refuse};
use crate::case::ObjectCase;
use crate::case::fields::{What, deviations};
use crate::facts::document::{Node, ScalarKind, ScalarStyle};
use crate::facts::placeholders::is_placeholder;
use crate::findings::{Finding, Fix};
use crate::model::names::nearest;
use crate::model::schema::{self, Known};
use crate::rules::rule::Findings;

/// Source: strict and lenient decoding of k8s.io/apimachinery v0.37.2
/// (`pkg/runtime/serializer/json`), both of which refuse these.
pub(super) fn check(case: &ObjectCase<'_>, out: &mut Findings) {
    let meta = &case.object.meta;
    let (version, kind) = (meta.api_version.value.as_str(), meta.kind.value.as_str());
    let found = match schema::find(version, kind) {
        Known::Kind(found) => found,
        Known::NoSuchKind => return no_such_kind(case, out),
        Known::Elsewhere => return,
    };
    let (oldest, _) = case.world().settings.kubernetes();
    if u16::from(found.since) > oldest {
        refuse(
            out,
            &meta.api_version.origin,
            format!(
                "{kind} of {version} is served from Kubernetes 1.{} on, and the oldest in range is \
                 1.{oldest}",
                found.since
            ),
        );
    }
    let Some(structure) = found.structure() else { return };
    for deviation in deviations(case.object.node(), structure) {
        let What::Type { wanted, found } = deviation.what else { continue };
        let value = deviation.value;
        let text = value.as_str().unwrap_or_default();
        if is_placeholder(text) || is_placeholder(deviation.key.as_str().unwrap_or_default()) {
            continue;
        }
        let name = deviation.key.as_str().unwrap_or_default();
        let mut finding = Finding::new(
            &RULE,
            format!("`{name}` has to be {wanted}, and is {found}: the object cannot be decoded"),
            &value.origin(),
            found,
        );
        if let Some(fix) = fix(value, text, wanted) {
            finding = finding.fix(fix);
        }
        out.push(finding);
    }
}

/// What nobody could apply so far, and what its author must have meant.
fn fix(value: Node<'_>, text: &str, wanted: &str) -> Option<Fix> {
    let plain = value.scalar_style() == Some(ScalarStyle::Plain);
    let kind = value.scalar_kind()?;
    let origin = value.origin();
    match wanted {
        "a string" if plain && kind != ScalarKind::Str => {
            Some(Fix::safe("put it in quotes").replace(&origin, format!("\"{text}\"")))
        }
        "an integer" | "an integer of 32 bits" | "an integer or a string"
            if !plain && text.parse::<i32>().is_ok_and(|n| n.to_string() == text) =>
        {
            Some(Fix::safe("take the quotes away").replace(&origin, text))
        }
        "a boolean" if !plain && matches!(text, "true" | "false") => {
            Some(Fix::safe("take the quotes away").replace(&origin, text))
        }
        _ => None,
    }
}

fn no_such_kind(case: &ObjectCase<'_>, out: &mut Findings) {
    let meta = &case.object.meta;
    let (version, kind) = (meta.api_version.value.as_str(), meta.kind.value.as_str());
    // What was served once has a rule of its own.
    if is_placeholder(kind)
        || kind == "List"
        || crate::model::removed_apis::find(version, kind).is_some()
    {
        return;
    }
    let message = format!("no matches for kind \"{kind}\" in version \"{version}\"");
    let elsewhere: Vec<&str> = schema::versions_of(kind).map(|row| row.version).collect();
    let stable =
        elsewhere.iter().find(|version| !version.contains("alpha") && !version.contains("beta"));
    if let Some(right) = stable.or(elsewhere.first()) {
        out.push(
            Finding::new(&RULE, message, &meta.api_version.origin, format!("{kind} is of {right}"))
                .fix(Fix::safe(format!("write {right}")).replace(&meta.api_version.origin, *right)),
        );
        return;
    }
    // Other programs' files have a `kind` and a `v1` too: a kubeconfig, old formats of Calico.
    let ours = kind.starts_with(|c: char| c.is_ascii_uppercase());
    if let Some(near) = nearest(kind, schema::kinds_of(version), 2).filter(|_| ours) {
        out.push(
            Finding::new(&RULE, message, &meta.kind.origin, "no such kind").fix(
                Fix::suggest(format!("did you mean {near}?")).replace(&meta.kind.origin, near),
            ),
        );
    }
}
