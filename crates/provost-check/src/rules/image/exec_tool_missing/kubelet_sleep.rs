//! `exec` of a program that only sleeps, as the kubelet's own `sleep`.

use crate::case::Case;
use crate::facts::workload::Handler;
use crate::findings::Fix;

/// The first minor release whose kubelet and API server know `sleep` without being told to: the
/// feature gate PodLifecycleSleepAction is on by default since 1.30 and locked since 1.34
/// (pkg/features/kube_features.go, 1.34; KEP-3960).
const SINCE: u16 = 30;

/// The fix for a hook that sleeps that long.
pub(super) fn fix(case: &Case<'_>, handler: &Handler, seconds: f64) -> Fix {
    // The field takes whole seconds, and zero only since AllowZero (1.33).
    let whole = seconds.ceil().max(1.0) as u64;
    let sleep = format!("sleep: {{seconds: {whole}}}");
    if case.settings().kubernetes().0 < SINCE {
        return Fix::suggest(format!(
            "let the kubelet sleep from Kubernetes 1.{SINCE} on: {sleep}"
        ));
    }
    let title = format!("let the kubelet sleep: {sleep}");
    let grace = &case.pod().grace_period;
    // The API server refuses a sleep that is longer (validateSleepAction,
    // pkg/apis/core/validation/validation.go, 1.33).
    if u64::try_from(grace.value).is_ok_and(|grace| whole <= grace) {
        let same = (whole as f64 - seconds).abs() < f64::EPSILON;
        let fix = if same { Fix::safe(title) } else { Fix::suggest(title) };
        return case.sleep_instead_of_exec(fix, handler, whole);
    }
    // A postStart hook is no part of the termination, and the same limit holds for it: the period is
    // never made shorter, nor left shorter than the sleep.
    let better = u64::from(case.termination().suggested).max(whole);
    let fix = Fix::suggest(format!("{title}, and set terminationGracePeriodSeconds to {better}"));
    if !grace.is_written() {
        return fix;
    }
    let fix = case.sleep_instead_of_exec(fix, handler, whole);
    if fix.edits.is_empty() { fix } else { fix.replace(&grace.origin, better.to_string()) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::artifact::manifest::{ManifestFile, Options, load_manifests};
    use crate::artifact::{Source, SourceKind, Sources, dockerfile};
    use crate::case::{Joined, World};
    use crate::facts::settings::Settings;
    use crate::findings::{Applicability, fix};
    use crate::rules::engine::Selection;

    const HEAD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n";

    /// The text after the fix, or why there is no edit.
    #[track_caller]
    fn fixed(spec: &str) -> (Applicability, String) {
        let text = format!("{HEAD}{spec}");
        let mut sources = Sources::default();
        let build = "FROM gcr.io/distroless/static-debian12:nonroot\nENTRYPOINT [\"/a\"]\n";
        let id = sources.add(Source::text("Dockerfile", SourceKind::Dockerfile, Arc::from(build)));
        let (builds, _) = dockerfile::load(id, build, None, &dockerfile::Limits::default());
        let file =
            ManifestFile { named: true, ..ManifestFile::text("a.yaml".to_owned(), text.clone()) };
        let loaded = load_manifests(&[file], &mut sources, &Options::default());
        let world = World {
            objects: loaded.objects,
            builds: builds.into_iter().collect(),
            ..World::new(sources, Settings::at(jiff::civil::date(2026, 11, 26)))
        };
        let selection =
            Selection { only: vec![super::super::RULE.id.to_owned()], ..Selection::default() };
        let joined = Joined::new(&world);
        let found = crate::pipeline::conclude(&joined, &[&super::super::RULE], &selection, &[]);
        let [finding] = &found.findings[..] else { panic!("{:?}", found.findings) };
        let known = finding.fix.as_ref().expect("a fix");
        let plan = fix::plan([finding], true);
        let after =
            plan.edits.values().next().map_or(text.clone(), |edits| {
                fix::apply(&text, edits).expect("edits inside the text")
            });
        // What was written is read as what was meant.
        if after != text {
            let again = ManifestFile {
                named: true,
                ..ManifestFile::text("b.yaml".to_owned(), after.clone())
            };
            let mut sources = Sources::default();
            let loaded = load_manifests(&[again], &mut sources, &Options::default());
            assert!(loaded.problems.is_empty(), "{:?}\n{after}", loaded.problems);
        }
        (known.applicability, after.strip_prefix(HEAD).expect("the head stays").to_owned())
    }

    #[track_caller]
    fn becomes(before: &str, after: &str) {
        assert_eq!(fixed(before), (Applicability::Safe, after.to_owned()));
    }

    #[test]
    fn the_style_and_the_comments_stay() {
        becomes(
            "  containers:\n  - name: a\n    image: a:1\n    lifecycle:\n      preStop:\n        exec: # why\n          command: [\"/bin/sh\", \"-c\", \"sleep 10\"] # here\n",
            "  containers:\n  - name: a\n    image: a:1\n    lifecycle:\n      preStop:\n        sleep: # why\n          seconds: 10 # here\n",
        );
        becomes(
            "  containers:\n  - name: a\n    image: a:1\n    lifecycle:\n      preStop:\n        exec:\n          command:\n          # busybox\n          - sleep\n          - \"15\" # as long as the balancer\n    ports: []\n",
            "  containers:\n  - name: a\n    image: a:1\n    lifecycle:\n      preStop:\n        sleep:\n          # busybox\n          seconds: 15 # as long as the balancer\n    ports: []\n",
        );
        becomes(
            "  containers:\n  - {name: a, image: \"a:1\", lifecycle: {preStop: {exec: {command: [/bin/sleep, \"5\"]}}}}\n",
            "  containers:\n  - {name: a, image: \"a:1\", lifecycle: {preStop: {sleep: {seconds: 5}}}}\n",
        );
        becomes(
            "  containers: [{\"name\": \"a\", \"image\": \"a:1\", \"lifecycle\": {\"preStop\": {\"exec\": {\"command\": [\"sleep\", \"5\"]}}}}]\n",
            "  containers: [{\"name\": \"a\", \"image\": \"a:1\", \"lifecycle\": {\"preStop\": {\"sleep\": {\"seconds\": 5}}}}]\n",
        );
        becomes(
            "  containers:\n  - name: a\n    image: a:1\n    lifecycle:\n      preStop:\n        exec:\n          command:\n            - sh\n            - -c\n            - |\n              sleep 5\n    ports: []\n",
            "  containers:\n  - name: a\n    image: a:1\n    lifecycle:\n      preStop:\n        sleep:\n          seconds: 5\n    ports: []\n",
        );
    }

    #[test]
    fn what_would_change_more_is_no_safe_fix() {
        let hook = |grace: &str, command: &str| {
            format!(
                "{grace}  containers:\n  - {{name: a, image: \"a:1\", lifecycle: {{preStop: {{exec: {{command: {command}}}}}}}}}\n"
            )
        };
        // Longer than the period: the API server would refuse it.
        let (applicability, text) =
            fixed(&hook("  terminationGracePeriodSeconds: 10\n", "[sleep, \"30\"]"));
        assert_eq!(applicability, Applicability::Suggest);
        assert!(text.contains("sleep: {seconds: 30}"), "{text}");
        assert!(text.contains("terminationGracePeriodSeconds: 35\n"), "{text}");
        // A hook at the start: its sleep has no share in the termination.
        let start = hook("  terminationGracePeriodSeconds: 30\n", "[sleep, \"60\"]");
        let (applicability, text) = fixed(&start.replace("preStop", "postStart"));
        assert_eq!(applicability, Applicability::Suggest);
        assert!(text.contains("postStart: {sleep: {seconds: 60}}"), "{text}");
        assert!(text.contains("terminationGracePeriodSeconds: 60\n"), "{text}");
        // Nobody wrote the period.
        let before = hook("", "[sleep, \"40\"]");
        assert_eq!(fixed(&before), (Applicability::Suggest, before));
        // Part of a second.
        let (applicability, text) = fixed(&hook("", "[sleep, \"0.5\"]"));
        assert_eq!(applicability, Applicability::Suggest);
        assert!(text.contains("sleep: {seconds: 1}"), "{text}");
        // Another hook refers to the words.
        let before = "  containers:\n  - name: a\n    image: a:1\n    lifecycle:\n      preStop: {exec: {command: &wait [sleep, \"5\"]}}\n      postStart: {httpGet: {path: /, port: 1}}\n    args: *wait\n";
        assert_eq!(fixed(before), (Applicability::Safe, before.to_owned()));
    }
}
