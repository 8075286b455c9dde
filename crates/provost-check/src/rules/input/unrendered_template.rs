//! Placeholders that nobody filled in.

use crate::case::ObjectCase;
use crate::facts::placeholders::{self, Placeholder, Tool};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::text::shown;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// What Kubernetes takes literally.
pub static RULE: Rule = Rule {
    id: "unrendered-template",
    group: Group::Input,
    level: Level::Deny,
    title: "a template placeholder in an object that is applied as it stands",
    page: include_str!("unrendered-template.md"),
    needs: &[Need::Manifest],
    judges_hooks: true,
    check: Check::Object(check),
    ..Rule::BASE
};

/// Groups of Kubernetes' own that have no templates of their own in any field.
const GROUPS: &[&str] = &[
    "",
    "apps",
    "batch",
    "policy",
    "autoscaling",
    "networking.k8s.io",
    "rbac.authorization.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let meta = &case.object.meta;
    let rollout = meta.group() == "argoproj.io" && meta.kind.value == "Rollout";
    if !(GROUPS.contains(&meta.group()) || rollout) || meta.api_version.value.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    let source = case.world().sources.get(case.object.document.source);
    for found in placeholders::of_object(case.object.node()) {
        if found.name.is_some_and(|name| case.joined.provided.may_be_substituted(name)) {
            out.abstain(Abstain::unknown(Reason::Templated, found.text.to_owned()));
            continue;
        }
        // A file that walking found may be the input of a renderer rather than of kubectl; that it
        // is rendered already is proved by what renderers leave, or said by whoever names it.
        if !source.named && found.tool != Tool::Rendered {
            let what = format!("`{}`, which {} fills in", shown(found.text), found.tool.name());
            out.abstain(Abstain::unknown(Reason::Templated, what));
            continue;
        }
        judge(case, &found, out);
    }
    Ok(())
}

fn judge(case: &ObjectCase<'_>, found: &Placeholder<'_>, out: &mut Findings) {
    let text = found.node.as_str().unwrap_or_default();
    let origin = found.node.origin();
    let start = text.find(found.text).unwrap_or(0);
    let place = case.world().part(&origin, text, start..start + found.text.len());
    let field = if found.key.is_empty() { "a value" } else { found.key };
    out.push(
        Finding::new(
            &RULE,
            format!(
                "{field} holds the placeholder `{}`: Kubernetes takes it literally",
                shown(found.text)
            ),
            &place,
            "not filled in",
        )
        .fix(Fix::suggest("render the manifest first, and judge what comes out")),
    );
}
