//! Keys that do not do what they seem to.

use crate::case::fields::{Deviation, What};
use crate::case::{Joined, ObjectCase};
use crate::facts::placeholders::is_placeholder;
use crate::facts::problem::ProblemKind;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::names::nearest;
use crate::model::reserved_keys;
use crate::model::schema::{self, Custom, Field, Known, Structure};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const DUPLICATE: Variant =
    Variant::new("duplicate-yaml-key", Level::Deny, "a key is written twice in one mapping");

const NOT_AVAILABLE: Variant = Variant::new(
    "field-not-available",
    Level::Deny,
    "a field that a Kubernetes of the configured range drops",
);

const RESERVED: Variant = Variant::new(
    "reserved-annotation-prefix",
    Level::Note,
    "an annotation below kubernetes.io or k8s.io that nobody is known to own",
);

/// The API server decodes what it is sent by Go's rules, in which the case of a key counts
/// (`sigs.k8s.io/json`), and drops what it does not know, unless the client asks it to be strict.
pub static RULE: Rule = Rule {
    id: "unknown-field",
    group: Group::Input,
    level: Level::Warn,
    title: "a key that has no effect",
    page: include_str!("unknown-field.md"),
    needs: &[Need::Manifest],
    variants: &[DUPLICATE, NOT_AVAILABLE, RESERVED],
    judges_hooks: true,
    check: Check::Object(check),
    also: &[Check::Run(duplicates), Check::Object(reserved)],
    ..Rule::BASE
};

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let meta = &case.object.meta;
    let found = schema::find(&meta.api_version.value, &meta.kind.value);
    let (oldest, newest) = case.world().settings.kubernetes();
    let (since, custom) = match found {
        // What goes with its kind needs no word of its own: `removed-api-version`.
        Known::Kind(kind) if kind.until > 0 && u16::from(kind.until) <= oldest => return Ok(()),
        // A key that no known release has may be one of theirs.
        Known::Kind(_) if newest < schema::MINORS.0 => {
            let needs = format!("the fields of Kubernetes 1.{newest}");
            return Err(Abstain::unknown(Reason::VersionUnknown, needs));
        }
        Known::Kind(kind) => (kind.since, None),
        Known::Custom(custom) => (0, Some(custom)),
        Known::NoSuchKind | Known::Elsewhere => return Err(Abstain::NotApplicable),
    };
    // That the kind as such came later is said once, by `rejected-by-api-server`.
    let oldest = oldest.max(u16::from(since));
    for deviation in case.deviations() {
        let name = deviation.key.as_str().unwrap_or_default();
        if is_placeholder(name) {
            continue;
        }
        // The metadata of a custom resource is of Kubernetes' own type.
        let custom = custom.filter(|_| deviation.parent.custom);
        match (deviation.what, custom) {
            (What::Unknown, _) => out.push(unknown(deviation, name, custom)),
            (What::NotYet { original }, _) => {
                out.found.extend(custom.map(|custom| not_yet(deviation, name, original, custom)));
            }
            (What::Field(field), Some(custom)) => {
                out.found.extend(gone(deviation, field, custom));
            }
            (What::Field(field), None) if ends_with_kind(found, field) => {}
            (What::Field(field), None) => {
                out.found.extend(unavailable(deviation, field, (oldest, newest)))
            }
            // The API server refuses these: `rejected-by-api-server`.
            (
                What::Type { .. }
                | What::OneOf(_)
                | What::Mismatch(_)
                | What::OutOf(..)
                | What::Among(_)
                | What::Size(_)
                | What::NoQuantity,
                _,
            ) => {}
        }
    }
    Ok(())
}

/// Whether the field was there as long as its kind was.
fn ends_with_kind(found: Known, field: &Field) -> bool {
    matches!(found, Known::Kind(kind) if kind.until > 0 && kind.until == field.until)
}

/// What becomes of a key that is not known; a custom resource fares no better than Kubernetes' own.
const NO_EFFECT: &str =
    "`kubectl apply` refuses the object, Helm and most controllers apply it without the key";

