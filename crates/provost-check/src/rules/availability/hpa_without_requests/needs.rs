//! Metadata of KEDA's triggers that their scalers do not do without.
//!
//! The webhook does not ask for it: the ScaledObject is taken, no scaler is built, and nothing is scaled
//! (`missing required parameter` in pkg/scalers/scalersconfig/typed_config.go of keda v2.21, `no query
//! given` and its like in the files of pkg/scalers in v2.10 and v2.15).

use super::{NEEDS, RULE};
use crate::case::ObjectCase;
use crate::case::routes::Said;
use crate::facts::document::Node;
use crate::facts::placeholders::{is_in_capitals, is_open_code, is_placeholder, may_be_in};
use crate::findings::{Finding, Fix};
use crate::model::{cron, keda, text, timezone};
use crate::rules::rule::Findings;

pub(super) fn check(case: &ObjectCase<'_>, trigger: Node<'_>, of: &Said<'_>, out: &mut Findings) {
    let Some((key, metadata)) = trigger.get_entry("metadata") else { return };
    let open = |(key, _): (Node<'_>, Node<'_>)| {
        key.as_str().is_none_or(|key| key == "<<" || is_placeholder(key))
    };
    if !metadata.is_mapping() || metadata.entries().any(open) {
        return;
    }
    for (name, from_env) in keda::required(of.text) {
        let value = metadata.get(name).and_then(Node::as_str);
        // What has no value yet may get one, and what is empty is none.
        let lacks = match metadata.has_key(name) {
            true => value.is_some_and(|value| value.trim().is_empty()),
            false => !(*from_env && metadata.has_key(&format!("{name}FromEnv"))),
        };
        if lacks {
            let at = metadata.get_entry(name).map_or(key, |(key, _)| key);
            let finding = refused(of, &at, &format!("its metadata has no {name}"), "not there");
            out.push(finding.fix(Fix::suggest(format!("write {name}"))));
        }
    }
    for (name, form) in keda::forms(of.text) {
        let Some(node) = metadata.get(name) else { continue };
        let Some(text) = node.as_str().map(str::trim).filter(|text| is_known(text)) else {
            continue;
        };
        if !form.fits(text) {
            let shown = text::shown(text);
            let why = format!("{name} {shown} is no {}", form.name());
            out.push(refused(of, &node, &why, "refused by the scaler"));
        }
    }
    if of.text == "cron" {
        schedule(case, of, metadata, out);
    }
}

fn is_known(text: &str) -> bool {
    let open = may_be_in(text) || is_in_capitals(text) || is_open_code(text);
    !text.is_empty() && !open && !text.contains(['$', '<'])
}

/// `Validate` in pkg/scalers/cron_scaler.go.
fn schedule(case: &ObjectCase<'_>, of: &Said<'_>, metadata: Node<'_>, out: &mut Findings) {
    let text = |key| {
        let node = metadata.get(key)?;
        Some((node.as_str().map(str::trim).filter(|text| is_known(text))?, node))
    };
    let (start, end) = (text("start"), text("end"));
    for (name, (text, node)) in [("start", start), ("end", end)].into_iter().filter_map(zipped) {
        // Its parser takes no descriptors, and a zone in front.
        let wrong = match text {
            at if at.starts_with('@') => Some("a word with @ is not taken".to_owned()),
            zoned if zoned.starts_with("TZ=") || zoned.starts_with("CRON_TZ=") => None,
            text => cron::check(text).err().map(|problem| problem.to_string()),
        };
        if let Some(wrong) = wrong {
            let why = format!("{name} is no schedule, {wrong}");
            out.push(refused(of, &node, &why, "refused by the scaler"));
        }
    }
    if let (Some((from, _)), Some((to, node))) = (start, end)
        && from == to
    {
        let why = "`start and end can not have exactly same time input`";
        let mut finding = refused(of, &node, why, "ends when it starts");
        if let Some((_, start)) = start {
            finding = finding.also(&start.origin(), "the start");
        }
        out.push(finding.fix(Fix::suggest("end it later than it starts")));
    }
    if let Some((zone, node)) = text("timezone")
        && let Some(meant) = timezone::meant(zone)
    {
        let shown = text::shown(zone);
        let why = format!("there is no time zone {shown}, `unable to load timezone`");
        let fix = Fix::suggest(format!("did you mean {meant}?"));
        let finding = refused(of, &node, &why, "no such zone");
        out.push(finding.fix(case.world().rewrite(fix, &node.origin(), zone, meant)));
    }
}

fn zipped<A, B>((a, b): (A, Option<B>)) -> Option<(A, B)> {
    b.map(|b| (a, b))
}

fn refused(of: &Said<'_>, at: &Node<'_>, why: &str, label: &str) -> Finding {
    let message =
        format!("KEDA has no scaler for trigger {}: {why}, and nothing is scaled", of.text);
    Finding::new(&RULE, message, &at.origin(), label).variant(&NEEDS)
}
