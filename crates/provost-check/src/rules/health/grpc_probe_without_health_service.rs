//! A gRPC probe of a program that has no gRPC health service.

use crate::case::Case;
use crate::facts::Origin;
use crate::facts::binary::GoProgram;
use crate::facts::program_text::TextPresence;
use crate::facts::symbols;
use crate::facts::workload::{Action, Probe};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// The kubelet calls grpc.health.v1.Health/Check, in plain text.
pub static RULE: Rule = Rule {
    id: "grpc-probe-without-health-service",
    group: Group::Health,
    level: Level::Deny,
    title: "a gRPC probe of a program without the gRPC health service",
    page: include_str!("grpc-probe-without-health-service.md"),
    needs: &[Need::Manifest, Need::Binary],
    variants: &[
        Variant::new(
            "grpc-probe-behind-tls",
            Level::Warn,
            "a gRPC probe, which has no TLS, of a server with TLS",
        ),
        Variant::new(
            "grpc-probe-of-unknown-service",
            Level::Warn,
            "a gRPC probe of a service whose health nobody states",
        ),
    ],
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    let probes: Vec<(&'static str, &Probe)> = case
        .container
        .probes()
        .filter(|(_, probe)| matches!(probe.handler.action, Action::Grpc { .. }))
        .collect();
    let Some(((field, first), rest)) = probes.split_first() else {
        return Err(Abstain::NotApplicable);
    };
    let binary = case.binary()?;
    let program = case.program()?;
    let table = Origin::binary(binary.source, ".gopclntab", None);
    let health = program.links_any(&[
        symbols::GRPC_HEALTH_CHECK,
        symbols::GRPC_HEALTH_REGISTER,
        symbols::CONNECT_HEALTH,
    ])?;
    let also_rest = |mut finding: Finding| {
        for (field, probe) in rest {
            finding = finding.also(&probe.handler.origin, format!("and the {field}"));
        }
        finding
    };
    if health.is_none() {
        let server = program.links(symbols::GRPC_SERVE)?;
        let message = match server {
            Some(_) => format!(
                "the {field} calls grpc.health.v1.Health/Check, which the program does not serve: \
                 the kubelet gets UNIMPLEMENTED"
            ),
            None => format!("the {field} speaks gRPC, and there is no gRPC server in the program"),
        };
        let mut finding =
            also_rest(Finding::new(&RULE, message, &first.handler.origin, "speaks gRPC"));
        finding = finding.also(&table, "no gRPC health service is linked");
        if let Some(server) = server {
            finding = finding.also(server, "serves gRPC");
        }
        out.push(finding.fix(Fix::suggest(match server {
            Some(_) => {
                "healthpb.RegisterHealthServer(server, health.NewServer()) of google.golang.org/grpc/health"
            }
            None => "probe with httpGet, or serve gRPC with its health service",
        })));
        return Ok(());
    }
    for (field, probe) in &probes {
        out.found.extend(unknown_service(case, program, field, probe));
    }
    let tls = match program.links(symbols::GRPC_SERVER_TLS)? {
        Some(origin) => Some((origin, "credentials.NewServerTLSFromFile is linked")),
        // NewTLS serves clients as well; only a program that is none tells a server.
        None => match program.links(symbols::GRPC_TLS)? {
            Some(origin)
                if program
                    .links_any(&[symbols::GRPC_NEW_CLIENT, symbols::GRPC_DIAL])?
                    .is_none() =>
            {
                Some((origin, "credentials.NewTLS is linked, and no gRPC client"))
            }
            _ => None,
        },
    };
    if let Some((origin, label)) = tls {
        let finding = Finding::new(
            &RULE,
            format!("the {field} speaks gRPC in plain text, and the server may demand TLS"),
            &first.handler.origin,
            "the kubelet's gRPC probe has no TLS",
        )
        .variant(&RULE.variants[0])
        .also(origin, label);
        out.push(also_rest(finding).fix(Fix::suggest(
            "serve the health service on a port of its own without TLS, or probe with exec",
        )));
    }
    Ok(())
}

/// The package whose server answers `NotFound` for a name that nobody has set a status of (`Check` in
/// google.golang.org/grpc/health/server.go).
const HEALTH: &str = "google.golang.org/grpc/health";

/// The probe asks for a name that no text of the program and no setting holds.
fn unknown_service(
    case: &Case<'_>,
    program: &GoProgram,
    field: &str,
    probe: &Probe,
) -> Option<Finding> {
    let Action::Grpc { service: Some(service), .. } = &probe.handler.action else { return None };
    let name = service.value.as_str();
    let unknown = !name.is_empty()
        && program.packages.contains(HEALTH)
        && program.text.find(name) == TextPresence::Absent
        && matches!(case.is_configured(name), Ok(false));
    if !unknown {
        return None;
    }
    let finding = Finding::new(
        &RULE,
        format!(
            "the {field} asks for the health of {name}, a name that the program does not hold: the \
             kubelet gets NotFound, \"unknown service\""
        ),
        &service.origin,
        "nobody states its health",
    )
    .variant(&RULE.variants[1])
    .also(&program.version.origin, "has no such text");
    Some(match program.text.slip(name) {
        Ok(Some((meant, origin))) => finding
            .also(&origin, format!("it has {meant}"))
            .fix(Fix::suggest(format!("did you mean {meant}?"))),
        _ => finding.fix(Fix::suggest(
            "ask for a name that SetServingStatus is called with, or leave service out",
        )),
    })
}
