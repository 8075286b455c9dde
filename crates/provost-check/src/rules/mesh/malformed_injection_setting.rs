//! Labels and annotations that Istio's injector does not understand.

use crate::case::{ObjectCase, WorkloadCase};
use crate::facts::Fact;
use crate::facts::placeholders::is_placeholder;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::injection::{self, ANNOTATIONS};
use crate::model::names::is_slip;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const IGNORED: Variant = Variant::new(
    "ignored-injection-setting",
    Level::Warn,
    "a label, an annotation or a field of the proxy that Istio does not know",
);

/// The webhook fails, and the pod is not made.
pub static RULE: Rule = Rule {
    id: "malformed-injection-setting",
    group: Group::Mesh,
    level: Level::Deny,
    title: "an annotation that Istio's injector refuses",
    page: include_str!("malformed-injection-setting.md"),
    needs: &[Need::Manifest],
    variants: &[IGNORED],
    check: Check::Workload(check),
    also: &[Check::Object(namespace)],
    ..Rule::BASE
};

/// Annotations of one pod that are looked at.
const MOST: usize = 256;

/// Prefixes whose keys are the injector's.
const PREFIXES: &[&str] = &["sidecar.istio.io/", "proxy.istio.io/", "traffic.sidecar.istio.io/"];

fn check(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    let pod = case.pod();
    if let Some((value, _)) = pod.inject() {
        if value.value == "false" || pod.host_network.value {
            return Err(Abstain::NotApplicable);
        }
        inject(case, value, out);
    }
    let meshed = case.sidecar().ok();
    let mut judged = Err(Abstain::NotApplicable);
    for (key, value) in pod.annotations.0.iter().take(MOST) {
        let name = key.value.as_str();
        if is_placeholder(&value.value) || is_placeholder(name) {
            continue;
        }
        if ANNOTATIONS.contains(&name) {
            judged = Ok(());
        } else if PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            judged = Ok(());
            unknown(case, key, out);
            continue;
        }
        if let Some(why) = injection::refused(name, &value.value) {
            let mut finding = Finding::new(
                &RULE,
                format!(
                    "Istio's injector refuses the pods, `invalid value for annotation {name}`: {why}"
                ),
                &value.origin,
                why.clone(),
            );
            match &meshed {
                Some(meshed) => finding = finding.also(&meshed.origin, meshed.label()),
                // Nothing says that there is an injector.
                None => finding = finding.level(Level::Warn),
            }
            out.push(finding);
        } else if name == "proxy.istio.io/config"
            && let Some((field, near)) = injection::misspelt_field(&value.value)
        {
            let message =
                format!("the proxy's configuration has no field {field}: Istio ignores it");
            let at = value.value.find(&field).map(|at| at..at + field.len());
            let place = at.map(|at| case.world().part(&value.origin, &value.value, at));
            out.push(
                Finding::new(
                    &RULE,
                    message,
                    place.as_ref().unwrap_or(&value.origin),
                    "no such field",
                )
                .variant(&IGNORED)
                .fix(Fix::suggest(format!("did you mean {near}?"))),
            );
        }
    }
    judged
}

/// `sidecar.istio.io/inject` knows two words.
fn inject(case: &WorkloadCase<'_>, value: &Fact<String>, out: &mut Findings) {
    let text = value.value.as_str();
    if matches!(text, "true" | "false" | "") || is_placeholder(text) {
        return;
    }
    let lower = text.to_ascii_lowercase();
    let meant = ["true", "false"].into_iter().find(|word| *word == lower || is_slip(&lower, word));
    let finding = Finding::new(
        &RULE,
        format!(
            "sidecar.istio.io/inject `{text}` is neither true nor false: the webhook selects by these words, \
             and what the injector makes of another depends on its release"
        ),
        &value.origin,
        "no such word",
    )
    .variant(&IGNORED);
    out.push(match meant {
        Some(meant) => finding.fix(case.world().rewrite(
            Fix::suggest(format!("did you mean \"{meant}\"?")),
            &value.origin,
            text,
            meant,
        )),
        None => finding.fix(Fix::suggest("write \"true\" or \"false\"")),
    });
}

/// A key below the injector's prefixes that is nearly one of its own.
fn unknown(case: &WorkloadCase<'_>, key: &Fact<String>, out: &mut Findings) {
    let name = key.value.as_str();
    let slip = |known: &&&str| known.eq_ignore_ascii_case(name) || is_slip(name, known);
    let Some(near) = ANNOTATIONS.iter().find(slip) else { return };
    let finding = Finding::new(
        &RULE,
        format!("Istio knows no annotation {name}: it has no effect"),
        &key.origin,
        "no such annotation",
    )
    .variant(&IGNORED);
    out.push(finding.fix(case.world().rewrite(
        Fix::suggest(format!("did you mean {near}?")),
        &key.origin,
        name,
        near,
    )));
}

/// The webhook selects namespaces by `istio-injection: enabled`, and by a revision only those without the label
/// (manifests/charts/istio-control/istio-discovery/templates/mutatingwebhook.yaml).
fn namespace(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let meta = &case.object.meta;
    if meta.kind.value != "Namespace" || meta.api_version.value != "v1" {
        return Err(Abstain::NotApplicable);
    }
    let label = meta.labels.get("istio-injection").ok_or(Abstain::NotApplicable)?;
    let text = label.value.as_str();
    if matches!(text, "enabled" | "disabled" | "") || is_placeholder(text) {
        return Ok(());
    }
    case.joined.unpatched(case.object, &["metadata/labels"])?;
    let lower = text.to_ascii_lowercase();
    let on = matches!(lower.as_str(), "true" | "yes" | "on" | "enable" | "enabled");
    let off = matches!(lower.as_str(), "false" | "no" | "off" | "disable" | "disabled");
    let meant = if on || is_slip(&lower, "enabled") {
        Some("enabled")
    } else {
        (off || is_slip(&lower, "disabled")).then_some("disabled")
    };
    let finding = Finding::new(
        &RULE,
        format!(
            "istio-injection `{text}` is neither enabled nor disabled: no pod of the namespace gets a sidecar"
        ),
        &label.origin,
        "no such word",
    )
    .variant(&IGNORED);
    out.push(match meant {
        Some(meant) => finding.fix(case.world().rewrite(
            Fix::suggest(format!("did you mean {meant}?")),
            &label.origin,
            text,
            meant,
        )),
        None => finding.fix(Fix::suggest("write enabled or disabled")),
    });
    Ok(())
}
