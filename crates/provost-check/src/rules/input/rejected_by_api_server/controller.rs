//! What Deployments, StatefulSets, DaemonSets, Jobs and CronJobs want of themselves and of their pods.

use super::{RULE, refuse, text};
use crate::case::ObjectCase;
use crate::facts::document::Node;
use crate::facts::objects::Object;
use crate::facts::workload::{IntOrPercent, Workload, WorkloadKind};
use crate::facts::{Fact, Origin};
use crate::findings::{Finding, Fix, Level};
use crate::model::names::nearest;
use crate::model::{cron, timezone};
use crate::rules::rule::Findings;

/// `ValidateDeploymentSpec`, `ValidateStatefulSetSpec` and `ValidateDaemonSetSpec` of
/// pkg/apis/apps/validation, `ValidateJobSpec` and `validateCronJobSpec` of pkg/apis/batch/validation,
/// Kubernetes v1.37.2. Selectors are judged when nothing
/// else completes the object.
pub(super) fn check(case: &ObjectCase<'_>, workload: &Workload, out: &mut Findings) {
    let (object, whole) = (case.object, super::is_alone(case));
    let Some(spec) = object.node().get("spec") else { return };
    if workload.kind == WorkloadKind::Pod {
        return;
    }
    pods(object, workload, out);
    let negative = ["replicas", "minReadySeconds", "revisionHistoryLimit"];
    nonnegative(spec, &negative, out);
    match workload.kind {
        WorkloadKind::CronJob => {
            schedule(spec, out);
            nonnegative(
                spec,
                &[
                    "startingDeadlineSeconds",
                    "successfulJobsHistoryLimit",
                    "failedJobsHistoryLimit",
                ],
                out,
            );
            if let Some(job) = spec.at(&["jobTemplate", "spec"]) {
                self::job(job, workload, true, out);
            }
        }
        WorkloadKind::Job => job(spec, workload, false, out),
        WorkloadKind::Deployment | WorkloadKind::Rollout => {
            // Either may be the default, which has no place of its own.
            match case
                .joined
                .unpatched(object, &["spec/progressDeadlineSeconds", "spec/minReadySeconds"])
            {
                Ok(()) => deadline(workload, out),
                Err(patched) => out.abstain(patched),
            }
        }
        _ => {}
    }
    strategy(spec, workload, out);
    selector(spec, workload, whole, out);
}

/// Kinds that make pods, and the field that says which.
const TEMPLATES: &[(&str, &str, &str)] = &[
    ("apps/v1", "DaemonSet", "template"),
    ("apps/v1", "Deployment", "template"),
    ("apps/v1", "ReplicaSet", "template"),
    ("apps/v1", "StatefulSet", "template"),
    ("batch/v1", "CronJob", "jobTemplate"),
    ("batch/v1", "Job", "template"),
];

/// A workload without the pods that it makes. A warning: what is there already may be given a few
/// fields by itself (`kubectl apply --server-side`).
pub(super) fn template(case: &ObjectCase<'_>, out: &mut Findings) {
    let (object, root) = (case.object, case.object.node());
    let (version, kind) = (&object.meta.api_version.value, &object.meta.kind.value);
    let field = TEMPLATES.iter().find(|(v, k, _)| v == version && k == kind).map(|it| it.2);
    let Some(field) = field.filter(|_| super::is_applied(case)) else { return };
    let slip = |node: Node<'_>| {
        node.entries().any(|(key, _)| {
            key.as_str().is_some_and(|key| nearest(key, ["spec", field], 2).is_some())
        })
    };
    let place = match root.get_entry("spec") {
        Some((_, spec)) if spec.has_key(field) || spec.is_mapping() && slip(spec) => return,
        Some((_, spec)) if spec.is_mapping() && !super::is_whole(spec) => return,
        // One of another type is told of as such.
        Some((_, spec)) if !spec.is_mapping() && !spec.is_null() => return,
        Some((key, _)) => key.origin(),
        None if slip(root) => return,
        None => object.origin(),
    };
    let message = format!("spec.{field} of a {kind} is required");
    out.push(
        Finding::new(&RULE, message, &place, "says nothing of its pods").level(Level::Warn).note(
            "where the object is there already, a part of it may be applied by the server \
             (kubectl apply --server-side)",
        ),
    );
}

