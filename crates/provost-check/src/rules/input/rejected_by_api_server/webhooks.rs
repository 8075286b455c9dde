//! Webhooks of admission: `validateValidatingWebhook` and `validateMutatingWebhook` of
//! pkg/apis/admissionregistration/validation/validation.go, v1.37.2.

use super::{is_alone, is_whole, items, refuse};
use crate::case::ObjectCase;
use crate::facts::document::Node;
use crate::rules::rule::Findings;

/// Webhooks of one object that are looked at.
const MOST: usize = 1000;

pub(super) fn check(case: &ObjectCase<'_>, out: &mut Findings) {
    let kind = case.object.meta.kind.value.as_str();
    if !matches!(kind, "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration") {
        return;
    }
    for webhook in items(case.object.node(), "webhooks").take(MOST) {
        if is_alone(case) {
            client(webhook, out);
        }
        seconds(webhook, out);
    }
}

/// Where the API server sends its question: a Service, or an address.
fn client(webhook: Node<'_>, out: &mut Findings) {
    let Some((key, config)) = webhook.get_entry("clientConfig") else { return };
    if !is_whole(config) || !is_whole(webhook) {
        return;
    }
    let has = |key: &str| config.get(key).is_some_and(|value| !value.is_null());
    let message = match (has("url"), has("service")) {
        (true, true) => "clientConfig has a url and a service: exactly one of them is required",
        (false, false) => "clientConfig names nobody: exactly one of url and service is required",
        _ => return,
    };
    refuse(out, &key.origin(), message);
}

fn seconds(webhook: Node<'_>, out: &mut Findings) {
    let Some(node) = webhook.get("timeoutSeconds") else { return };
    let Some(seconds) = node.as_i64() else { return };
    if !(1..=30).contains(&seconds) {
        let message = format!("timeoutSeconds {seconds} of a webhook must be between 1 and 30");
        refuse(out, &node.origin(), message);
    }
}
