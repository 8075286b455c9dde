//! What other linters call what these rules look for, for teams that migrate.
//!
//! Names as of kube-linter (pkg/builtinchecks/yamls, 2026-11), kube-score 1.20 (`score/*/`, the ids it
//! prints), polaris (`pkg/config/checks`, 2026-11), hadolint 2.15 and what follows, dockle 0.4, BuildKit 0.34, checkov 3.2
//! (docs/5.Policy Index), trivy by the checks of trivy-checks 1.10, Datree 1.9.19, kubeaudit 0.22.2 and Terrascan 1.19.9 by their
//! rules for Kubernetes, Kubescape by the controls of its frameworks AllControls, WorkloadScan and
//! cis-v1.12.0 (2026-11). Names of hadolint that begin with SC are ShellCheck's.

mod refused;
mod table;

pub use refused::{REFUSED, Refused, find as refused};
pub use table::KNOWN;
use table::{CHECKOV, DOCKLE, HADOLINT, KUBESCAPE, TERRASCAN, TRIVY};

/// One check of another linter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The linter.
    pub tool: &'static str,
    /// Its name for the check.
    pub name: &'static str,
    /// `rule` or `rule/variant` that answer the same question here.
    pub rules: &'static [&'static str],
}

/// What other linters call by that name, whatever the case: `DL3025`, `latest-tag`,
/// `hadolint:DL3025`.
pub fn find(name: &str) -> impl Iterator<Item = &'static Known> + '_ {
    KNOWN.iter().filter(move |known| is_named(known.tool, known.name, name))
}

/// Whether a tool's check is meant by what was typed.
fn is_named(tool: &str, check: &str, typed: &str) -> bool {
    let (of, name) = match typed.split_once(':') {
        Some((of, name)) => (Some(of), name),
        None => (None, typed),
    };
    // As trivy called its checks for some years.
    let name = match name.get(..4) {
        Some(start) if start.eq_ignore_ascii_case("AVD-") => name.get(4..).unwrap_or_default(),
        _ => name,
    };
    of.is_none_or(|of| of.eq_ignore_ascii_case(tool)) && check.eq_ignore_ascii_case(name)
}

/// What to write in place of another linter's name for a check.
pub fn instead(name: &str) -> Option<String> {
    let mut rules: Vec<&str> = find(name).flat_map(|known| known.rules).copied().collect();
    rules.sort_unstable();
    rules.dedup();
    let tools: Vec<&str> = find(name).map(|known| known.tool).collect();
    let (tool, known) = match find(name).next() {
        Some(first) => (tools.join("'s and "), first.name),
        None => {
            if let Some(refused) = refused(name).next() {
                // ShellCheck's are many under one reason.
                let typed = name.rsplit(':').next().unwrap_or_default().to_ascii_uppercase();
                let one = !refused.name.contains(' ');
                let (tool, check) = (refused.tool, if one { refused.name } else { typed.as_str() });
                return Some(format!(
                    "{tool}'s {check} has no rule here: `provost explain {check}` says why"
                ));
            }
            let (tool, name) = (shaped_like(name)?, name);
            return Some(format!(
                "{name} looks like one of {tool}'s names, and no rule answers to it"
            ));
        }
    };
    let rules: Vec<String> = rules.iter().map(|rule| format!("`{rule}`")).collect();
    Some(format!("{tool}'s {known} is {} here", rules.join(" or ")))
}

