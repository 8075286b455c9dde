//! Values of custom resources that contradict each other.

mod istio;
mod monitor;
mod scaled_object;

use super::super::is_alone;
use super::{RULE, completed};
use crate::case::ObjectCase;
use crate::facts::document::Node;
use crate::facts::placeholders::{is_in_capitals, is_placeholder};
use crate::findings::{Finding, Fix};
use crate::model::goduration::parse_seconds;
use crate::model::text;
use crate::rules::rule::Findings;

/// What is refused; what is refused because something else is not there, only where no kustomization may
/// bring that.
pub(super) fn check(case: &ObjectCase<'_>, out: &mut Findings) {
    let mut lacking = Lacking { alone: is_alone(case), found: false };
    each(case, &mut lacking, out);
    if lacking.found {
        out.abstain(completed(case));
    }
}

/// Whether an object is all there, and whether something that it lacks was passed over since it may not be.
struct Lacking {
    alone: bool,
    found: bool,
}

impl Lacking {
    /// Whether to tell that something is not there.
    fn is_told(&mut self) -> bool {
        self.found |= !self.alone;
        self.alone
    }
}

fn each(case: &ObjectCase<'_>, lacking: &mut Lacking, out: &mut Findings) {
    let meta = &case.object.meta;
    if meta.group() == "cert-manager.io"
        && meta.kind.value == "Certificate"
        && let Some(spec) = case.object.node().get("spec")
    {
        certificate(spec, lacking, out);
    }
    if let Some(kind) = case.route_kind() {
        ports(case.object.node(), lacking, out);
        if kind == "HTTPRoute" {
            timeouts(case.object.node(), out);
        }
    }
    istio::check(case, lacking, out);
    if meta.group() == "monitoring.coreos.com"
        && let Some(spec) = case.object.node().get("spec")
    {
        monitor::check(&meta.kind.value, spec, out);
    }
    if meta.group() == "keda.sh"
        && meta.kind.value == "ScaledObject"
        && let Some(spec) = case.object.node().get("spec")
    {
        scaled_object::check(spec, lacking, out);
    }
    if meta.group() == "keda.sh"
        && meta.kind.value == "ScaledJob"
        && let Some(spec) = case.object.node().get("spec")
    {
        scaled_object::triggers(spec, out);
    }
}

/// `ValidateDuration` in internal/apis/certmanager/validation/certificate.go of cert-manager v1.21,
/// whose webhook refuses these; seconds of `DefaultCertificateDuration`, `MinimumCertificateDuration`
/// and `MinimumRenewBefore` in pkg/apis/certmanager/v1/const.go.
const DURATION: f64 = 90.0 * 24.0 * 3600.0;
const LEAST_DURATION: f64 = 3600.0;
const LEAST_RENEW_BEFORE: f64 = 300.0;

fn certificate(spec: Node<'_>, lacking: &mut Lacking, out: &mut Findings) {
    issuer(spec, out);
    for key in ["duration", "renewBefore"] {
        let Some(node) = spec.get(key) else { continue };
        let Some(text) = node.as_str().filter(|text| !is_open(text)) else { continue };
        // A number is of the wrong type.
        if node.as_i64().is_some() || parse_seconds(text).is_some() || text.len() > 100 {
            continue;
        }
        let message = format!(
            "{key} `{text}` is no duration of Go, whose largest unit is the hour: cert-manager's \
             webhook cannot decode the Certificate, and refuses it"
        );
        let finding = Finding::new(&RULE, message, &node.origin(), "no duration");
        let days = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok());
        out.push(match days.filter(|days| *days < 100_000) {
            Some(days) => finding.fix(Fix::suggest(format!("write {}h", days * 24))),
            None => finding.fix(Fix::suggest("write it in hours, minutes and seconds: 2160h")),
        });
    }
    if let (Some((first, _)), Some((second, _))) =
        (spec.get_entry("renewBefore"), spec.get_entry("renewBeforePercentage"))
    {
        let message = "cert-manager refuses the Certificate, `renewBefore and \
                       renewBeforePercentage are mutually exclusive and cannot both be set`";
        let finding = Finding::new(&RULE, message, &second.origin(), "and this");
        out.push(finding.also(&first.origin(), "this").fix(Fix::suggest("keep one of them")));
    }
    // What is none was told.
    let of = |key| {
        let node = spec.get(key)?;
        Some((parse_seconds(node.as_str()?)?, node))
    };
    let duration = of("duration");
    if let Some((seconds, node)) = duration.filter(|(seconds, _)| *seconds < LEAST_DURATION) {
        let message = format!(
            "cert-manager refuses a certificate for less than 1h, and this one is for {}",
            shown(seconds)
        );
        out.push(Finding::new(&RULE, message, &node.origin(), "too short"));
    }
    let Some((before, node)) = of("renewBefore") else { return };
    if before < LEAST_RENEW_BEFORE {
        let message =
            "cert-manager refuses a certificate that is renewed less than 5m before its end";
        out.push(Finding::new(&RULE, message, &node.origin(), "too late"));
    }
    let (whole, place) = match &duration {
        Some((seconds, node)) => (*seconds, Some(node.origin())),
        None => (DURATION, None),
    };
    // A duration that cannot be read may be any.
    let known = duration.is_some() || spec.get("duration").is_none();
    if before >= whole && known && (duration.is_some() || lacking.is_told()) {
        let message = format!(
            "renewBefore {} is not less than duration {}: cert-manager refuses the Certificate, \
             which would be renewed without end",
            node.as_str().unwrap_or_default(),
            shown(whole)
        );
        let mut finding =
            Finding::new(&RULE, message, &node.origin(), "renewed before it is issued");
        if let Some(place) = place {
            finding = finding.also(&place, "lasts no longer");
        }
        out.push(finding.fix(Fix::suggest(format!(
            "write less than {}, as a third of it: {}",
            shown(whole),
            shown((whole / 3.0).floor())
        ))));
    }
}