/// Pods that are to run for ever are restarted, and have no deadline.
fn pods(object: &Object, workload: &Workload, out: &mut Findings) {
    let kind = &object.meta.kind.value;
    if workload.kind.is_batch() || workload.kind == WorkloadKind::Other {
        return;
    }
    let policy = &workload.pod.restart_policy;
    // A word that is none is told of by name.
    if policy.is_written() && matches!(policy.value.as_str(), "OnFailure" | "Never") {
        refuse(
            out,
            &policy.origin,
            format!("restartPolicy of a {kind} must be Always, and it is {policy}"),
        );
    }
    let pod = object.document.node(workload.pod.spec);
    if let Some((key, _)) = pod.get_entry("activeDeadlineSeconds") {
        refuse(
            out,
            &key.origin(),
            format!("activeDeadlineSeconds in the pods of a {kind} is not supported"),
        );
    }
}

fn nonnegative(node: Node<'_>, keys: &[&str], out: &mut Findings) {
    for key in keys {
        let Some(value) = node.get(key) else { continue };
        if let Some(number) = value.as_i64().filter(|number| *number < 0) {
            refuse(
                out,
                &value.origin(),
                format!("{key} {number} must be greater than or equal to 0"),
            );
        }
    }
}

fn deadline(workload: &Workload, out: &mut Findings) {
    let Some(deadline) = &workload.progress_deadline_seconds else { return };
    let ready = &workload.min_ready_seconds;
    let written = |fact: &Fact<i64>| if fact.is_written() { "" } else { ", the default" };
    if deadline.value > ready.value || !(deadline.is_written() || ready.is_written()) {
        return;
    }
    let (place, other) = if deadline.is_written() {
        (&deadline.origin, &ready.origin)
    } else {
        (&ready.origin, &deadline.origin)
    };
    let finding = Finding::new(
        &RULE,
        format!(
            "progressDeadlineSeconds ({deadline}{}) must be greater than minReadySeconds ({ready}{})",
            written(deadline),
            written(ready),
        ),
        place,
        "refused",
    );
    let both = deadline.is_written() && ready.is_written();
    out.push(if both { finding.also(other, "compared with this") } else { finding });
}

fn strategy(spec: Node<'_>, workload: &Workload, out: &mut Findings) {
    let (field, alone) = match workload.kind {
        WorkloadKind::Deployment => ("strategy", Some("Recreate")),
        WorkloadKind::StatefulSet => ("updateStrategy", Some("OnDelete")),
        WorkloadKind::DaemonSet => ("updateStrategy", None),
        _ => return,
    };
    let Some(strategy) = spec.get(field) else { return };
    if let Some((kind, node)) = text(strategy, "type")
        && alone == Some(kind)
        && let Some((key, _)) = strategy.get_entry("rollingUpdate")
    {
        out.push(
            Finding::new(
                &RULE,
                format!("rollingUpdate may not be specified when {field} `type` is '{kind}'"),
                &key.origin(),
                "refused",
            )
            .also(&node.origin(), "the type"),
        );
    }
    let shares = workload
        .strategy
        .iter()
        .flat_map(|s| [("maxSurge", &s.max_surge), ("maxUnavailable", &s.max_unavailable)]);
    for (name, fact) in shares {
        if let IntOrPercent::Malformed(value) = &fact.value {
            share(name, value, &fact.origin, out);
        }
    }
}

/// `IsValidPercent`
pub(super) fn share(name: &str, value: &str, origin: &Origin, out: &mut Findings) {
    if super::is_placeholder(value) || value.contains(['{', '}']) || value.is_empty() {
        return;
    }
    refuse(
        out,
        origin,
        format!("{name} `{value}` must be a number, or a percent string of digits and '%'"),
    );
}

fn selector(spec: Node<'_>, workload: &Workload, whole: bool, out: &mut Findings) {
    let kinds = [
        WorkloadKind::Deployment,
        WorkloadKind::StatefulSet,
        WorkloadKind::DaemonSet,
        WorkloadKind::ReplicaSet,
    ];
    let Some((key, node)) = spec.get_entry("selector") else { return };
    if whole
        && kinds.contains(&workload.kind)
        && node.is_mapping()
        && workload.selector.as_ref().is_some_and(crate::facts::objects::Selector::is_empty)
    {
        let label = ["matchLabels", "matchExpressions"];
        // A key of another name, or a value that is still to be filled in, is said elsewhere.
        let empty = node.entries().all(|(key, value)| {
            key.as_str().is_some_and(|key| label.contains(&key))
                && (value.is_null() || value.is_mapping() || value.is_sequence())
                && value.entries().next().is_none()
        });
        if empty {
            refuse(out, &key.origin(), "an empty selector is invalid: it would own every pod");
        }
    }
}

