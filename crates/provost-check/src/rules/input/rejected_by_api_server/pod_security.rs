//! Labels of a Namespace that Pod Security does not understand.

use super::{RULE, is_placeholder};
use crate::case::ObjectCase;
use crate::findings::{Finding, Fix};
use crate::model::names::nearest;
use crate::rules::rule::Findings;

const LEVELS: &[&str] = &["privileged", "baseline", "restricted"];

/// `PolicyToEvaluate`, which `ValidateNamespace` asks for a Namespace that is made or whose labels change
/// (k8s.io/pod-security-admission v0.37.2, api/helpers.go and admission/admission.go). Of a namespace that is
/// there already, and of a cluster that takes it, an unknown level enforces `restricted`.
pub(super) fn check(case: &ObjectCase<'_>, out: &mut Findings) {
    for mode in ["enforce", "audit", "warn"] {
        let label = |of: &str| {
            case.object.meta.labels.get(&format!("pod-security.kubernetes.io/{mode}{of}"))
        };
        if let Some(level) = label("").filter(|it| !is_placeholder(&it.value))
            && !LEVELS.contains(&level.value.as_str())
        {
            let message = format!(
                "pod-security.kubernetes.io/{mode} `{level}` must be one of {}",
                LEVELS.join(", ")
            );
            let finding = Finding::new(&RULE, message, &level.origin, "no level");
            let lower = level.value.to_ascii_lowercase();
            out.push(match nearest(&lower, LEVELS.iter().copied(), 2) {
                Some(near) => finding.fix(case.world().rewrite(
                    Fix::suggest(format!("did you mean {near}?")),
                    &level.origin,
                    &level.value,
                    near,
                )),
                None => finding,
            });
        }
        if let Some(version) = label("-version").filter(|it| !is_placeholder(&it.value))
            && !is_version(&version.value)
        {
            let message = format!(
                "pod-security.kubernetes.io/{mode}-version `{version}` must be \"latest\" or \"v1.x\""
            );
            out.push(Finding::new(&RULE, message, &version.origin, "no version"));
        }
    }
}

/// `ParseVersion`: `^v1\.([0-9]|[1-9][0-9]*)$`
fn is_version(text: &str) -> bool {
    text == "latest"
        || text.strip_prefix("v1.").is_some_and(|minor| {
            let digits = !minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit());
            digits && (minor.len() == 1 || !minor.starts_with('0')) && minor.parse::<i64>().is_ok()
        })
}
