//! Kinds that came later, and values of the wrong type.

use super::{RULE, is_alone, kinds, meant, refuse};
use crate::case::ObjectCase;
use crate::case::fields::{Counted, Length, What, deviations};
use crate::facts::document::{Node, ScalarKind, ScalarStyle};
use crate::facts::placeholders::is_placeholder;
use crate::facts::{Fact, Object, Origin};
use crate::findings::{Finding, Fix, Level};
use crate::model::names::nearest;
use crate::model::schema::{self, Custom, Known, Pattern, Size};
use crate::rules::rule::Findings;

/// Source: strict and lenient decoding of k8s.io/apimachinery v0.37.2
/// (`pkg/runtime/serializer/json`), both of which refuse these.
pub(super) fn check(case: &ObjectCase<'_>, out: &mut Findings) {
    let meta = &case.object.meta;
    let (version, kind) = (meta.api_version.value.as_str(), meta.kind.value.as_str());
    let custom = match schema::find(version, kind) {
        Known::Kind(found) => {
            served(case, found.since, out);
            None
        }
        Known::Custom(custom) => Some(custom),
        Known::NoSuchKind => return kinds::no_such_kind(case, out),
        Known::Elsewhere => return kinds::elsewhere(case, out),
    };
    for deviation in case.deviations() {
        let value = deviation.value;
        let text = value.as_str().unwrap_or_default();
        let name = deviation.key.as_str().unwrap_or_default();
        if is_placeholder(text) || is_placeholder(name) {
            continue;
        }
        // The metadata of a custom resource is of Kubernetes' own type.
        let custom = custom.filter(|_| deviation.parent.custom);
        match (deviation.what, custom) {
            (What::Type { wanted, found }, _) => {
                let why = match custom {
                    Some(custom) => format!("the CRDs of {} refuse it", custom.releases()),
                    None => "the object cannot be decoded".to_owned(),
                };
                if wanted == "base64" {
                    out.push(no_base64(case, deviation.key, value, name));
                    continue;
                }
                let message = format!("`{name}` has to be {wanted}, and is {found}: {why}");
                let mut finding = Finding::new(&RULE, message, &value.origin(), found);
                let unit = custom.is_some() && lacks_unit(case, value, name, wanted);
                if unit {
                    let fix = match text {
                        "0" => "write the unit: 0s".to_owned(),
                        number => format!("write the unit: {number}s or {number}ms"),
                    };
                    finding = finding.fix(Fix::suggest(fix));
                } else if let Some(fix) = fix(value, text, wanted) {
                    finding = finding.fix(fix);
                }
                out.push(finding);
            }
            (What::NoQuantity, _) => out.push(no_quantity(case, value, name, text)),
            (What::OneOf(all), Some(custom)) => out.push(none_of(value, name, all, custom)),
            (What::Mismatch(pattern), Some(custom)) => {
                out.push(mismatch(value, name, pattern, custom));
            }
            (What::Among(all), Some(custom)) => {
                let named: Vec<String> = all.iter().take(NAMED).map(ToString::to_string).collect();
                let message = format!(
                    "{text} is no value for `{name}`, which takes {}: the CRDs of {} refuse it",
                    named.join(", "),
                    custom.releases()
                );
                out.push(Finding::new(&RULE, message, &value.origin(), "none of them"));
            }
            (What::OutOf(least, most), Some(custom)) => {
                let bound = match (least, most) {
                    (i64::MIN, most) => format!("at most {most}"),
                    (least, i64::MAX) => format!("{least} or more"),
                    (least, most) => format!("{least} to {most}"),
                };
                let message = format!(
                    "{text} is no value for `{name}`, which takes {bound}: the CRDs of {} refuse it",
                    custom.releases()
                );
                out.push(Finding::new(&RULE, message, &value.origin(), "out of range"));
            }
            (What::Size(length), Some(custom)) => {
                // What kustomize has a hand in gets the rest of its keys from another file.
                let few = length.of == Counted::Keys && length.is < length.wanted.least as usize;
                if !few || is_alone(case) {
                    out.push(size(value, deviation.key, length, custom));
                }
            }
            _ => {}
        }
    }
}

/// `quantities must match the regular expression`, which decoding says (apimachinery's `pkg/api/resource`).
fn no_quantity(case: &ObjectCase<'_>, value: Node<'_>, name: &str, text: &str) -> Finding {
    let message = format!("`{text}` is no quantity for `{name}`: the object cannot be decoded");
    let finding = Finding::new(&RULE, message, &value.origin(), "no quantity");
    let written = Fact::written(text.to_owned(), value.origin());
    // A quota's `limits.cpu`; cores are the only ones that have no bytes.
    let resource = if name.ends_with("cpu") { "cpu" } else { name };
    match meant::quantity(case.world(), resource, &written) {
        Some(fix) => finding.fix(fix),
        None => finding,
    }
}

/// Where the values of the wrong type of an object begin: the places that [`check`] tells of.
pub(in crate::rules::input) fn wrong(object: &Object) -> impl Iterator<Item = Origin> {
    let meta = &object.meta;
    let structure = schema::structure_of(&meta.api_version.value, &meta.kind.value);
    let found = structure.map(|structure| deviations(object.node(), structure));
    found.into_iter().flatten().filter_map(|deviation| {
        let texts = [deviation.key, deviation.value].map(|node| node.as_str().unwrap_or_default());
        let is_told = matches!(deviation.what, What::Type { .. } | What::NoQuantity)
            && !texts.iter().any(|t| is_placeholder(t));
        is_told.then(|| deviation.value.start())
    })
}

