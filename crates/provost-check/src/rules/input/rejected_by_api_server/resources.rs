//! Resources of a container: which there are, and what cannot be overcommitted.

use super::{RULE, is_placeholder, refuse};
use crate::facts::document::Node;
use crate::findings::{Finding, Fix};
use crate::model::names::nearest;
use crate::model::quantity::Quantity;
use crate::rules::rule::Findings;

/// Resources of one list that are looked at.
const MOST: usize = 64;

/// `ResourceHugePagesPrefix`
const PAGES: &str = "hugepages-";

/// `validateResourceRequirements` of pkg/apis/core/validation/validation.go, v1.37.2: which resources there are,
/// and that what cannot be overcommitted has a limit, which the request equals.
pub(super) fn names(container: Node<'_>, out: &mut Findings) {
    let Some(resources) = container.get("resources") else { return };
    let mut pages = None;
    for side in ["requests", "limits"] {
        for (key, value) in resources.get(side).into_iter().flat_map(Node::entries).take(MOST) {
            let Some(name) = key.as_str().filter(|name| !is_placeholder(name)) else { continue };
            name_of(name, key, out);
            if let Some(size) = name.strip_prefix(PAGES) {
                pages = pages.or(Some(key));
                whole_pages(name, size, value, out);
            }
        }
    }
    let list = |side: &str| resources.get(side);
    for (key, value) in list("requests").into_iter().flat_map(Node::entries).take(MOST) {
        let Some(text) = key.as_str() else { continue };
        if is_overcommitted(text) {
            continue;
        }
        let limits = list("limits");
        let merged = limits.is_some_and(|limits| !limits.is_mapping() || limits.has_key("<<"));
        match limits.and_then(|limits| limits.get(text)) {
            Some(limit) => {
                let amounts =
                    [value, limit].map(|n| n.as_str().and_then(|n| Quantity::parse(n).ok()));
                if let [Some(asked), Some(allowed)] = amounts
                    && asked.units() != allowed.units()
                {
                    let message = format!("the request of {text} must be equal to its limit");
                    out.push(
                        Finding::new(&RULE, message, &value.origin(), "the request")
                            .also(&limit.origin(), "the limit"),
                    );
                }
            }
            None if !merged && !value.is_null() => {
                let message =
                    format!("a limit must be set for non overcommitable resources: {text}");
                refuse(out, &key.origin(), message);
            }
            None => {}
        }
    }
    let known = |side: &str| list(side).is_none_or(super::is_whole);
    let has = |side: &str, name: &str| list(side).is_some_and(|list| list.get(name).is_some());
    let computes =
        ["requests", "limits"].iter().any(|side| has(side, "cpu") || has(side, "memory"));
    if let Some(key) = pages
        && !computes
        && super::is_whole(resources)
        && known("requests")
        && known("limits")
    {
        refuse(out, &key.origin(), "HugePages require cpu or memory beside them");
    }
}

fn name_of(name: &str, key: Node<'_>, out: &mut Findings) {
    let standard = ["cpu", "memory", "ephemeral-storage", "<<"];
    let plain = !name.contains('/') && !name.starts_with(['$', '{']);
    // FILLED_IN_LATER
    let plain = plain && name.bytes().any(|b| b.is_ascii_lowercase());
    if !plain || standard.contains(&name) || name.starts_with(PAGES) {
        return;
    }
    let message = format!("`{name}` must be a standard resource for containers, or have a domain");
    let mut finding = Finding::new(&RULE, message, &key.origin(), "no such resource");
    let near = nearest(name, standard, 2);
    if let Some(near) = near.or((name == "storage").then_some("ephemeral-storage")) {
        let fix = Fix::suggest(format!("did you mean {near}?"));
        finding = finding.fix(fix.replace(&key.origin(), near));
    }
    out.push(finding);
}

/// `IsOvercommitAllowed`: what is of Kubernetes itself and no huge page may be promised twice; the others,
/// `IsExtendedResourceName`, are not.
fn is_overcommitted(name: &str) -> bool {
    if is_placeholder(name) {
        return true;
    }
    match name.split_once('/') {
        Some((domain, _)) => domain.contains("kubernetes.io"),
        None => !name.starts_with(PAGES),
    }
}

/// `IsHugePageResourceValueDivisible`
fn whole_pages(name: &str, size: &str, value: Node<'_>, out: &mut Findings) {
    let Some(text) = value.as_str().filter(|text| !is_placeholder(text)) else { return };
    let Ok(amount) = Quantity::parse(text) else { return };
    let page = Quantity::parse(size)
        .ok()
        .filter(|page| page.units() > 0 && page.millicores().0.is_multiple_of(1000));
    let Some(page) = page else {
        let message = format!("`{name}` names no size of a page, such as hugepages-2Mi");
        refuse(out, &value.origin(), message);
        return;
    };
    if !amount.is_negative() && !amount.units().is_multiple_of(page.units()) {
        let message = format!("{text} is not a positive integer multiple of {name}");
        refuse(out, &value.origin(), message);
    }
}
