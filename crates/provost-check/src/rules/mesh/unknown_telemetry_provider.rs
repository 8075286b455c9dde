//! A Telemetry whose provider does not exist, or exists no more.

use crate::case::mesh::Providers;
use crate::case::routes::Said;
use crate::case::{Joined, ObjectCase};
use crate::facts::document::Node;
use crate::facts::placeholders::may_be_in;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::mtls::ROOT_NAMESPACE;
use crate::model::names;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const REMOVED: Variant = Variant::new(
    "removed-telemetry-provider",
    Level::Warn,
    "a provider of telemetry that Istio has no more",
);
const NOWHERE: Variant = Variant::new(
    "access-log-without-provider",
    Level::Warn,
    "an access log for the whole mesh that goes nowhere",
);

/// `fetchProvider`, `Tracing` and `mergeLogs` in pilot/pkg/model/telemetry.go, `configureFromProviderConfig`
/// in pilot/pkg/networking/core/tracing.go, and the notes of release on Lightstep and OpenCensus
/// (releasenotes/notes/54002.yaml). What istioctl analyze calls IST0157 and IST0002. Istio 1.31.
pub static RULE: Rule = Rule {
    id: "unknown-telemetry-provider",
    group: Group::Mesh,
    level: Level::Warn,
    title: "a Telemetry of Istio's names a provider that the mesh does not have",
    page: include_str!("unknown-telemetry-provider.md"),
    needs: &[Need::Manifest],
    variants: &[REMOVED, NOWHERE],
    check: Check::Object(check),
    also: &[Check::Run(installed)],
    ..Rule::BASE
};

/// Entries of one Telemetry that are looked at.
const MOST: usize = 64;

/// Providers that are gone, with the first release without them.
const GONE: &[(&str, &str, &str)] =
    &[("lightstep", "Lightstep", "1.27"), ("opencensus", "OpenCensus", "1.25")];

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let meta = &case.object.meta;
    if meta.group() != "telemetry.istio.io" || meta.kind.value != "Telemetry" {
        return Err(Abstain::NotApplicable);
    }
    let joined = case.joined;
    joined.not_without_mesh()?;
    joined.unpatched(case.object, &["spec/tracing", "spec/metrics", "spec/accessLogging"])?;
    let providers = joined.mesh_providers()?;
    let spec = case.object.node().get("spec").ok_or(Abstain::NotApplicable)?;
    for kind in ["tracing", "metrics", "accessLogging"] {
        for entry in spec.get(kind).into_iter().flat_map(Node::items).take(MOST) {
            let named = entry.get("providers").into_iter().flat_map(Node::items).take(MOST);
            for said in named.filter_map(|provider| Said::at(provider, "name")) {
                if !may_be_in(said.text) {
                    provider(case, &providers, kind, &said, out);
                }
            }
        }
    }
    nowhere(case, spec, &providers, out);
    Ok(())
}

fn provider(
    case: &ObjectCase<'_>,
    providers: &Providers,
    kind: &str,
    said: &Said<'_>,
    out: &mut Findings,
) {
    let Some(found) = providers.find(said.text) else {
        let near = names::meant(said.text, providers.own.iter().map(|it| it.name.as_str()));
        let what = match kind {
            "tracing" => "no spans are sent",
            "metrics" => "no metrics are made by it",
            _ => "nothing is logged by it",
        };
        let finding = Finding::new(
            &RULE,
            format!("the mesh has no provider {}: {what}, and nobody is told", said.text),
            &said.at,
            "no such provider",
        )
        .also(&providers.at, "the configuration of the mesh");
        out.push(finding.fix(match near {
            Some(near) => {
                let fix = Fix::suggest(format!("did you mean {near}?"));
                case.world().rewrite(fix, &said.at, said.text, near)
            }
            None => Fix::suggest("add it to meshConfig.extensionProviders"),
        }));
        return;
    };
    let Some(found) = found.filter(|_| kind == "tracing") else { return };
    if let Some((_, name, release)) = GONE.iter().find(|(gone, ..)| *gone == found.kind) {
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "{} is a provider for {name}, which Istio has no more from {release} on: no spans \
                     are sent",
                    said.text
                ),
                &said.at,
                "no tracer",
            )
            .variant(&REMOVED)
            .also(&found.at, "the provider")
            .fix(Fix::suggest("define a provider of type opentelemetry, and name that")),
        );
    }
}

/// What a Telemetry of the root namespace does not say comes from the mesh's configuration, and from
/// nowhere else.
fn nowhere(case: &ObjectCase<'_>, spec: Node<'_>, providers: &Providers, out: &mut Findings) {
    let for_all = ["selector", "targetRefs", "targetRef"].iter().all(|key| spec.get(key).is_none());
    let in_root = case.object.meta.namespace.value == ROOT_NAMESPACE;
    let Some((key, list)) = spec.get_entry("accessLogging") else { return };
    if !for_all || !in_root || providers.logs_by_default {
        return;
    }
    let mut entries = list.items().take(MOST).peekable();
    let silent = |entry: Node<'_>| {
        entry.get("providers").is_none()
            && !entry.has_key("<<")
            && entry.get("disabled").and_then(Node::as_bool) != Some(true)
    };
    if entries.peek().is_none() || !entries.all(silent) {
        return;
    }
    out.push(
        Finding::new(
            &RULE,
            "the access log of the whole mesh names no provider, and the mesh has none by default: \
             nothing is logged",
            &key.origin(),
            "goes nowhere",
        )
        .variant(&NOWHERE)
        .also(&providers.at, "no defaultProviders.accessLogging")
        .fix(Fix::suggest("add providers: [{name: envoy}]")),
    );
}

/// Providers in an installation that Istio has no more, whoever names them.
fn installed(joined: &Joined<'_>, out: &mut Findings) -> Judged {
    joined.not_without_mesh()?;
    if joined.joins.mesh_configs().is_empty() {
        return Err(Abstain::NotApplicable);
    }
    // What cannot be read is told where it is asked for.
    let Ok(providers) = joined.mesh_providers() else { return Err(Abstain::NotApplicable) };
    for provider in &providers.own {
        let Some((_, name, release)) = GONE.iter().find(|(gone, ..)| *gone == provider.kind) else {
            continue;
        };
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "the mesh has a provider {} for {name}, which Istio has no more from {release} on",
                    provider.name
                ),
                &provider.at,
                "no tracer",
            )
            .variant(&REMOVED)
            .fix(Fix::suggest("define a provider of type opentelemetry instead")),
        );
    }
    Ok(())
}
