//! A variable that the kubelet sets under a name the program reads.

use crate::case::Case;
use crate::case::env::{EnvSource, Lookup};
use crate::facts::Body;
use crate::facts::objects::Service;
use crate::facts::program_text::{TextKind, TextOwner};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// `tcp://10.96.14.2:80` where a number is wanted.
pub static RULE: Rule = Rule {
    id: "service-link-collision",
    group: Group::Config,
    level: Level::Warn,
    title: "a Service whose name makes the kubelet set a variable that the program reads",
    page: include_str!("service-link-collision.md"),
    needs: &[Need::Manifest, Need::Binary],
    check: Check::Container(check),
    ..Rule::BASE
};

/// Source: `makeEnvironmentVariables` of pkg/kubelet/kubelet_pods.go and pkg/kubelet/envvars
/// (v1.37.2): links come after the container's own variables and before the image's.
fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    if !case.pod().service_links.value {
        return Err(Abstain::NotApplicable);
    }
    let program = case.program()?;
    let namespace = case.of.object.meta.namespace.value.as_str();
    let strings = program
        .text
        .strings()
        .map_err(|why| Abstain::unknown(Reason::StringsUnreadable, format!("names: {why}")))?;
    let env = case.environment();
    let mut seen = std::collections::BTreeSet::new();
    for text in strings {
        let Some(stem) = text.text.strip_suffix("_PORT") else { continue };
        let own = text.kind == TextKind::EnvName && text.owner != TextOwner::Std;
        if !own || !seen.insert(stem) {
            continue;
        }
        let name = stem.to_ascii_lowercase().replace('_', "-");
        let services = case.of.joined.joins.named(namespace, "Service", &name);
        let objects = services.iter().filter_map(|id| case.world().objects.get(*id));
        let linked =
            |service: &Service| !service.headless && service.service_type.value != "ExternalName";
        let service = objects
            .filter(|object| case.of.joined.may_be_together(object, case.of.object))
            .find(|object| matches!(&object.body, Body::Service(service) if linked(service)));
        let Some(service) = service else { continue };
        let in_image = match env.lookup(&text.text) {
            Lookup::Set(variable) if variable.source == EnvSource::Manifest => continue,
            Lookup::Set(variable) => Some(variable.entry.clone()),
            Lookup::Unset => None,
            Lookup::Unknown(why) => {
                out.abstain(why);
                continue;
            }
        };
        let port = match &service.body {
            Body::Service(service) => service.ports.first().and_then(|port| port.port.clone()),
            _ => None,
        };
        let port = port.map_or_else(|| "80".to_owned(), |port| port.value.to_string());
        let mut finding = Finding::new(
            &RULE,
            format!(
                "the program reads {}, and the kubelet sets it to tcp://CLUSTER-IP:{port} because \
                 of Service {name}: what parses a number fails",
                text.text
            ),
            &service.origin(),
            format!("sets {}", text.text),
        )
        .also(case.container_origin(), "gets the links of its namespace's Services")
        .also(&text.origin, "the name in the program");
        if let Some(place) = in_image {
            finding = finding.also(&place, "set here, and the link wins over the image");
        }
        out.push(finding.fix(Fix::suggest(format!(
            "set enableServiceLinks: false for the pod, or {} in the container's env",
            text.text
        ))));
    }
    Ok(())
}