/// `validateIssuerRef` in internal/apis/certmanager/validation/certificate.go, v1.12 to v1.21. Other groups
/// are those of issuers by somebody else.
fn issuer(spec: Node<'_>, out: &mut Findings) {
    let Some(issuer) = spec.get("issuerRef").filter(|issuer| issuer.is_mapping()) else { return };
    let merged = issuer.has_key("<<");
    let group = issuer.get("group").map_or(Some(""), Node::as_str);
    let Some(node) = issuer.get("kind").filter(|_| !merged) else { return };
    let Some(kind) = node.as_str().filter(|kind| !is_open(kind)) else { return };
    if !matches!(group, Some("" | "cert-manager.io"))
        || matches!(kind, "" | "Issuer" | "ClusterIssuer")
    {
        return;
    }
    let near = ["Issuer", "ClusterIssuer"].into_iter().find(|it| it.eq_ignore_ascii_case(kind));
    let shown = text::shown(kind);
    let message = format!(
        "cert-manager has no issuers of kind {shown}: it refuses the Certificate, `must be one of \
         Issuer or ClusterIssuer`"
    );
    let finding = Finding::new(&RULE, message, &node.origin(), "no such kind");
    let fix = near.map_or_else(
        || "write Issuer or ClusterIssuer, or the group of the other issuer".to_owned(),
        |near| format!("write {near}"),
    );
    out.push(finding.fix(Fix::suggest(fix)));
}

/// Whether a duration, an address, a number or a kind is still to be filled in.
fn is_open(text: &str) -> bool {
    is_placeholder(text) || is_in_capitals(text)
}

fn shown(seconds: f64) -> String {
    match seconds {
        hours if hours % 3600.0 == 0.0 => format!("{}h", hours / 3600.0),
        minutes if minutes % 60.0 == 0.0 => format!("{}m", minutes / 60.0),
        seconds => format!("{seconds}s"),
    }
}

fn list<'d>(of: Node<'d>, key: &str) -> impl Iterator<Item = Node<'d>> + use<'d> {
    of.get(key).into_iter().flat_map(Node::items)
}

/// Where the filters of a rule or backend send copies to.
fn mirrors<'d>(of: Node<'d>) -> impl Iterator<Item = Node<'d>> + use<'d> {
    list(of, "filters").filter_map(|filter| filter.at(&["requestMirror", "backendRef"]))
}

/// Backends of one route that are looked at.
const MOST: usize = 1000;

/// `Must have port for Service reference`, a rule of the CRDs from sigs.k8s.io/gateway-api v0.8 on.
fn ports(root: Node<'_>, lacking: &mut Lacking, out: &mut Findings) {
    let rules = root.at(&["spec", "rules"]).into_iter().flat_map(Node::items);
    let backends = rules.flat_map(|rule| {
        let own = list(rule, "backendRefs").flat_map(|b| std::iter::once(b).chain(mirrors(b)));
        own.chain(mirrors(rule))
    });
    for backend in backends.take(MOST) {
        let text = |key| backend.get(key).and_then(Node::as_str).unwrap_or_default();
        let service = text("group").is_empty() && matches!(text("kind"), "" | "Service");
        let written = backend.has_key("port") || backend.has_key("<<");
        let Some(name) = backend.get("name").filter(|_| service && !written) else { continue };
        if name.as_str().is_none_or(is_placeholder) || !lacking.is_told() {
            continue;
        }
        out.push(Finding::new(
            &RULE,
            "a backendRef to a Service needs a port: the CRDs of Gateway API refuse it, `Must \
                 have port for Service reference`",
            &name.origin(),
            "no port",
        ));
    }
}

/// `backendRequest timeout cannot be longer than request timeout`, a rule of the CRDs from
/// sigs.k8s.io/gateway-api v1.0 on, where `request` is not 0, which is no limit.
fn timeouts(root: Node<'_>, out: &mut Findings) {
    let rules = root.at(&["spec", "rules"]).into_iter().flat_map(Node::items);
    for timeouts in rules.filter_map(|rule| rule.get("timeouts")).take(MOST) {
        let of = |key| {
            let node = timeouts.get(key)?;
            Some((parse_seconds(node.as_str()?)?, node))
        };
        let (Some((whole, request)), Some((one, backend))) = (of("request"), of("backendRequest"))
        else {
            continue;
        };
        if whole > 0.0 && one > whole {
            let text = |node: Node<'_>| node.as_str().unwrap_or_default().to_owned();
            let message = format!(
                "backendRequest {} is longer than request {}: the CRDs of Gateway API refuse it, \
                 `backendRequest timeout cannot be longer than request timeout`",
                text(backend),
                text(request)
            );
            out.push(
                Finding::new(&RULE, message, &backend.origin(), "one try")
                    .also(&request.origin(), "all tries together")
                    .fix(Fix::suggest("give one try less time than the whole request has")),
            );
        }
    }
}
