//! Annotations of pods that the API server reads.

use super::{RULE, is_placeholder, refuse};
use crate::case::binding::is_sidecar_name;
use crate::facts::Fact;
use crate::facts::document::Node;
use crate::facts::objects::Object;
use crate::facts::workload::{Workload, WorkloadKind};
use crate::findings::{Finding, Level};
use crate::rules::rule::Findings;

/// Annotations of one pod that are looked at.
const MOST: usize = 1000;

const APPARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
const SECCOMP: &str = "container.seccomp.security.alpha.kubernetes.io/";
const SECCOMP_OF_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";

/// `ValidatePodSpecificAnnotations`, `validateAppArmorAnnotationsAndFieldsMatchOnCreate` and
/// `validateSeccompAnnotationsAndFields` of pkg/apis/core/validation/validation.go, v1.37.2.
/// `complete` is that nothing else brings another container.
pub(super) fn check(object: &Object, workload: &Workload, complete: bool, out: &mut Findings) {
    let pod = Pod { object, workload, complete };
    for (key, value) in workload.pod.annotations.0.iter().take(MOST) {
        if is_placeholder(&key.value) || is_placeholder(&value.value) {
            continue;
        }
        if key.value == DELETION_COST {
            if !is_cost(&value.value) {
                let message = format!("{DELETION_COST} `{value}` must be a 32 bit integer");
                refuse(out, &value.origin, message);
            }
        } else if let Some(name) = key.value.strip_prefix(APPARMOR) {
            pod.apparmor(key, name, value, out);
        } else if key.value == SECCOMP_OF_POD {
            pod.seccomp(object.document.node(workload.pod.spec), value, out);
        } else if let Some(name) = key.value.strip_prefix(SECCOMP)
            && let Some(container) = pod.container(name)
        {
            pod.seccomp(container, value, out);
        }
    }
}

/// `GetDeletionCostFromPodAnnotations`: no plus sign and no leading zeros.
fn is_cost(text: &str) -> bool {
    let first = text.as_bytes().first();
    let begins = first == Some(&b'-') || text == "0" || matches!(first, Some(b'1'..=b'9'));
    begins && text.parse::<i32>().is_ok()
}

struct Pod<'a> {
    object: &'a Object,
    workload: &'a Workload,
    complete: bool,
}

impl<'a> Pod<'a> {
    fn container(&self, name: &str) -> Option<Node<'a>> {
        let mut all = self.workload.pod.containers.iter();
        let found = all.find(|container| container.name() == name)?;
        Some(self.object.document.node(found.node))
    }

    fn apparmor(&self, key: &Fact<String>, name: &str, value: &Fact<String>, out: &mut Findings) {
        let profile = value.value.as_str();
        if !matches!(profile, "" | "runtime/default" | "unconfined")
            && !profile.starts_with("localhost/")
        {
            let message = format!("invalid AppArmor profile name: `{profile}`");
            refuse(out, &value.origin, message);
        }
        let spec = self.object.document.node(self.workload.pod.spec);
        let Some(container) = self.container(name) else {
            let open = self.workload.pod.containers.iter().any(|it| is_placeholder(it.name()));
            let bare = self.workload.kind == WorkloadKind::Pod;
            if self.complete && !open && !(bare && is_sidecar_name(name)) {
                let message = format!("an AppArmor profile for `{name}`: container not found");
                let finding = Finding::new(&RULE, message, &key.origin, "refused");
                // A webhook may give a pod another container before it is validated, a template not.
                out.push(if bare { finding.level(Level::Warn) } else { finding });
            }
            return;
        };
        if spec.at(&["os", "name"]).and_then(Node::as_str) == Some("windows") {
            return;
        }
        let field = |of: Node<'a>| of.at(&["securityContext", "appArmorProfile"]);
        if let Some(field) = field(container).or_else(|| field(spec)) {
            agree("AppArmor", field, value, &["runtime/default"], out);
        }
    }

    fn seccomp(&self, of: Node<'_>, value: &Fact<String>, out: &mut Findings) {
        const DEFAULTS: &[&str] = &["runtime/default", "docker/default"];
        let profile = value.value.as_str();
        let wrong = match profile.strip_prefix("localhost/") {
            Some(path) => path.starts_with('/') || path.split('/').any(|part| part == ".."),
            None => profile != "unconfined" && !DEFAULTS.contains(&profile),
        };
        if wrong {
            refuse(out, &value.origin, format!("`{profile}` must be a valid seccomp profile"));
        } else if let Some(field) = of.at(&["securityContext", "seccompProfile"]) {
            agree("seccomp", field, value, DEFAULTS, out);
        }
    }
}

/// An annotation beside the field that took its place has to say the same.
fn agree(what: &str, field: Node<'_>, value: &Fact<String>, defaults: &[&str], out: &mut Findings) {
    let annotation = value.value.as_str();
    let Some((kind, place)) = super::text(field, "type") else { return };
    let agrees = match kind {
        "Unconfined" => annotation == "unconfined",
        "RuntimeDefault" => defaults.contains(&annotation),
        "Localhost" => match super::text(field, "localhostProfile") {
            Some((path, _)) => annotation.strip_prefix("localhost/") == Some(path),
            // What is not there, or still to be filled in, is judged elsewhere.
            None => annotation.starts_with("localhost/"),
        },
        _ => return,
    };
    if !agrees {
        let message = format!(
            "the annotation asks for {what} profile `{annotation}` and the field for {kind}: they \
             must match"
        );
        out.push(
            Finding::new(&RULE, message, &value.origin, "one of them")
                .also(&place.origin(), "and the other"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::is_cost;

    #[test]
    fn the_cost_of_a_deletion_is_written_as_the_api_server_reads_it() {
        for right in ["0", "-5", "100", "2147483647", "-0"] {
            assert!(is_cost(right), "{right}");
        }
        for wrong in ["", "+10", "008", "high", "2147483648", "1.5", "-"] {
            assert!(!is_cost(wrong), "{wrong}");
        }
    }
}
