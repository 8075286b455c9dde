//! Whether the Gateway that a ListenerSet adds to is there, and takes it.
//!
//! Source: `ParentGatewayReference` in apis/v1/shared_types.go, `AllowedListeners` in gateway_types.go
//! and listenerset_types.go of sigs.k8s.io/gateway-api v1.6.3. A set that is not taken is told so in its
//! status (`NotAllowed`), and by nothing else.

use super::{RULE, SET_NOT_ATTACHED};
use crate::case::ObjectCase;
use crate::case::references::Wanted;
use crate::case::routes::{RoutesFrom, selects_namespace};
use crate::facts::document::Node;
use crate::facts::objects::Selector;
use crate::facts::placeholders::is_placeholder;
use crate::findings::{Abstain, Finding, Fix, Reason};
use crate::rules::rule::{Findings, Judged};

pub(super) fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let parent = case.parent_of_listeners().ok_or(Abstain::NotApplicable)?;
    case.joined.unpatched(case.object, &["spec/parentRef"])?;
    let name = &parent.name;
    let unknown = || {
        let what = format!("what {} takes", name.text);
        Abstain::unknown(Reason::ExternalController, what)
    };
    let (group, kind) = parent.kind.ok_or_else(unknown)?;
    let wanted = Wanted { group, kind, namespace: parent.namespace, name: name.text };
    let gateway = match case.joined.referenced_one(case.object, wanted)? {
        Ok(gateway) => gateway,
        Err(None) => return Err(unknown()),
        Err(Some(missing)) => {
            let finding = Finding::new(
                &RULE,
                format!(
                    "there is no Gateway {} in namespace {}: the listeners are nobody's, and serve \
                     nothing",
                    name.text, parent.namespace
                ),
                &name.at,
                "no such Gateway",
            )
            .variant(&SET_NOT_ATTACHED);
            out.push(missing.tell(case.world(), finding, &name.at, name.text));
            return Ok(());
        }
    };
    case.joined.unpatched(gateway, &["spec/allowedListeners"])?;
    let namespaces = gateway.node().at(&["spec", "allowedListeners", "namespaces"]);
    let from = namespaces.and_then(|namespaces| namespaces.get("from"));
    let said = from.map_or(Some("None"), Node::as_str).filter(|text| !is_placeholder(text));
    let Some(said) = said else {
        let what = format!("the ListenerSets that {} takes", name.text);
        return Err(Abstain::unknown(Reason::Templated, what));
    };
    let own = &case.object.meta.namespace;
    // Without a namespace of its own an object goes where the other goes.
    let known = own.is_written() && gateway.meta.namespace.is_written();
    let selector = namespaces.and_then(|namespaces| namespaces.get("selector"));
    let selector = selector.filter(|selector| selector.is_mapping()).map(Selector::at);
    let (why, fix) = match RoutesFrom::said(said) {
        RoutesFrom::None => (
            "takes no ListenerSets, which is what it does unless it says otherwise",
            "set spec.allowedListeners.namespaces.from of the Gateway to Same",
        ),
        RoutesFrom::Same if known && own.value != gateway.meta.namespace.value => (
            "takes ListenerSets of its own namespace only",
            "set spec.allowedListeners.namespaces.from of the Gateway to All, or to a selector",
        ),
        RoutesFrom::Selector => match (&selector, case.own_namespace()) {
            (Some(selector), Some(home)) if !selects_namespace(selector, home) => (
                "takes ListenerSets of namespaces with other labels",
                "give the Namespace the labels that the Gateway selects",
            ),
            _ => return Ok(()),
        },
        _ => return Ok(()),
    };
    let place = match (from, &selector) {
        (_, Some(selector)) if said == "Selector" => selector.origin.clone(),
        (Some(from), _) => from.origin(),
        (None, _) => gateway.origin(),
    };
    let label = if from.is_some() { "whose it takes" } else { "has no allowedListeners" };
    out.push(
        Finding::new(
            &RULE,
            format!("Gateway {} {why}: the listeners of this one serve nothing", name.text),
            &name.at,
            "does not take it",
        )
        .variant(&SET_NOT_ATTACHED)
        .also(&place, label)
        .fix(Fix::suggest(fix)),
    );
    Ok(())
}
