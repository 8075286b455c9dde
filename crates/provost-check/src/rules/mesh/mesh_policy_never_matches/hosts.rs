//! DestinationRules about a host that nobody has.
//!
//! A rule is looked up by the host of the traffic (`destinationRule` in pilot/pkg/model/push_context.go
//! of Istio 1.31), which comes from a Service or a ServiceEntry. What istioctl analyze calls IST0101 of
//! the `host`.

use super::{NO_HOST, RULE};
use crate::case::ObjectCase;
use crate::case::mesh::{full_name, is_of_other_domain, service_of};
use crate::case::references::{Referenced, Wanted};
use crate::facts::placeholders::may_be_in;
use crate::findings::{Abstain, Finding, Level, Reason};
use crate::model::mtls::ROOT_NAMESPACE;
use crate::rules::rule::{Findings, Judged};

pub(super) fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let rule = case.destination_rule()?;
    let host = rule.host.as_ref().ok_or(Abstain::NotApplicable)?;
    let joined = case.joined;
    joined.not_without_mesh()?;
    joined.unpatched(case.object, &["spec/host"])?;
    let (text, at) = (host.value.as_str(), &host.origin);
    if may_be_in(text) {
        return Err(Abstain::unknown(Reason::Templated, format!("host {text}")));
    }
    let own = case.object.meta.namespace.value.as_str();
    let full = full_name(text, own);
    if full.contains(['*', '/', ':']) || joined.hosts.has_entry(&full) {
        return Ok(());
    }
    let Some((name, namespace)) = service_of(&full) else { return outside(case, text, at, out) };
    let Referenced::Missing(missing) =
        joined.referenced(case.object, Wanted::service(namespace, name))?
    else {
        return Ok(());
    };
    // An installation of the mesh makes Services of its own.
    if namespace == ROOT_NAMESPACE && joined.pods_may_be_made() {
        let what = format!("Service {name} of {ROOT_NAMESPACE}");
        return Err(Abstain::unknown(Reason::ExternalController, what));
    }
    let finding = Finding::new(
        &RULE,
        format!(
            "the DestinationRule is for {text}, and namespace {namespace} has no Service {name}: it \
             changes nothing"
        ),
        at,
        "no Service or ServiceEntry has this host",
    )
    .variant(&NO_HOST);
    // The name of the Service is the whole of the text only when it is short.
    let written = if text == name { name } else { "" };
    out.push(missing.tell(case.world(), finding, at, written).level(Level::Warn));
    Ok(())
}

/// A host with dots that is no Service's full name.
fn outside(
    case: &ObjectCase<'_>,
    text: &str,
    at: &crate::facts::Origin,
    out: &mut Findings,
) -> Judged {
    let joined = case.joined;
    let finding = |message: String| {
        Finding::new(&RULE, message, at, "nobody has this host").variant(&NO_HOST)
    };
    let parts: Vec<&str> = text.split('.').collect();
    if let [name, namespace] | [name, namespace, "svc"] = parts.as_slice() {
        let ids = joined.joins.named(namespace, "Service", name).iter();
        let mut services = ids.filter_map(|id| case.world().objects.get(*id));
        let service = services
            .find(|it| it.meta.group().is_empty() && joined.may_be_together(case.object, it));
        if let Some(service) = service {
            let full = format!("{name}.{namespace}.svc.cluster.local");
            let fix = crate::findings::Fix::suggest(format!("write {full}"));
            let message = format!(
                "{text} is no host of the mesh: Istio completes names without dots only, and the \
                 DestinationRule changes nothing"
            );
            out.push(
                finding(message)
                    .also(&service.origin(), format!("its host is {full}"))
                    .fix(case.world().rewrite(fix, at, text, &full)),
            );
            return Ok(());
        }
    }
    let own = case.object.meta.namespace.value.as_str();
    let closed = case.world().settings.closed_world;
    // A ServiceEntry of any namespace gives all of them the host.
    if !closed || joined.some_is_declared("ServiceEntry", own) {
        return Err(Abstain::unknown(Reason::ObjectNotInInput, format!("ServiceEntry of {text}")));
    }
    if is_of_other_domain(&text.to_ascii_lowercase()) {
        let what = format!("whether {text} ends in the cluster's domain");
        return Err(Abstain::unknown(Reason::ObjectNotInInput, what));
    }
    out.push(finding(format!(
        "no Service or ServiceEntry has the host {text}: the DestinationRule changes nothing"
    )));
    Ok(())
}