/// The linter whose names have a shape of their own.
fn shaped_like(name: &str) -> Option<&'static str> {
    let shapes = [
        ("AC_K8S_", TERRASCAN),
        ("C-", KUBESCAPE),
        ("CIS-DI-", DOCKLE),
        ("CKV2_", CHECKOV),
        ("CKV_", CHECKOV),
        ("DKL-", DOCKLE),
        ("KSV-", TRIVY),
        ("DL", HADOLINT),
        ("SC", HADOLINT),
    ];
    let begins = |(start, _): &&(&str, &str)| {
        let (head, rest) = name.split_at_checked(start.len()).unwrap_or_default();
        head.eq_ignore_ascii_case(start)
            && rest.ends_with(|c: char| c.is_ascii_digit())
            && (start.len() > 2 || rest.bytes().all(|b| b.is_ascii_digit()))
    };
    shapes.iter().find(begins).map(|(_, tool)| *tool)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_to_a_rule() {
        for known in KNOWN {
            for id in known.rules {
                let (id, variant) = id.split_once('/').map_or((*id, None), |(a, b)| (a, Some(b)));
                let rule = crate::rules::find(id);
                let rule = rule.unwrap_or_else(|| panic!("{}: no rule {id}", known.name));
                let has = |name| rule.variants.iter().any(|v| v.name == name);
                assert!(variant.is_none_or(has), "{}: {id} has no {variant:?}", known.name);
            }
        }
        let order = |known: &Known| (known.tool, known.name);
        assert!(KNOWN.is_sorted_by(|a, b| order(a) < order(b)), "two of one name, or out of order");
    }

    #[test]
    fn every_check_of_the_linters_is_answered_by_a_rule_or_a_reason() {
        let checks =
            include_str!("known_as/checks.txt").lines().filter(|line| !line.starts_with('#'));
        let mut count = 0;
        for check in checks {
            let (tool, name) = check.split_once(' ').unwrap();
            let typed = format!("{tool}:{name}");
            let answers = find(&typed).count() + refused(&typed).count();
            assert_eq!(answers, 1, "{check} has so many answers");
            count += 1;
        }
        assert!(count > 300, "{count}");
    }

    #[test]
    fn reasons_name_rules_that_there_are() {
        let order = |refused: &Refused| (refused.tool, refused.name);
        assert!(
            REFUSED.is_sorted_by(|a, b| order(a) < order(b)),
            "two of one name, or out of order"
        );
        let mut named = 0;
        for refused in REFUSED {
            assert!(refused.why.ends_with('.'), "{}: no sentence", refused.name);
            for quoted in refused.why.split('`').skip(1).step_by(2) {
                let (id, variant) = quoted.split_once('/').unzip();
                let id = id.unwrap_or(quoted);
                // Fields, flags and values are quoted as well.
                let of_rule = |c: char| c.is_ascii_lowercase() || c == '-';
                if !id.contains('-') || !id.chars().all(of_rule) || id.starts_with('-') {
                    continue;
                }
                if id == "allow-snippet-annotations" {
                    continue;
                }
                let rule = crate::rules::find(id);
                let rule = rule.unwrap_or_else(|| panic!("{}: no rule {id}", refused.name));
                let has = |name: &str| rule.variants.iter().any(|v| v.name == name);
                assert!(variant.is_none_or(has), "{}: {id} has no {variant:?}", refused.name);
                named += 1;
            }
        }
        assert!(named > 10, "{named}");
    }

    #[test]
    fn names_are_found_with_and_without_their_tool() {
        let rules = |name| find(name).flat_map(|known| known.rules).copied().collect::<Vec<_>>();
        let both = ["malformed-exec-form", "shell-form-entrypoint"];
        assert_eq!(rules("dl3025"), both);
        assert_eq!(rules("hadolint:DL3025"), both);
        assert_eq!(rules("kube-linter:DL3025"), [""; 0]);
        assert_eq!(rules("AVD-KSV-0017"), ["privileged-container"]);
        assert_eq!(rules("trivy:avd-ds-0021"), ["rejected-by-builder/unanswered-question"]);
    }

    #[test]
    fn in_place_of_another_linters_name_the_rules_own_is_told() {
        let told = |name| instead(name).unwrap_or_default();
        assert_eq!(
            told("DL3025"),
            "hadolint's DL3025 is `malformed-exec-form` or `shell-form-entrypoint` here"
        );
        assert_eq!(
            told("container-image-tag"),
            "kube-score's container-image-tag is `floating-image-tag` here"
        );
        assert_eq!(told("ckv_k8s_16"), "checkov's CKV_K8S_16 is `privileged-container` here");
        for name in ["DL9999", "KSV-0007", "CKV_K8S_999", "CIS-DI-9999", "C-9999", "AC_K8S_9999"] {
            assert!(told(name).ends_with("no rule answers to it"), "{name}: {}", told(name));
        }
        assert_eq!(
            told("sc2086"),
            "hadolint's SC2086 has no rule here: `provost explain SC2086` says why"
        );
        assert_eq!(
            told("ckv_k8s_21"),
            "checkov's CKV_K8S_21 has no rule here: `provost explain CKV_K8S_21` says why"
        );
        assert_eq!(
            told("c-0074"),
            "kubescape's C-0074 is `host-path-volume/container-socket-mount` here"
        );
        assert_eq!(
            told("PrivilegedTrue"),
            "kubeaudit's PrivilegedTrue is `privileged-container` here"
        );
        for name in ["single-replica", "DLx", "SCRAPE", "DL", "secret-2", ""] {
            assert_eq!(told(name), "", "{name}");
        }
    }
}
