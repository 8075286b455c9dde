//! A server that does not handle SIGTERM.

use crate::case::Case;
use crate::facts::Origin;
use crate::facts::symbols;
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// Without a handler SIGTERM ends the process at once, and each rollout cuts requests in flight.
pub static RULE: Rule = Rule {
    id: "no-termination-handler",
    group: Group::Lifecycle,
    level: Level::Deny,
    title: "a server that does not handle SIGTERM",
    page: include_str!("no-termination-handler.md"),
    needs: &[Need::Manifest, Need::Binary],
    variants: &[Variant::new(
        "server-without-shutdown",
        Level::Warn,
        "an HTTP server that handles signals and never shuts down",
    )],
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    case.not_batch()?;
    let binary = case.binary()?;
    let program = case.program()?;
    let server = case.server()?;
    let table = Origin::binary(binary.source, ".gopclntab", None);
    let service = case.of.first_service();
    if program.links(symbols::SIGNAL_NOTIFY)?.is_none() {
        let grace = &case.pod().grace_period;
        // Up to 1.26 the runtime's own death by signal did not work for process 1, whose default
        // actions the kernel ignores, and it fell through to exit(2) (runtime/signal_unix.go,
        // dieFromSignal).
        let code = if program.version.minor >= 27 { "143" } else { "2 as process 1, else 143" };
        let mut finding = Finding::new(
            &RULE,
            "SIGTERM ends the process at once: requests in flight are cut at every rollout",
            case.container_origin(),
            "is sent SIGTERM when its pod is deleted",
        )
        .level(if service.is_some() { Level::Deny } else { Level::Warn })
        .also(&table, "os/signal.Notify is not linked: no signal is handled")
        .also(server, "serves")
        .also(&grace.origin, format!("the grace period of {} s is not used", grace.value));
        if let Some((object, _)) = service {
            finding = finding.also(&object.origin(), "sends it requests");
        }
        out.push(finding.note(format!("exit code {code}")).fix(Fix::suggest(
            "ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt), \
             then server.Shutdown with a deadline inside the grace period",
        )));
        return Ok(());
    }
    let http = program.links(symbols::HTTP_SERVE)?;
    let grpc = program.links(symbols::GRPC_SERVE)?;
    if let (Some(http), None) = (http, grpc)
        && !program.links_package("github.com/valyala/fasthttp")
        && program.links(symbols::HTTP_SHUTDOWN)?.is_none()
    {
        let mut finding = Finding::new(
            &RULE,
            "the program handles a signal and never calls http.Server.Shutdown: \
             requests in flight are cut when it exits",
            case.container_origin(),
            "is sent SIGTERM when its pod is deleted",
        )
        .variant(&RULE.variants[0])
        .also(&table, "net/http.(*Server).Shutdown is not linked")
        .also(http, "serves HTTP");
        if let Some((object, _)) = service {
            finding = finding.also(&object.origin(), "sends it requests");
        }
        out.push(finding.fix(Fix::suggest(
            "call server.Shutdown with a deadline inside the grace period, and wait for it \
             before main returns",
        )));
    }
    Ok(())
}
