//! Services that the API server asks: webhooks of admission and conversion, and APIs of others.
//!
//! Source: `ResolveEndpoint` and `ResolveCluster` in staging/src/k8s.io/kube-aggregator/pkg/apiserver/
//! resolvers.go and pkg/util/proxy of k8s.io/apiserver v0.37 (`no service port 443 found for service`),
//! `Dispatch` in pkg/admission/plugin/webhook for what comes of it.

use super::{RULE, WEBHOOK};
use crate::case::ObjectCase;
use crate::case::references::{Referenced, Wanted};
use crate::case::routes::Said;
use crate::facts::Body;
use crate::facts::document::Node;
use crate::facts::placeholders::may_be_in;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Findings, Judged};

/// Webhooks of one object that are looked at.
const MOST: usize = 256;

/// The port that is asked where none is written (`defaultWebhookPort`, `SetDefaults_ServiceReference`).
const PORT: i64 = 443;

pub(super) fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let root = case.object.node();
    let meta = &case.object.meta;
    let one = |path: &[&str], what| root.at(path).into_iter().map(move |at| (at, what)).collect();
    let asked: Vec<(Node<'_>, &str)> = match (meta.group(), meta.kind.value.as_str()) {
        (
            "admissionregistration.k8s.io",
            "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration",
        ) => {
            let webhooks = root.get("webhooks").into_iter().flat_map(Node::items).take(MOST);
            let of = |webhook: Node<'_>| {
                let ignores = webhook.get("failurePolicy").and_then(Node::as_str) == Some("Ignore");
                match ignores {
                    true => "objects pass without having been asked about",
                    false => "every request that it is for is refused",
                }
            };
            let asked =
                webhooks.filter_map(|it| Some((it.at(&["clientConfig", "service"])?, of(it))));
            asked.collect()
        }
        ("apiregistration.k8s.io", "APIService") => {
            one(&["spec", "service"], "the API is not available")
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => one(
            &["spec", "conversion", "webhook", "clientConfig", "service"],
            "objects of another version than the stored one cannot be read",
        ),
        _ => return Err(Abstain::NotApplicable),
    };
    case.joined.unpatched(case.object, &["webhooks", "spec"])?;
    for (service, effect) in asked {
        if let Err(unknown) = one_service(case, service, effect, out) {
            out.abstain(unknown);
        }
    }
    Ok(())
}

fn one_service(case: &ObjectCase<'_>, asked: Node<'_>, effect: &str, out: &mut Findings) -> Judged {
    let (Some(name), Some(namespace)) = (Said::at(asked, "name"), Said::at(asked, "namespace"))
    else {
        return Ok(());
    };
    if may_be_in(name.text) || may_be_in(namespace.text) {
        return Ok(());
    }
    let services =
        match case.joined.referenced(case.object, Wanted::service(namespace.text, name.text))? {
            Referenced::Made => return Ok(()),
            Referenced::There(services) => services,
            Referenced::Missing(missing) => {
                let finding = Finding::new(
                    &RULE,
                    format!("namespace {} has no Service {}: {effect}", namespace.text, name.text),
                    &name.at,
                    "nobody answers",
                )
                .variant(&WEBHOOK);
                out.push(missing.tell(case.world(), finding, &name.at, name.text));
                return Ok(());
            }
        };
    let written = asked.get("port");
    let Some(port) = written.map_or(Some(PORT), Node::as_i64) else { return Ok(()) };
    let mut ports = Vec::new();
    for service in &services {
        case.joined.unpatched(service, &["spec/ports"])?;
        let Body::Service(service) = &service.body else { return Ok(()) };
        // What has no ports, or one that is still to be filled in, may have any.
        if service.ports.is_empty() || service.ports.iter().any(|own| own.port.is_none()) {
            return Ok(());
        }
        ports.extend(&service.ports);
    }
    if ports.iter().any(|own| own.port.as_ref().is_some_and(|own| own.value == port)) {
        return Ok(());
    }
    let at = written.map_or_else(|| name.at.clone(), |node| node.origin());
    let mut finding = Finding::new(
        &RULE,
        format!("Service {} has no port {port}, which the API server asks: {effect}", name.text),
        &at,
        if written.is_some() { "no such port" } else { "port 443 by default" },
    )
    .variant(&WEBHOOK)
    .level(Level::Deny);
    for own in ports.iter().take(3) {
        finding = finding.also(&own.origin, "a port it has");
    }
    out.push(finding.fix(Fix::suggest("write a port of the Service")));
    Ok(())
}