/// `illegal base64 data at input byte 8`
fn no_base64(case: &ObjectCase<'_>, key: Node<'_>, value: Node<'_>, name: &str) -> Finding {
    let message = format!("`{name}` has to be base64, and is not: the object cannot be decoded");
    let secret = case.object.meta.kind.value == "Secret";
    // Where the value of a Secret ends tells how long it is.
    let place = if secret { key.origin() } else { value.origin() };
    Finding::new(&RULE, message, &place, "is no base64").fix(Fix::suggest(if secret {
        "write it into stringData as it is, or encode it: base64 -w0"
    } else {
        "write it into data as it is, or encode it: base64 -w0"
    }))
}

/// A kind that came later than the oldest Kubernetes in range.
fn served(case: &ObjectCase<'_>, since: u8, out: &mut Findings) {
    let meta = &case.object.meta;
    let (oldest, _) = case.world().settings.kubernetes();
    if u16::from(since) > oldest {
        refuse(
            out,
            &meta.api_version.origin,
            format!(
                "{} of {} is served from Kubernetes 1.{since} on, and the oldest in range is \
                 1.{oldest}",
                meta.kind.value, meta.api_version.value
            ),
        );
    }
}

/// Values of a field that a message names.
const NAMED: usize = 8;

fn none_of(value: Node<'_>, name: &str, all: &[&str], custom: &Custom) -> Finding {
    let text = value.as_str().unwrap_or_default();
    let mut named: Vec<String> = all.iter().take(NAMED).map(|one| format!("`{one}`")).collect();
    if all.len() > NAMED {
        named.push(format!("or one of {} more", all.len() - NAMED));
    }
    let origin = value.origin();
    let finding = Finding::new(
        &RULE,
        format!(
            "`{text}` is no value for `{name}`, which takes {}: the CRDs of {} refuse it",
            named.join(", "),
            custom.releases()
        ),
        &origin,
        "none of them",
    );
    let same = all.iter().find(|one| one.eq_ignore_ascii_case(text)).copied();
    match same.or_else(|| nearest(text, all.iter().copied(), 2)) {
        Some(near) if value.scalar_style() == Some(ScalarStyle::Plain) => {
            finding.fix(Fix::suggest(format!("did you mean `{near}`?")).replace(&origin, near))
        }
        Some(near) => finding.fix(Fix::suggest(format!("did you mean `{near}`?"))),
        // A newer CRD may have it.
        None => finding.level(Level::Warn),
    }
}

/// Characters of a pattern, and of a text, that a message repeats.
const SHOWN: usize = 80;

fn mismatch(value: Node<'_>, name: &str, pattern: &Pattern, custom: &Custom) -> Finding {
    let text: String = value.as_str().unwrap_or_default().chars().take(SHOWN).collect();
    let wanted = match pattern.in_words() {
        Some(words) => words.to_owned(),
        None if pattern.text.len() <= SHOWN => format!("what matches `{}`", pattern.text),
        None => "what its pattern matches".to_owned(),
    };
    Finding::new(
        &RULE,
        format!(
            "`{text}` is no value for `{name}`, which takes {wanted}: the CRDs of {} refuse it",
            custom.releases()
        ),
        &value.origin(),
        "refused",
    )
}

/// `MinLength`, `MaxItems` and the others in pkg/validation/validate/values.go of k8s.io/kube-openapi,
/// which counts characters as runes.
fn size(value: Node<'_>, key: Node<'_>, length: Length, custom: &Custom) -> Finding {
    let name = key.as_str().unwrap_or_default();
    let Length { of, wanted: Size { least, most }, is } = length;
    let (one, many) = match of {
        Counted::Characters => ("character", "characters"),
        Counted::Entries => ("entry", "entries"),
        Counted::Keys => ("key", "keys"),
    };
    let unit = |n: u32| if n == 1 { one } else { many };
    let wanted = match (least, most) {
        (least, u32::MAX) => format!("{least} {} or more", unit(least)),
        (least, most) if least == most => format!("{most} {}", unit(most)),
        (0, most) => format!("at most {most} {}", unit(most)),
        (least, most) => format!("{least} to {most} {}", unit(most)),
    };
    let is = match is {
        0 => "none".to_owned(),
        is => is.to_string(),
    };
    let message = format!(
        "`{name}` takes {wanted}, and has {is}: the CRDs of {} refuse it",
        custom.releases()
    );
    // A long list is shown by its name.
    let origin = match of {
        Counted::Characters => value.origin(),
        Counted::Entries | Counted::Keys => key.origin(),
    };
    Finding::new(&RULE, message, &origin, format!("{is} of them"))
}

/// Keys whose texts are durations in the CRDs that are known, beside those that say so by their ends.
const DURATIONS: &[&str] = &[
    "backoff",
    "backendrequest",
    "baseejectiontime",
    "fixeddelay",
    "maxage",
    "maxconnectionduration",
    "renewbefore",
    "request",
    "time",
    "ttl",
];

/// Whether a number stands where a duration does: in quotes it is none either. What KEDA's scalers take
/// is a number in quotes.
fn lacks_unit(case: &ObjectCase<'_>, value: Node<'_>, name: &str, wanted: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let ends = ["timeout", "interval", "duration", "durationsecs"];
    let number = matches!(value.scalar_kind(), Some(ScalarKind::Int(_) | ScalarKind::Float(_)));
    wanted == "a string"
        && number
        && case.object.meta.group() != "keda.sh"
        && (DURATIONS.contains(&name.as_str()) || ends.iter().any(|end| name.ends_with(end)))
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