fn schedule(spec: Node<'_>, out: &mut Findings) {
    // `@daily` is no placeholder here.
    let plain = |text: &str| !super::is_placeholder(text.strip_prefix('@').unwrap_or(text));
    if let Some(node) = spec.get("schedule")
        && let Some(schedule) = node.as_str().filter(|text| !text.is_empty() && plain(text))
    {
        let zone = schedule.contains("TZ");
        if zone {
            refuse(
                out,
                &node.origin(),
                "cannot use TZ or CRON_TZ in schedule, use timeZone field instead",
            );
        } else if let Err(problem) = cron::check(schedule) {
            refuse(out, &node.origin(), format!("the schedule `{schedule}` is none: {problem}"));
        }
    }
    // Names are those of the machine that the controller runs on; these are none anywhere.
    if let Some((zone, node)) = text(spec, "timeZone") {
        let part = |part: &str| {
            !part.is_empty()
                && !matches!(part, "." | "..")
                && !part.starts_with('-')
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'+' | b'-'))
                && part.len() <= 14
        };
        if zone.eq_ignore_ascii_case("Local") {
            refuse(out, &node.origin(), "timeZone must be an explicit time zone, not Local");
        } else if !zone.split('/').all(part) {
            refuse(out, &node.origin(), format!("unknown time zone {zone}"));
        } else if let Some(meant) = timezone::meant(zone) {
            let message = format!("unknown time zone {zone}");
            let fix = Fix::suggest(format!("did you mean {meant}?"));
            out.push(
                Finding::new(&RULE, message, &node.origin(), "refused")
                    .fix(fix.replace(&node.origin(), meant)),
            );
        }
    }
}

fn job(spec: Node<'_>, workload: &Workload, of_cron: bool, out: &mut Findings) {
    nonnegative(
        spec,
        &[
            "parallelism",
            "completions",
            "activeDeadlineSeconds",
            "backoffLimit",
            "ttlSecondsAfterFinished",
            "backoffLimitPerIndex",
            "maxFailedIndexes",
        ],
        out,
    );
    let indexed = text(spec, "completionMode");
    let number = |key: &str| spec.get(key).and_then(|node| Some((node.as_i64()?, node)));
    match indexed {
        Some(("Indexed", node)) => {
            // With neither of the two each is 1 (`SetDefaults_Job`).
            if spec.get("completions").is_none() && spec.get("parallelism").is_some() {
                refuse(
                    out,
                    &node.origin(),
                    "completions is required when completion mode is Indexed",
                );
            }
            if let (Some((most, node)), Some((all, other))) =
                (number("maxFailedIndexes"), number("completions"))
                && most > all
            {
                let message = "maxFailedIndexes must be less than or equal to completions";
                out.push(
                    Finding::new(&RULE, message, &node.origin(), "refused")
                        .also(&other.origin(), "the completions"),
                );
            }
        }
        None | Some(("NonIndexed", _)) => {
            for key in ["backoffLimitPerIndex", "maxFailedIndexes", "successPolicy"] {
                if let Some((name, _)) = spec.get_entry(key) {
                    refuse(out, &name.origin(), format!("{key} requires indexed completion mode"));
                }
            }
        }
        Some(_) => {}
    }
    let policy = &workload.pod.restart_policy;
    if let Some((key, _)) = spec.get_entry("podFailurePolicy")
        && policy.is_written()
        && policy.value == "OnFailure"
    {
        out.push(
            Finding::new(
                &RULE,
                "only \"Never\" is supported for restartPolicy when podFailurePolicy is specified",
                &policy.origin,
                "refused",
            )
            .also(&key.origin(), "the policy"),
        );
    }
    generated(spec, of_cron, out);
}

/// `validateGeneratedSelector`; in a CronJob's template `ValidateJobTemplateSpec` wants none at all.
fn generated(spec: Node<'_>, of_cron: bool, out: &mut Findings) {
    let Some((key, selector)) = spec.get_entry("selector") else { return };
    let manual = spec.get("manualSelector");
    // The labels of Jobs that were read from a cluster, as the controller wrote them.
    let made = ["controller-uid", "job-name"];
    let own = selector
        .get("matchLabels")
        .into_iter()
        .flat_map(Node::entries)
        .filter_map(|(key, _)| key.as_str())
        .any(|label| !made.iter().any(|made| label.ends_with(made)));
    let automatic = of_cron || manual.is_none_or(|manual| manual.as_bool() == Some(false));
    if own && automatic {
        let message = "the selector of a Job is auto-generated, and one of its own is refused";
        refuse(out, &key.origin(), message);
    }
}