fn unknown(deviation: &Deviation<'_>, name: &str, custom: Option<&Custom>) -> Finding {
    let parent = deviation.parent;
    let origin = deviation.key.origin();
    let crds = custom.map(|custom| format!(" in the CRDs of {}", custom.releases()));
    let crds = crds.unwrap_or_default();
    let named = |message: String| Finding::new(&RULE, message, &origin, "no such field");
    let none = || format!("{} has no field `{name}`{crds}: {NO_EFFECT}", a(parent.name));
    let slip = near(parent, name).map(|field| (field, deviation.mapping.get(field).is_some()));
    // Beside the field that it looks like it may be one that a newer CRD has.
    let slip = slip.filter(|(_, is_there)| custom.is_none() || !is_there);
    if let Some((field, is_there)) = slip {
        let finding = named(none()).level(Level::Deny);
        let title = format!("did you mean `{field}`?");
        let fix = Fix::suggest(title);
        return finding.fix(if is_there { fix } else { fix.replace(&origin, field) });
    }
    if let Some(place) = elsewhere(deviation, name) {
        return named(format!(
            "`{name}` is a field of {}, not of {}{crds}: {NO_EFFECT}",
            place.owner,
            a(parent.name)
        ))
        .level(Level::Deny)
        .fix(Fix::suggest(place.move_it));
    }
    named(none()).fix(Fix::suggest(match custom {
        Some(_) => "remove it, or find out which release has it",
        None => "remove it, or find out what it was meant for",
    }))
}

/// A field of Kubernetes' that the CRD's copy of the structure lacks. A newer one may have it.
fn not_yet(deviation: &Deviation<'_>, name: &str, original: &str, custom: &Custom) -> Finding {
    Finding::new(
        &RULE,
        format!(
            "`{name}` is a field of {} of Kubernetes, and the CRDs of {} do not know it: \
             {NO_EFFECT}",
            a(original),
            custom.releases()
        ),
        &deviation.key.origin(),
        "not in the CRD",
    )
    .variant(&NOT_AVAILABLE)
    .level(Level::Note)
}

/// A field that newer CRDs have no more.
fn gone(deviation: &Deviation<'_>, field: &Field, custom: &Custom) -> Option<Finding> {
    let without = usize::from(field.until);
    let (last, first) = (without.checked_sub(1)?, custom.releases.get(without)?);
    let message = format!(
        "`{}` of {} is in the CRDs of {} up to {} and not in those of {first}: {NO_EFFECT}",
        field.name,
        a(deviation.parent.name),
        custom.project,
        custom.releases.get(last)?
    );
    let finding = Finding::new(&RULE, message, &deviation.key.origin(), "gone in newer CRDs");
    Some(finding.variant(&NOT_AVAILABLE).level(Level::Note))
}

/// Fields under the names they have elsewhere, or had: each is meant where the other is not.
const ELSEWHERE: &[(&str, &str)] = &[
    ("arguments", "args"),
    ("cmd", "command"),
    ("environment", "env"),
    ("envs", "env"),
    ("maxReplicas", "maxReplicaCount"),
    ("minReplicas", "minReplicaCount"),
    ("pullPolicy", "imagePullPolicy"),
];

/// A field that differs by its case or by a slip of the finger, or has that name elsewhere.
pub(super) fn near(parent: &'static Structure, name: &str) -> Option<&'static str> {
    let names = || parent.fields.iter().map(|field| field.name);
    let same = names().find(|field| field.eq_ignore_ascii_case(name));
    let elsewhere = || {
        let (_, meant) = ELSEWHERE.iter().find(|(written, _)| *written == name)?;
        names().find(|field| field == meant)
    };
    // The kind of a path is the only type that it has.
    let of_path = || names().find(|field| name == "type" && *field == "pathType");
    // `ingressClass`, after the annotation that was there before the field; `terminationGracePeriod`.
    let short = || {
        let without =
            |field: &str| ["Name", "Seconds"].map(|end| field.strip_suffix(end) == Some(name));
        names().find(|field| without(field).contains(&true))
    };
    let same = same.or_else(elsewhere).or_else(of_path).or_else(short);
    // Two letters of a short name are another word: `cpu` is no slip for `gpu`.
    same.or_else(|| nearest(name, names(), if name.len() < 6 { 1 } else { 2 }))
}

struct Elsewhere {
    owner: String,
    move_it: String,
}

/// Where a field of just that name belongs, if that is near: further out, or one mapping further in.
fn elsewhere(deviation: &Deviation<'_>, name: &str) -> Option<Elsewhere> {
    if matches!(name, "name" | "labels" | "annotations" | "spec" | "status" | "kind") {
        return None;
    }
    if let Some(outer) = deviation.above.iter().rev().find(|outer| outer.field(name).is_some()) {
        let owner = a(outer.name);
        let move_it = format!("move it out, to the fields of {owner}");
        return Some(Elsewhere { owner, move_it });
    }
    let inner =
        deviation.parent.fields.iter().filter(|field| {
            field.structure().is_some_and(|structure| structure.field(name).is_some())
        });
    let written = |field: &&Field| deviation.mapping.get(field.name).is_some();
    let inside = inner.clone().find(written).or_else(|| inner.clone().next())?;
    let owner = a(inside.structure().map_or(inside.name, |structure| structure.name));
    let move_it = format!("move it in, below `{}`", inside.name);
    Some(Elsewhere { owner, move_it })
}

/// `a PodSpec`, `an Ingress`; the mappings of CRDs have no names but those of their keys.
fn a(name: &str) -> String {
    if name.starts_with(|c: char| !c.is_ascii_uppercase()) {
        return format!("`{name}`");
    }
    let vowel = name.starts_with(['A', 'E', 'I', 'O', 'U']);
    format!("{} {name}", if vowel { "an" } else { "a" })
}

fn unavailable(
    deviation: &Deviation<'_>,
    field: &Field,
    (oldest, newest): (u16, u16),
) -> Option<Finding> {
    let (name, parent) = (field.name, deviation.parent.name);
    let origin = deviation.key.origin();
    let found = |message: String, label: &str| {
        Some(Finding::new(&RULE, message, &origin, label).variant(&NOT_AVAILABLE))
    };
    let (since, until) = (u16::from(field.since), u16::from(field.until));
    if until > 0 && until <= newest {
        return found(
            format!("`{name}` of {} is gone in Kubernetes 1.{until}", a(parent)),
            "dropped or refused there",
        );
    }
    if since > oldest {
        return found(
            format!(
                "`{name}` of {} came with Kubernetes 1.{since}, and the oldest in range is \
                 1.{oldest}, which drops it",
                a(parent)
            ),
            "not known there",
        );
    }
    match u16::from(field.on) {
        255 => found(
            format!(
                "`{name}` of {} is dropped by every Kubernetes up to 1.{}, unless its feature \
                 gate is turned on",
                a(parent),
                schema::MINORS.1
            ),
            "behind a feature gate",
        )
        .map(|finding| finding.level(Level::Warn)),
        on if on > oldest => found(
            format!(
                "`{name}` of {} is behind a feature gate that is on by default from Kubernetes \
                 1.{on}; the oldest in range, 1.{oldest}, drops it",
                a(parent)
            ),
            "dropped there",
        ),
        _ => None,
    }
}

/// Annotations of the object and of its pods.
fn reserved(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let pods = case.object.workload().map(|workload| &workload.pod.annotations);
    // A Pod's own are its metadata's.
    let pods = pods.filter(|_| case.object.meta.kind.value != "Pod");
    let all = case.object.meta.annotations.0.iter().chain(pods.into_iter().flat_map(|map| &map.0));
    let mut any = false;
    for (key, _) in all {
        any = true;
        if is_placeholder(&key.value) {
            continue;
        }
        let Some(reserved) = reserved_keys::unowned(&key.value) else { continue };
        let mut finding = Finding::new(
            &RULE,
            format!(
                "Kubernetes reserves the prefix {} for itself, and no controller is known to read \
                 {}",
                reserved.prefix, key.value
            ),
            &key.origin,
            "reserved",
        )
        .variant(&RESERVED);
        finding = finding.fix(match reserved.near {
            Some(near) => Fix::suggest(format!("did you mean {near}?")),
            None => Fix::suggest("use a domain of your own: `example.com/owner`"),
        });
        out.push(finding);
    }
    if any { Ok(()) } else { Err(Abstain::NotApplicable) }
}

fn duplicates(joined: &Joined<'_>, out: &mut Findings) -> Judged {
    let world = joined.world;
    for problem in world.problems.iter().filter(|p| p.kind == ProblemKind::DuplicateKey) {
        let mut finding = Finding::new(
            &RULE,
            format!(
                "{}: most parsers take the last one in silence, `kubectl apply` refuses the file",
                problem.message
            ),
            &problem.origin,
            "written again",
        )
        .variant(&DUPLICATE)
        .fix(Fix::suggest("keep one of them"));
        finding.subject.clone_from(&world.sources.get(problem.origin.source()).path);
        out.push(finding);
    }
    Ok(())
}
